"""One ONNX file that scores raw samples: preparation, network and scores in one graph."""

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from blemish.core.errors import DataWarning, ExportError, missing_extra
from blemish.core.graph import OPSET, Graph, Node, exportable, onnx_package
from blemish.core.store import write_atomically
from blemish.core.version import __version__
from blemish.fitting.fitted import Fitted
from blemish.fitting.model import Model
from blemish.modalities.modality import ExportableModality
from blemish.modalities.parts import ExportableMaps, ExportableParts
from blemish.onnx.decisions import add_scores
from blemish.onnx.parity import INSTEAD, Parity, accept, compare, kept_samples
from blemish.onnx.runtime import AREA_LEVELS, HEAT, KEY, SCHEMA, Runtime, sealed
from blemish.scoring.scorer import EvidenceNodes, ExportableScorer

DOUBLE = 11
"""ONNX's number for float64."""
MAX_STEPS = 4096  # of a side of a picture, in steps of 16 pixels: PyTorch's exporter wants a bound


class Body(nn.Module):
    """The tensor operations of a model: code, error and feature sets of the network's input."""

    def __init__(self, model: Model) -> None:
        """Copy the network to the CPU; the model's own stays on its device."""
        super().__init__()
        self.network = deepcopy(model.network).cpu().eval()
        self.reconstruction, self.modality, self.feature_sets = model.reconstruction, model.modality, model.views

    def forward(self, x: Float[Tensor, "row *sample"]) -> tuple[Tensor, ...]:
        """Code, error, and one tensor per feature set."""
        out = self.network(x)
        error = self.reconstruction.sample_error(x, out.x_hat, self.modality.blocks)
        found = self.modality.features(x) if self.feature_sets else {}
        return (out.z, error, *(found[name] for name in self.feature_sets))


def write_onnx(
    path: str | os.PathLike[str],
    fitted: Fitted,
    thresholds: Mapping[str, float],
    prior: Mapping[str, float],
    facts: Mapping[str, Any],
    samples: Any = None,
    cuts: Mapping[str, float] | None = None,
) -> Parity:
    """Export, compare with the original, and write the file whole or not at all.

    Args:
        path: File to write.
        fitted: The fit to export.
        thresholds: 'threshold' of the decision score and 'outlier_threshold'.
        prior: Fractions of the groups that the probabilities assume.
        facts: More to store, as JSON values.
        samples: Raw samples to compare on; None: see `kept_samples`.
        cuts: On the score of each of several kinds of defect; None: 'threshold'.

    Raises:
        ExportError: If a part has no ONNX graph, or the scores would differ from the model's; nothing is written.
        MissingExtraError: If a package is missing.
    """
    _scorer(fitted)  # refused before the network is traced, which takes seconds
    graph = Graph()
    evidence = _evidence_nodes(graph, fitted.model)
    made = _scorer(fitted).graph(fitted.scorer_state, evidence, labelled=fitted.n_defects > 0)
    add_scores(graph, made, fitted, thresholds, prior, cuts)
    known = {**facts, **_interface(fitted.model), **thresholds, "n_defects": fitted.n_defects}
    known |= {"classes": ["normal", "other", *fitted.kinds], **_add_map(graph, made.of_parts, fitted)}
    source = "kept in the model" if samples is None else "given"
    samples = kept_samples(fitted) if samples is None else samples
    flat = _flat_parts(evidence)
    also = {evidence.z: 2, evidence.error: 1, **dict.fromkeys(evidence.features.values(), 2)}
    also |= {} if flat is None else {flat[0]: 2, flat[1]: 1}
    trial = sealed(graph.model({KEY: json.dumps(known)}, also).SerializeToString())
    parity = compare(Runtime(trial), fitted, prior, samples, source, evidence, flat)
    accept(parity)
    finished = graph.model({KEY: json.dumps({**known, "parity": asdict(parity)}, allow_nan=False)})
    write_atomically(path, sealed(finished.SerializeToString()))
    return parity


def _interface(model: Model) -> dict[str, Any]:
    """What the runtime has to know to feed the graph and to read its outputs."""
    modality = _modality(model)
    return {
        **modality.interface(),
        "inputs": modality.inputs,
        "schema": SCHEMA,
        "version": __version__,
        "modality": model.choices.modality.name,
    }


def _modality(model: Model) -> ExportableModality:
    return exportable("modality", model.choices.modality.name, model.modality, INSTEAD)


def _scorer(fitted: Fitted) -> ExportableScorer:
    return exportable("scorer", fitted.model.choices.scorer.name, fitted.scorer, INSTEAD)


def _add_map(graph: Graph, of_parts: Node | None, fitted: Fitted) -> dict[str, Any]:
    """The map as an output of the graph, where the model has one; returns what has to be known of it."""
    if fitted.area_levels is None:
        return {}
    modality = fitted.model.modality
    if of_parts is None or not isinstance(modality, ExportableMaps):
        part = fitted.model.choices.scorer.name if of_parts is None else fitted.model.choices.modality.name
        warnings.warn(
            f"the maps of {part!r} have no ONNX graph: the file gives scores alone; draw maps with the model file",
            DataWarning,
            stacklevel=4,
        )
        return {}
    graph.output(HEAT, modality.heat_graph(Node(graph, "X"), of_parts), np.float32, ["row", "height", "width"])
    return {AREA_LEVELS: fitted.area_levels.levels.tolist()}


