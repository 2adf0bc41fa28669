"""Why is a sample flagged? Elements that make its score or reconstruct badly, and the nearest labelled samples."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from blemish.calibration.areas import AREAS
from blemish.core.errors import DataError
from blemish.data.columns import frame_html, frame_of
from blemish.explain.occlusion import Score, drivers, falls, named_together, tail, typical_row, without_columns
from blemish.fitting.fitted import Fitted
from blemish.fitting.maps import heats
from blemish.fitting.model import Model
from blemish.scoring.scorer import Evidence
from blemish.training.rows import TensorRows

BOX = ("x", "y", "width", "height")
SAME_CODE = 1e-10
"""Squared distance, relative to a code's squared length, below which two codes differ by rounding: 1e-5 in length."""


@dataclass(frozen=True)
class Explanation:
    """Why each row is flagged.

    Attributes:
        index: The rows' names.
        elements: Names of the elements: columns, words, or places in a picture or frame, of which several share a name.
        error: Error of each element, shape (row, element), >= 0; 0 for words that do not matter in that text.
        total: Error of the whole row, shape (row,), to which the elements' errors add up.
        seen: The value seen, by row and element; None for pictures.
        expected: The value that the model expects there; None for pictures.
        nearest_defects: For each row, names of the labelled defects nearest in latent space, nearest first.
        nearest_normals: Names of training normals, likewise.
        error_map: Error of every pixel, shape of the samples; for tables that of `error`.
        fall: How far the score falls when an element is replaced by its normal value, shape (row, element): the defect
            score where defects are labelled, else the outlier score. Where the model has a map: how far that lies above
            the usual, at the highest place of the element. None if only errors were explained.
        driver: For each row 'unusual', 'like your defect', 'both' or 'neither'; see `occlusion.drivers`.
        unusual: Fraction of ordinary rows that are at least as unusual, in (0, 1], shape (row,).
        alike: Fraction of ordinary rows at least as similar to the labelled defects; None without any.
        chances: For categorical columns, by row and element: the three likeliest categories with their
            probabilities; None elsewhere.
        named: For tables, columns that lower the score as a set, as numbers, in the order chosen, shape (row, named);
            see `blemish.explain.occlusion.named_together`.
        together: How far the score falls when each and all named before it are replaced, shape (row, named).
        boxes: For pictures and clips, x, y, width and height of each element in the user's own picture, in pixels,
            shape (row, element, 4).
        kind: With several kinds of defect, the one that each row is most like by its score.
        rather_than: The second, for each row.
        lead: How far the lead of the first over the second falls when an element is replaced by its normal value, shape
            (row, element); where the model has a map, how far the map of the first lies above that of the second.
    """

    index: list[Any]
    elements: tuple[str, ...]
    error: Float[np.ndarray, "row element"]
    total: Float[np.ndarray, " row"]
    seen: list[list[Any]] | None
    expected: list[list[Any]] | None
    nearest_defects: list[list[Any]]
    nearest_normals: list[list[Any]]
    error_map: Float[np.ndarray, "row *sample"]
    fall: Float[np.ndarray, "row element"] | None = None
    driver: list[str] = field(default_factory=list)
    unusual: Float[np.ndarray, " row"] | None = None
    alike: Float[np.ndarray, " row"] | None = None
    chances: list[list[dict[str, float] | None]] | None = None
    named: Int[np.ndarray, "row named"] | None = None
    together: Float[np.ndarray, "row named"] | None = None
    boxes: Int[np.ndarray, "row element 4"] | None = None
    kind: list[str] = field(default_factory=list)
    rather_than: list[str] = field(default_factory=list)
    lead: Float[np.ndarray, "row element"] | None = None

    def why_this_kind(self, row: int, top: int = 3) -> str:
        """Why a row is like one kind of defect rather than another, in words; '' with one kind."""
        if self.lead is None:
            return ""
        order = np.argsort(-self.lead[row], kind="stable").tolist()
        names = list(dict.fromkeys(self.elements[element] for element in order if self.lead[row, element] > 0))[:top]
        because = f"because of {', '.join(names)}" if names else "by no single element"
        return f"{self.kind[row]} rather than {self.rather_than[row]}, {because}"

    def worst(self, row: int, top: int) -> list[int]:
        """The `top` elements of a row: those named as a set, those that lower the score, most first; then by error.

        Elements with neither a fall nor an error are left out, and of those that share a name all but the first.
        """
        error = self.error[row]
        fall = np.zeros_like(error) if self.fall is None else np.maximum(self.fall[row], 0)
        named = [] if self.named is None else self.named[row].tolist()
        others = [element for element in np.lexsort((-error, -fall)).tolist() if element not in named]
        some = [element for element in [*named, *others] if error[element] > 0 or fall[element] > 0]
        first: dict[str, int] = {}
        for element in some:
            first.setdefault(self.elements[element], element)
        return list(first.values())[:top]

    def to_frame(self, top: int = 5) -> Any:
        """One line for each of the `top` worst elements of each row, as a frame; an Arrow table without pandas.

        Elements without any error are left out.

        Columns: row, rank (from 1), element, error, share (of the row's error), seen, expected, nearest_defect,
        nearest_normal; of pictures also x, y, width, height (pixels of the picture); if the score was explained also
        fall (of the score without this element), together (fall without this element and those ranked before it; tables
        only, the first three), chances (of the categories) and driver; with several kinds of defect also lead (how far
        that of the kind over the next falls without this element) and why_kind. The index of a frame repeats the row's
        name.
        """
        lines = [
            {"row": row, "rank": rank, **of_element(self, row, element)}
            for row in range(len(self.index))
            for rank, element in enumerate(self.worst(row, top), start=1)
        ]
        return frame_of(lines, index=[self.index[line["row"]] for line in lines], mixed=("seen", "expected"))

    def of_score(self, row: int, element: int) -> dict[str, Any]:
        """Falls, probabilities (as text) and driver of one element of a row; empty if only errors were explained."""
        if self.fall is None:
            return {}
        likeliest = None if self.chances is None else self.chances[row][element]
        text = None if likeliest is None else ", ".join(f"{name} {p:.0%}" for name, p in likeliest.items())
        place = [] if self.named is None else np.flatnonzero(self.named[row] == element).tolist()
        together = float(self.together[row, place[0]]) if self.together is not None and place else None
        fall = float(self.fall[row, element])
        found = {"fall": fall, "together": together, "chances": text, "driver": self.driver[row]}
        if self.lead is not None:
            found |= {"lead": float(self.lead[row, element]), "why_kind": self.why_this_kind(row)}
        return found

    def _repr_html_(self) -> str:
        """The frame, for notebooks; pandas escapes it."""
        return frame_html(self.to_frame())

    def by_frame(self) -> Any:
        """A frame with one line per frame of each recording, for video; an Arrow table without pandas.

        Columns: recording, frame (from 0), error (root mean squared over the pixels where the loss is a squared error;
        the mean over the clips that hold the frame), regularity (in [0, 1], see `regularity`).

        Raises:
            DataError: If the rows are not clips.
        """
        if self.error_map.ndim != 5:
            raise DataError(f"only clips have frames; these rows have shape {self.error_map.shape[1:]}")
        clips: dict[Any, list[tuple[int, np.ndarray]]] = {}
        for name, errors in zip(self.index, np.sqrt(self.error_map.mean(axis=(2, 3, 4))), strict=True):
            recording, start = _place(name)
            clips.setdefault(recording, []).append((start, errors))
        lines = []
        for recording, parts in clips.items():
            total, count = np.zeros((2, max(start + len(errors) for start, errors in parts)))
            for start, errors in parts:
                total[start : start + len(errors)] += errors
                count[start : start + len(errors)] += 1
            there = np.flatnonzero(count)  # some clips of a recording may be missing
            error = total[there] / count[there]
            lines += [
                {"recording": recording, "frame": frame, "error": value, "regularity": score}
                for frame, value, score in zip(there.tolist(), error.tolist(), regularity(error).tolist(), strict=True)
            ]
        return frame_of(lines)


