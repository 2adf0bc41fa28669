"""One ONNX file that scores raw samples: preparation, network and scores in one graph."""

import json
import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from blemish.core.errors import ExportError, missing_extra
from blemish.core.graph import OPSET, Graph, Node, exportable, onnx_package
from blemish.core.store import write_atomically
from blemish.core.version import __version__
from blemish.fitting.fitted import Fitted
from blemish.fitting.model import Model
from blemish.modalities.modality import ExportableModality
from blemish.modalities.parts import ExportableParts, Parts
from blemish.onnx.decisions import NO_SCORE, TOLERANCE, add_scores
from blemish.onnx.runtime import KEY, SCHEMA, Runtime, sealed
from blemish.scoring.scorer import Evidence, EvidenceNodes, ExportableScorer

MAX_BEYOND = 0.01
"""Maximal fraction of rows that may drift further because of float32; see `Parity`."""
DOUBLE = 11
"""ONNX's number for float64."""
STRETCH = 3.0
"""Codes this many times as far from the centre as those of the normals test the export on unusual rows."""
MAX_STEPS = 4096  # of a side of a picture, in steps of 16 pixels: PyTorch's exporter wants a bound
INSTEAD = "score with the model file instead"


@dataclass(frozen=True)
class Parity:
    """How well an exported model agrees with the original on some rows.

    Scores have steps (trees, ranks), and ONNX Runtime's float32 differs from PyTorch's in the last digit: a row within
    1e-7 of a step may end up on its other side, and its score then moves by a whole step. Each half by itself,
    the evidence and the scores computed from it, must agree in all rows, and the whole in nearly all of them.

    Attributes:
        rows: Number of rows compared.
        source: Where they came from.
        evidence: Largest difference of a code, of the root of an error, or of a feature set, relative to the row's
            largest number there or 1, whichever is larger: the precision of float32.
        scores: Largest difference between the graph's scores and Blemish's own for the graph's evidence, relative to
            the score or the spread of ordinary scores, whichever is larger: a score has no unit of its own.
        drift: Likewise for the whole, from raw samples to scores, over the rows within the tolerance.
        beyond: Number of the other rows.
    """

    rows: int
    source: str
    evidence: float
    scores: float
    drift: float
    beyond: int

    @property
    def text(self) -> str:
        """One line to print."""
        beyond = f", except {self.beyond} where the last digit of float32 decides" if self.beyond else ""
        return f"{self.rows} rows ({self.source}) agree to {max(self.scores, self.drift):.1e}{beyond}"


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
    known["classes"] = ["normal", "other", *fitted.kinds]
    source = "kept in the model" if samples is None else "given"
    samples = kept_samples(fitted) if samples is None else samples
    flat = _flat_parts(evidence)
    also = {evidence.z: 2, evidence.error: 1, **dict.fromkeys(evidence.features.values(), 2)}
    also |= {} if flat is None else {flat[0]: 2, flat[1]: 1}
    trial = sealed(graph.model({KEY: json.dumps(known)}, also).SerializeToString())
    parity = compare(Runtime(trial), fitted, prior, samples, source, evidence, flat)
    _accept(parity)
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
    traced = _traced(PartBody(modality), example, ({0: torch.export.Dim.DYNAMIC, **sides},))
    (parts,) = graph.splice(traced, {"x": modality.part_input(Node(graph, "X"))})
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


def kept_samples(fitted: Fitted) -> Any:
    """Raw samples from a model file: decoded codes, codes stretched away from the centre, a table's held-out rows."""
    codes = np.concatenate([fitted.normals.codes, fitted.defects.codes])
    centre = fitted.normals.codes.mean(axis=0)
    far = centre + STRETCH * (codes - centre)
    x = fitted.model.decode(np.concatenate([codes, far])).cpu().numpy()
    if fitted.reference.x is not None:
        x = np.concatenate([x, fitted.reference.x])
    return fitted.model.modality.to_raw(x)


