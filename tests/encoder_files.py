"""Small encoders as ONNX files: a patch is the mean and other products of its pixels."""

import numpy as np

import onnx
from onnx import TensorProto, helper, numpy_helper

GRID, TOKENS, CLASSES = "grid", "tokens", "classes"


def encoder(path, step=8, width=6, gives=GRID, side=None, extra=0, seed=0):
    """A convolution whose kernel is a patch.

    Args:
        path: Where to write it.
        step: Pixels per patch.
        width: Numbers per patch.
        gives: `GRID`, `TOKENS`, or `CLASSES` (a vector per picture).
        side: Height and width that it takes; None: any.
        extra: Tokens before those of the patches.
        seed: Of its weights.
    """
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(width, 3, step, step)).astype(np.float32) / step
    weight[0] = 1 / step**2
    constants = [numpy_helper.from_array(weight, "weight")]
    nodes = [helper.make_node("Conv", ["pixels", "weight"], ["grid"], strides=[step, step])]
    shape = ["batch", width, "rows", "columns"]
    if gives == TOKENS:
        constants += [numpy_helper.from_array(np.array([0, width, -1]), "flat")]
        constants += [numpy_helper.from_array(rng.normal(size=(1, extra, width)).astype(np.float32), "class")]
        nodes += [helper.make_node("Reshape", ["grid", "flat"], ["across"])]
        nodes += [helper.make_node("Transpose", ["across"], ["patches"], perm=[0, 2, 1])]
        nodes += [helper.make_node("Concat", ["class", "patches"], ["tokens"], axis=1)]
        shape = ["batch", "tokens", width]
    if gives == CLASSES:
        nodes += [
            helper.make_node("GlobalAveragePool", ["grid"], ["mean"]),
            helper.make_node("Flatten", ["mean"], [CLASSES]),
        ]
        shape = ["batch", width]
    height, long = side or ("height", "width")
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, height, long])],
        [helper.make_tensor_value_info(gives, TensorProto.FLOAT, shape)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, path)
    return str(path)