def of_element(found: Explanation, row: int, element: int) -> dict[str, Any]:
    """The columns of `Explanation.to_frame` from 'element' on, for one element of a row."""
    return {
        "element": found.elements[element],
        "error": float(found.error[row, element]),
        "share": float(found.error[row, element] / np.maximum(found.total[row], 1e-12)),
        "seen": None if found.seen is None else found.seen[row][element],
        "expected": None if found.expected is None else found.expected[row][element],
        "nearest_defect": next(iter(found.nearest_defects[row]), None),
        "nearest_normal": next(iter(found.nearest_normals[row]), None),
        **({} if found.boxes is None else dict(zip(BOX, found.boxes[row, element].tolist(), strict=True))),
        **found.of_score(row, element),
    }


def _place(name: Any) -> tuple[Any, int]:
    """The recording that a clip was cut from, and its first frame there; see `blemish.data.dataset.Dataset.keys`."""
    recording, sharp, start = name.rpartition("#") if isinstance(name, str) else ("", "", "")
    return (recording, int(start)) if sharp and start.isdigit() else (name, 0)


def explain(fitted: Fitted, names: list[Any], raw: Any, by: str) -> Explanation:
    """Explain each row: its elements, and the labelled samples nearest to it; see `DefectDetector.explain` for `by`."""
    model, modality = fitted.model, fitted.model.modality
    x = model.to_tensor(raw)
    evidence, error_map = model.evidence(x, model.parts(raw) if by == "score" else None), model.error_map(x)
    shown, kept = _of_columns(model, x, error_map) if modality.elements else _of_regions(model, error_map)
    if by == "score":
        shown |= _of_scores(fitted, x.to_dense(), evidence, kept, raw)
        if modality.blocks:
            shown["chances"] = modality.likeliest(model.reconstruct(x).cpu().numpy())
    return Explanation(
        index=names,
        nearest_defects=nearest(evidence.z, fitted.defects.codes, fitted.defects.names),
        nearest_normals=nearest(evidence.z, fitted.normals.codes, fitted.normals.names),
        error_map=error_map,
        boxes=None if modality.elements else modality.boxes(raw),
        **shown,
    )