def _flat_parts(evidence: EvidenceNodes) -> tuple[Node, Node] | None:
    """The parts of all rows one after the other, and how many each has: it depends on the size of a picture."""
    if evidence.parts is None:
        return None
    graph, width = evidence.z.graph, evidence.parts.op("Shape").take(np.array([2]), axis=0)
    flat = evidence.parts.op("Reshape", graph.concat([graph.constant(np.array([-1])), width], axis=0))
    one = evidence.parts.take(np.array(0), axis=2)
    return flat, (one * 0.0 + 1.0).reduce("Sum", 1)


def compare(
    runtime: Runtime,
    fitted: Fitted,
    prior: Mapping[str, float],
    samples: Any,
    source: str,
    nodes: EvidenceNodes,
    flat: tuple[Node, Node] | None,
) -> Parity:
    """Run the export, which has the nodes of its evidence among its outputs, and the original on raw samples."""
    found = runtime.scores(samples)
    features = {name: found[node.name] for name, node in nodes.features.items()}
    seen = Evidence(found[nodes.z.name], found[nodes.error.name], features)
    if flat is not None:
        values, counts = found[flat[0].name].astype(np.float32), found[flat[1].name].astype(int)
        seen = replace(seen, parts=Parts.of(np.split(values, np.cumsum(counts)[:-1]), [None] * len(counts)))
    own = fitted.model.evidence(fitted.model.to_tensor(samples), fitted.model.parts(samples))
    of_seen, of_own = (_scores(fitted, one, prior) for one in (seen, own))
    whole = _drift(fitted, found, of_own)
    beyond = ~(whole <= TOLERANCE)
    return Parity(
        rows=len(whole),
        source=source,
        evidence=max(map(_apart, _parts(seen, features), _parts(own, features))),
        scores=float(_drift(fitted, found, of_seen).max()),
        drift=float(whole[~beyond].max(initial=0.0)),
        beyond=int(beyond.sum()),
    )


def _scores(fitted: Fitted, evidence: Evidence, prior: Mapping[str, float]) -> dict[str, np.ndarray]:
    scores = fitted.scores(evidence, prior)
    found = {"outlier_score": scores.outlier, "probabilities": scores.probabilities}
    if scores.defect is None:
        return found
    each = [np.full(len(evidence), NO_SCORE) if one.defect is None else one.defect for one in scores.kinds]
    return {**found, "defect_score": scores.defect, **({"kind_scores": np.stack(each, axis=1)} if each else {})}


def _parts(evidence: Evidence, names: Iterable[str]) -> list[np.ndarray]:
    """Codes, the root of the error (a distance in units of the scaled samples) and feature sets."""
    return [evidence.z, np.sqrt(evidence.error)[:, None], *(evidence.feature_set(name) for name in names)]


def _apart(a: Float[np.ndarray, "row feature"], b: Float[np.ndarray, "row feature"]) -> float:
    """Largest difference relative to the row's largest number or 1; infinite where a value is NaN."""
    apart = np.abs(a - b) / np.maximum(1.0, np.abs(b).max(axis=1, keepdims=True))
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0))


def _drift(
    fitted: Fitted, found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]
) -> Float[np.ndarray, " row"]:
    """Largest difference of each row's scores, relative to the score or the spread of ordinary scores."""
    ordinary = {"outlier_score": fitted.calibration.outlier, "defect_score": fitted.calibration.ordinary}
    spread = {name: float(np.std(scores)) or 1.0 for name, scores in ordinary.items()}
    drifts = []
    for name, scores in expected.items():
        drift = np.abs(found[name] - scores) / np.maximum(np.abs(scores), spread.get(name, 1.0))
        drifts.append(np.nan_to_num(drift, nan=np.inf).reshape(len(drift), -1).max(axis=1))
    return np.maximum.reduce(drifts)


def _accept(parity: Parity) -> None:
    if not (max(parity.evidence, parity.scores) <= TOLERANCE and parity.beyond <= max(1, MAX_BEYOND * parity.rows)):
        raise ExportError(
            f"the exported model would differ from the original on {parity.rows} rows ({parity.source}): evidence by "
            f"{parity.evidence:.1e} and scores by {parity.scores:.1e} (limit {TOLERANCE:.0e}), {parity.beyond} rows "
            f"overall (limit {MAX_BEYOND:.0%}). Nothing was written; train longer, or {INSTEAD}"
        )
