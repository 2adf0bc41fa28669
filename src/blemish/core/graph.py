"""Writing an ONNX graph: nodes that are added, multiplied and compared like arrays."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from blemish.core.errors import ExportError, missing_extra

OPSET, ML_OPSET, IR_VERSION = 20, 5, 10
"""Versions that ONNX Runtime 1.20 and later read; the trees need version 5 of ai.onnx.ml."""
ML = "ai.onnx.ml"


def onnx_package() -> Any:
    """The package onnx.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise missing_extra("onnx", "onnx") from None
    return onnx


class Exportable(ABC):
    """Optional interface of a part that can be written as part of an ONNX graph.

    A part without it works everywhere except in `export`, which then says so in one line.
    """

    @abstractmethod
    def graph(self, *args: Any, **kwargs: Any) -> Any:
        """The part as nodes; each kind of part has its own arguments."""


def exportable(kind: str, name: str, part: object, advice: str) -> Any:
    """The part, if it has an ONNX graph.

    Args:
        kind: 'scorer', 'expert', …
        name: The part's name in the dict of its kind.
        part: The part.
        advice: What to do instead.

    Raises:
        ExportError: If it has none.
    """
    if not isinstance(part, Exportable):
        raise ExportError(f"the {kind} {name!r} has no ONNX graph; {advice}")
    return part


def _operator(kind: str) -> Callable[["Node", Any], "Node"]:
    """A method of `Node` that adds an operator with two inputs."""
    return lambda node, other: node.graph.op(kind, node, other)


@dataclass(frozen=True)
class Node:
    """A value in a graph. Operators take nodes, arrays and numbers; numbers become float64.

    Attributes:
        graph: Where it lives.
        name: What it is called there.
    """

    graph: "Graph"
    name: str

    __add__, __sub__, __mul__, __truediv__ = map(_operator, ("Add", "Sub", "Mul", "Div"))
    __gt__, __ge__, __lt__, __matmul__ = map(_operator, ("Greater", "GreaterOrEqual", "Less", "MatMul"))

    def __neg__(self) -> "Node":
        return self.graph.op("Neg", self)

    def op(self, kind: str, *others: Any, **attributes: Any) -> "Node":
        """An operator with this node as its first input; see `Graph.op`."""
        return self.graph.op(kind, self, *others, **attributes)

    def to(self, dtype: Any) -> "Node":
        """In another type."""
        onnx = onnx_package()
        return self.op("Cast", to=onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def reduce(self, kind: str, axis: int, *, keepdims: bool = False) -> "Node":
        """'Sum', 'Mean', 'Max' or 'LogSumExp' along an axis."""
        axes = np.array([axis], dtype=np.int64)
        return self.op(f"Reduce{kind}", axes, keepdims=int(keepdims))

    def expand_dims(self, axis: int) -> "Node":
        """With one more axis of length 1."""
        return self.op("Unsqueeze", np.array([axis], dtype=np.int64))

    def take(self, index: Any, axis: int) -> "Node":
        """The given positions along an axis, in the given order."""
        return self.op("Gather", index, axis=axis)


class Graph:
    """A graph that grows node by node."""

    def __init__(self) -> None:
        """Start empty."""
        self._helper, self._numpy = onnx_package().helper, onnx_package().numpy_helper
        self._nodes, self._inputs, self._outputs, self._constants = [], [], [], []
        self._count = 0

    def input(self, name: str, dtype: Any, shape: Sequence[str | int]) -> Node:
        """Declare an input, `np.str_` for text; an axis that is named instead of counted may have any length."""
        self._inputs.append(self._declared(name, dtype, shape))
        return Node(self, name)

    def output(self, name: str, node: Node, dtype: Any, shape: Sequence[str | int]) -> None:
        """Declare an output."""
        self._nodes.append(self._helper.make_node("Identity", [node.name], [name]))
        self._outputs.append(self._declared(name, dtype, shape))

    def _declared(self, name: str, dtype: Any, shape: Sequence[str | int]) -> Any:
        kind = self._helper.np_dtype_to_tensor_dtype(np.dtype(object if dtype is np.str_ else dtype))
        return self._helper.make_tensor_value_info(name, kind, list(shape))

    def constant(self, value: Any) -> Node:
        """An array that is part of the file; Python numbers become float64, lists of text strings."""
        array = np.asarray(value)
        if array.dtype.kind in "iub" and not isinstance(value, np.ndarray):
            array = array.astype(np.float64)
        name = self._name("constant")
        self._constants.append(self._numpy.from_array(array.astype(object) if array.dtype.kind == "U" else array, name))
        return Node(self, name)

    def op(self, kind: str, *inputs: Any, domain: str = "", **attributes: Any) -> Node:
        """One operator with one output; see `ops`."""
        return self.ops(kind, 1, *inputs, domain=domain, **attributes)[0]

    def ops(self, kind: str, n_outputs: int, *inputs: Any, domain: str = "", **attributes: Any) -> list[Node]:
        """One operator with several outputs.

        Args:
            kind: Its name in the standard.
            n_outputs: How many it has.
            inputs: Nodes, arrays or numbers.
            domain: Where the operator is defined.
            attributes: As in the standard.
        """
        fed = [one.name if isinstance(one, Node) else self.constant(one).name for one in inputs]
        made = [self._name(kind) for _ in range(n_outputs)]
        self._nodes.append(self._helper.make_node(kind, fed, made, domain=domain, **attributes))
        return [Node(self, name) for name in made]

    def concat(self, nodes: Sequence[Node], axis: int) -> Node:
        """Side by side."""
        return nodes[0] if len(nodes) == 1 else self.op("Concat", *nodes, axis=axis)

    def splice(self, model: Any, inputs: Mapping[str, Node]) -> list[Node]:
        """Copy another model's nodes into this graph.

        Args:
            model: A `ModelProto` without functions or nested graphs.
            inputs: What feeds each of its inputs.

        Returns:
            Its outputs, in order.
        """
        prefix = self._name("part")
        renamed = {name: node.name for name, node in inputs.items()}

        def name(old: str) -> str:
            return renamed.setdefault(old, f"{prefix}.{old}") if old else ""

        for tensor in model.graph.initializer:
            self._constants.append(type(tensor)())
            self._constants[-1].CopyFrom(tensor)
            self._constants[-1].name = name(tensor.name)
        for node in model.graph.node:
            if node.op_type == "Identity" and node.output[0] in inputs:
                continue  # an input that is an output
            copy = type(node)()
            copy.op_type, copy.domain = node.op_type, node.domain
            copy.input.extend(name(old) for old in node.input)
            copy.output.extend(name(old) for old in node.output)
            copy.attribute.extend(node.attribute)
            self._nodes.append(copy)
        return [Node(self, name(output.name)) for output in model.graph.output]

    def model(self, facts: Mapping[str, str], also: Mapping[Node, int] | None = None) -> Any:
        """The finished `ModelProto`, checked.

        Args:
            facts: Metadata.
            also: More outputs, of float64, under their own names, and the number of their axes.
        """
        onnx, helper = onnx_package(), self._helper
        more = [
            helper.make_tensor_value_info(node.name, onnx.TensorProto.DOUBLE, [None] * n_axes)
            for node, n_axes in (also or {}).items()
        ]
        graph = helper.make_graph(self._nodes, "blemish", self._inputs, [*self._outputs, *more], self._constants)
        imports = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="blemish")
        helper.set_model_props(model, dict(facts))
        onnx.checker.check_model(model)
        return model

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"blemish:{kind}.{self._count}"  # no column has such a name