def _evidence_nodes(graph: Graph, model: Model) -> EvidenceNodes:
    """Preparation and network."""
    x = _modality(model).graph(graph)
    rows = ({0: torch.export.Dim.DYNAMIC},)
    traced = _traced(Body(model), torch.full((3, *model.modality.sample_shape), 0.5), rows)
    z, error, *found = graph.splice(traced, {"x": x})
    features = {name: node.to(np.float64) for name, node in zip(model.views, found, strict=True)}
    return EvidenceNodes(z.to(np.float64), error.to(np.float64), features, _part_nodes(graph, model))


class PartBody(nn.Module):
    """What is measured of the parts of samples, as tensor operations."""

    def __init__(self, modality: ExportableParts) -> None:
        """Keep the modality."""
        super().__init__()
        self.modality = modality

    def forward(self, x: Float[Tensor, "row channel height width"]) -> Float[Tensor, "row part feature"]:
        """What is measured, for all parts."""
        return self.modality.part_values(x)


def _part_nodes(graph: Graph, model: Model) -> Node | None:
    """The parts of samples of any size, where the scorer reads them."""
    modality = model.parted
    if modality is None:
        return None
    if not isinstance(modality, ExportableParts):
        raise ExportError(f"parts of {model.choices.modality.name!r} data have no ONNX graph; {INSTEAD}")
    step, channels = modality.part_step, model.modality.sample_shape[0]
    sides = {axis: step * torch.export.Dim(f"side{axis}", min=1, max=MAX_STEPS) for axis in (2, 3)}
    example = torch.full((3, channels, 2 * step, 3 * step), 0.5)
    x = modality.part_input(Node(graph, "X"))
    traced = _traced(PartBody(modality), example, ({0: torch.export.Dim.DYNAMIC, **sides},))
    (parts,) = graph.splice(traced, {"x": x})
    return parts.to(np.float64)


def _traced(body: nn.Module, example: Tensor, shapes: tuple[dict[int, Any]]) -> Any:
    """The body as a `ModelProto`, for any length of the axes in `shapes`."""
    onnx_package()
    try:
        from onnxscript import opset20
    except ImportError:
        raise missing_extra("onnxscript", "onnx") from None
    with _quiet(), torch.no_grad():
        body(example)  # a pretrained network is read on first use, which a trace cannot do
        program = torch.onnx.export(
            body.eval(),
            (example,),
            input_names=["x"],
            dynamic_shapes=shapes,
            custom_translation_table=_translations(opset20),
            opset_version=OPSET,
            external_data=False,
            optimize=False,  # onnxscript 0.7.2 takes + 1e-9 for + 0; ONNX Runtime optimises when it loads
            verbose=False,
        )
    if program is None:
        raise ExportError(f"PyTorch's exporter returned no program; {INSTEAD}")
    return program.model_proto


def _translations(op: Any) -> dict[Any, Any]:
    """Operators, in those of onnxscript, that PyTorch's exporter lacks, or translates with a loss of digits."""

    def sort(x: Any, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
        """The exporter has no stable sort; ONNX's TopK is one."""
        length = op.Gather(op.Shape(x), op.Constant(value_ints=[dim]))
        return op.TopK(x, length, axis=dim, largest=int(descending), sorted=1)

    def cross_entropy(logits: Any, target: Any, weight: Any = None, pos_weight: Any = None, reduction: int = 0) -> Any:
        """The exporter takes the log of a sigmoid, which loses digits and is -inf where the sigmoid is 0."""
        return op.Add(op.Sub(op.Relu(logits), op.Mul(logits, target)), op.Softplus(op.Neg(op.Abs(logits))))

    def sinh(x: Any) -> Any:
        """ONNX Runtime's own loses digits near 0 in float32; PyTorch's does not."""
        wide = op.Cast(x, to=DOUBLE)
        twice = op.Sub(op.Exp(wide), op.Exp(op.Neg(wide)))
        return op.CastLike(op.Mul(twice, op.Cast(op.Constant(value_float=0.5), to=DOUBLE)), x)

    aten = torch.ops.aten
    return {
        aten.sinh.default: sinh,
        aten.sort.stable: sort,
        aten.binary_cross_entropy_with_logits.default: cross_entropy,
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's remarks on packages that it does not need."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)


def _flat_parts(evidence: EvidenceNodes) -> tuple[Node, Node] | None:
    """The parts of all rows one after the other, and how many each has: it depends on the size of a picture."""
    if evidence.parts is None:
        return None
    graph, width = evidence.z.graph, evidence.parts.op("Shape").take(np.array([2]), axis=0)
    flat = evidence.parts.op("Reshape", graph.concat([graph.constant(np.array([-1])), width], axis=0))
    one = evidence.parts.take(np.array(0), axis=2)
    return flat, (one * 0.0 + 1.0).reduce("Sum", 1)