def _of_regions(model: Model, error_map: Float[np.ndarray, "row *sample"]) -> tuple[dict[str, Any], np.ndarray]:
    """Fields of `Explanation` from 'elements' to 'expected', and which elements are shown: all regions."""
    elements, error = model.modality.regions(error_map)
    shown = {"elements": elements, "error": error, "total": error.sum(axis=1), "seen": None, "expected": None}
    return shown, np.ones(len(elements), dtype=bool)


def _of_columns(
    model: Model, x: TensorRows, error: Float[np.ndarray, "row element"]
) -> tuple[dict[str, Any], np.ndarray]:
    """Likewise for columns, or for the words that matter in some of the texts."""
    modality = model.modality
    elements, total, kept = modality.elements, error.sum(axis=1), np.ones(error.shape[1], dtype=bool)
    values = [x.to_dense().cpu().numpy(), model.reconstruct(x).cpu().numpy()]
    matters = modality.matters(values[0], error)
    if matters is not None:  # in a text where a kept word does not matter, its error becomes 0
        kept = np.asarray(matters.any(axis=0))
        elements, error = tuple(compress(elements, kept)), np.where(matters, error, 0)[:, kept]
        values = [value[:, kept] for value in values]
    seen, expected = modality.shown(values[0]), modality.describe(values[1])
    return {"elements": elements, "error": error, "total": total, "seen": seen, "expected": expected}, kept


def _of_map(fitted: Fitted, raw: Any) -> Float[np.ndarray, "row element"] | None:
    """How far the highest place of each element of a map lies above the level of usual ones; None without maps."""
    levels, boxes = fitted.area_levels, fitted.model.modality.boxes(raw)
    if levels is None or boxes is None:
        return None
    usual = levels.cut(float(AREAS[0]))
    cells = [
        [heat[y : y + height, x : x + width].max(initial=usual) - usual for x, y, width, height in row.tolist()]
        for heat, row in zip(heats(fitted, raw), boxes, strict=True)
    ]
    return np.array(cells, dtype=np.float64)


def _of_kinds(
    fitted: Fitted, evidence: Evidence, falls_of: Callable[[Callable[[Evidence], np.ndarray], np.ndarray], np.ndarray]
) -> dict[str, Any]:
    """Fields of `Explanation` from 'kind' on, where two kinds of defect or more are labelled.

    Args:
        fitted: The fit.
        evidence: Of the rows.
        falls_of: From a score and some rows to how far it falls without each of their elements.
    """
    kinds, each = list(fitted.each), list(fitted.each.values())
    if len(each) < 2:
        return {}
    order = np.argsort(-np.stack([one.defect_score(evidence) for one in each]), axis=0, kind="stable")[:2].T
    lead: dict[int, np.ndarray] = {}
    for first, second in np.unique(order, axis=0).tolist():
        rows = np.flatnonzero((order == (first, second)).all(axis=1))
        found = falls_of(partial(_lead, each[first], each[second]), rows)
        lead.update(zip(rows.tolist(), found, strict=True))
    return {
        "kind": [kinds[k] for k in order[:, 0]],
        "rather_than": [kinds[k] for k in order[:, 1]],
        "lead": np.stack([lead[row] for row in range(len(order))]),
    }


