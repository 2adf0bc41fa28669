"""Whether an exported model gives the scores, and the maps, of the original."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from blemish.core.errors import ExportError
from blemish.core.graph import Node
from blemish.fitting.fitted import Fitted
from blemish.modalities.parts import Parts
from blemish.onnx.runtime import Runtime
from blemish.scoring.scorer import Evidence, EvidenceNodes, part_scores

TOLERANCE = 1e-5
"""Maximal drift of an export; see `Parity`."""
NO_SCORE = -1e9
"""What stands for the score of a kind of defect without labels: an export has no infinite scores."""
MAX_BEYOND = 0.01
"""Maximal fraction of rows that may drift further because of float32; see `Parity`."""
STRETCH = 3.0
"""Codes this many times as far from the centre as those of the normals test the export on unusual rows."""
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
        maps: Like `scores`, for each pixel of the maps; 0 where there are none.
        maps_beyond: Fraction of their pixels in which the whole differs by more than the tolerance: a part's score has
            200 steps, and neighbours share a pixel, so that float32 decides more often.
    """

    rows: int
    source: str
    evidence: float
    scores: float
    drift: float
    beyond: int
    maps: float = 0.0
    maps_beyond: float = 0.0

    @property
    def text(self) -> str:
        """One line to print."""
        beyond = f", except {self.beyond} where the last digit of float32 decides" if self.beyond else ""
        return f"{self.rows} rows ({self.source}) agree to {max(self.scores, self.drift):.1e}{beyond}"


def kept_samples(fitted: Fitted) -> Any:
    """Raw samples from a model file: decoded codes, codes stretched away from the centre, a table's held-out rows."""
    codes = np.concatenate([fitted.normals.codes, fitted.defects.codes])
    centre = fitted.normals.codes.mean(axis=0)
    far = centre + STRETCH * (codes - centre)
    x = fitted.model.decode(np.concatenate([codes, far])).cpu().numpy()
    if fitted.reference.x is not None:
        x = np.concatenate([x, fitted.reference.x])
    return fitted.model.modality.to_raw(x)


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
    heats = runtime.heat(samples) if runtime.has_map else []
    features = {name: found[node.name] for name, node in nodes.features.items()}
    seen = Evidence(found[nodes.z.name], found[nodes.error.name], features)
    if flat is not None:
        values, counts = found[flat[0].name].astype(np.float32), found[flat[1].name].astype(int)
        seen = replace(seen, parts=Parts.of(np.split(values, np.cumsum(counts)[:-1]), [None] * len(counts)))
    own = fitted.model.evidence(fitted.model.to_tensor(samples), fitted.model.parts(samples))
    of_seen, of_own = (_scores(fitted, one, prior) for one in (seen, own))
    drawn, own_drawn = (_heats(fitted, samples, one.parts) if heats else [] for one in (seen, own))
    pixels = [_apart(a, b) for a, b in zip(heats, own_drawn, strict=True)]
    whole = _drift(fitted, found, of_own)
    beyond = ~(whole <= TOLERANCE)
    return Parity(
        rows=len(whole),
        source=source,
        evidence=_furthest(_parts(seen, features), _parts(own, features)),
        scores=float(_drift(fitted, found, of_seen).max()),
        drift=float(whole[~beyond].max(initial=0.0)),
        beyond=int(beyond.sum()),
        maps=_furthest(heats, drawn),
        maps_beyond=float(np.mean(np.concatenate([one.ravel() > TOLERANCE for one in pixels]))) if pixels else 0.0,
    )


def _heats(fitted: Fitted, samples: Any, parts: Parts | None) -> list[Float[np.ndarray, "height width"]]:
    """The map of each sample from its parts."""
    modality, drawn = fitted.model.parted, []
    assert modality is not None
    assert parts is not None
    for at, sample in enumerate(samples):
        scores = part_scores(fitted.scorer, fitted.scorer_state, parts[at : at + 1], labelled=fitted.n_defects > 0)
        assert scores is not None
        drawn.append(modality.heat(sample, scores))
    return drawn


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


def _furthest(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """The largest difference in any of some tables or pictures; 0 where there is none."""
    return max((float(_apart(*two).max(initial=0.0)) for two in zip(found, expected, strict=True)), default=0.0)


def _apart(
    a: Float[np.ndarray, "row feature"], b: Float[np.ndarray, "row feature"]
) -> Float[np.ndarray, "row feature"]:
    """Differences relative to the row's largest number or 1; infinite where a value is NaN."""
    apart = np.abs(a - b) / np.maximum(1.0, np.abs(b).max(axis=1, keepdims=True))
    return np.nan_to_num(apart, nan=np.inf)


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


def accept(parity: Parity) -> None:
    """Raises ExportError if the two do not agree."""
    alike = all(one <= TOLERANCE for one in (parity.evidence, parity.scores, parity.maps))
    if not (alike and parity.beyond <= max(1, MAX_BEYOND * parity.rows)):
        raise ExportError(
            f"the exported model would differ from the original on {parity.rows} rows ({parity.source}): evidence by "
            f"{parity.evidence:.1e}, scores by {parity.scores:.1e} and maps by {parity.maps:.1e} (limit "
            f"{TOLERANCE:.0e}), {parity.beyond} rows overall (limit {MAX_BEYOND:.0%}). Nothing was written; train "
            f"longer, or {INSTEAD}"
        )