def _lead(first: Fitted, second: Fitted, evidence: Evidence) -> Float[np.ndarray, " row"]:
    return first.defect_score(evidence) - second.defect_score(evidence)


def _of_scores(
    fitted: Fitted,
    x: Float[torch.Tensor, "row *sample"],
    evidence: Evidence,
    kept: np.ndarray,
    raw: Any,
) -> dict[str, Any]:
    """What makes the score of each row: fields of `Explanation` from 'fall' to 'together', for the elements kept."""
    model = fitted.model
    unusual = tail(fitted.calibration.outlier, fitted.outlier_score(evidence))
    alike = tail(fitted.calibration.ordinary, fitted.defect_score(evidence)) if fitted.n_defects else None
    facts: dict[str, Any] = {"driver": drivers(unusual, alike), "unusual": unusual, "alike": alike}
    fall = _of_map(fitted, raw)
    if fall is not None:
        maps = {id(one): np.asarray(_of_map(one, raw)) for one in fitted.each.values()}
        return {**facts, "fall": fall, **_of_kinds(fitted, evidence, lambda of, rows: _apart(maps, of, rows))}
    modality, n = model.modality, int(kept.sum())
    blocks, normals = modality.blocks, model.decode(fitted.normals.codes)
    typical = typical_row(normals, blocks) if blocks else normals.median(dim=0).values

    def score_by(score: Callable[[Evidence], np.ndarray]) -> Score:
        return lambda some: score(model.evidence_of_copies(some)) if len(some) else np.zeros(0)

    def falls_of(score: Callable[[Evidence], np.ndarray], rows: np.ndarray) -> np.ndarray:
        if blocks:
            return falls(
                score_by(score), x[rows], lambda s: without_columns(s, typical, blocks), lambda _: list(range(n)), n
            )
        return falls(
            score_by(score),
            x[rows],
            lambda s: modality.replaced(s, typical),
            lambda s: modality.held(s, kept),
            n,
            modality.min_change,
        )

    facts["fall"] = falls_of(fitted.decision_score, np.arange(len(x)))
    if blocks:
        score = score_by(fitted.decision_score)
        facts["named"], facts["together"] = named_together(score, x, typical, blocks, facts["fall"])
    return {**facts, **_of_kinds(fitted, evidence, falls_of)}


def _apart(maps: dict[int, np.ndarray], lead: Any, rows: np.ndarray) -> Float[np.ndarray, "row element"]:
    """How far the map of the first of two kinds lies above that of the second, in each element."""
    first, second = lead.args
    return maps[id(first)][rows] - maps[id(second)][rows]


def regularity(error: Float[np.ndarray, " frame"]) -> Float[np.ndarray, " frame"]:
    r"""How regular each frame of a recording is compared with its other frames: 1 the most, 0 the least.

    .. math:: s_t = 1 - \frac{e_t - \min e}{\max e - \min e}

    Not suited to decide whether a recording contains anything unusual: every recording has a frame of 0.

    Args:
        error: Error of each frame, shape (frame,), >= 0.

    Returns:
        Shape (frame,), in [0, 1]; all 1 if the errors are equal.

    Example:
        >>> regularity(np.array([1.0, 3.0, 2.0])).tolist()
        [1.0, 0.0, 0.5]

    Reference:
        Chong and Tay, 2017, arXiv:1701.01546, section "Regularity score". They divide by the largest error of a
        sliding window; dividing by the range of a recording, as here, gives all recordings the same scale.
    """
    low, high = error.min(), error.max()
    return 1 - (error - low) / (high - low) if high > low else np.ones_like(error)


def nearest(
    z: Float[np.ndarray, "row latent"], known: Float[np.ndarray, "known latent"], names: list[Any], k: int = 3
) -> list[list[Any]]:
    """Names of the k nearest known codes of each row, nearest first; empty lists if nothing is known.

    A known code that equals the row's own up to rounding is the same sample, and is left out.

    Example:
        >>> nearest(np.array([[0.0]]), np.array([[0.0], [2.0], [1.0]]), ["same", "far", "near"])
        [['near', 'far']]
    """
    found = []
    for code in z:
        squared = np.square(known - code).sum(axis=1)
        others = squared > SAME_CODE * max(1.0, float(np.square(code).sum()))
        found.append([names[i] for i in np.argsort(squared, kind="stable").tolist() if others[i]][:k])
    return found
