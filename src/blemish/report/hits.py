"""The report's section on the top hits: what makes each score, and the labelled samples nearest to it."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from blemish.data.dataset import take
from blemish.detector import DefectDetector
from blemish.explain.explanation import Explanation
from blemish.modalities.pictures import GRID
from blemish.report import Table, film, picture, table_html
from blemish.report.outlined import Outlines

QUOTED = 400  # characters of a text
NAMED_ELEMENTS = 5
DRIVEN = {
    "unusual": "Flagged because it is unusual.",
    "like your defect": "Flagged because it resembles your defects; it is not particularly unusual.",
    "both": "Both unusual and similar to your defects.",
    "neither": "Neither unusual nor similar to your defects; it ranks high only relative to this data set.",
}


def hits(det: DefectDetector, X: Any, keys: Sequence[Any], score: np.ndarray, rows: list[int]) -> str:
    """One figure per hit, as HTML; `rows` are the hits among the samples X, the highest score first."""
    some = take(X, rows)
    found = det.explain(some)
    model = det.fitted_.model
    outlines = None if det.fitted_.area_levels is None else Outlines(det)
    drawn = outlines is None and model.choices.modality.factory.on_page.shown_as in ("picture", "frames")
    tensors = np.asarray(model.modality.to_tensor(some), dtype=np.float64) if drawn else None
    return "".join(
        _hit(found, at, keys[row], float(score[row]), some, tensors, outlines) for at, row in enumerate(rows)
    )


def legend(det: DefectDetector) -> str:
    """What the figures of `hits` show."""
    if det.fitted_.area_levels is not None:
        return Outlines(det).legend()
    return (
        "What makes each score: every element was replaced by its normal value, and the drop of the score was measured."
        " Orange marks regions that contribute more than most."
    )


def _hit(
    found: Explanation,
    at: int,
    key: Any,
    score: float,
    some: Any,
    tensors: np.ndarray | None,
    outlines: Outlines | None,
) -> str:
    assert found.fall is not None
    name, table, near = f"{at + 1}. {key}", table_html(_elements(found, at)), ""
    shown = "" if tensors is None else _pictures(tensors[at], found.fall[at], name)
    if outlines is not None:
        table, shown, near = (
            "",
            outlines.figure(np.asarray(some[at]), name),
            outlines.nearest(found.nearest_defects[at]),
        )
    if isinstance(some, list) and isinstance(some[at], str):
        text = some[at] if len(some[at]) <= QUOTED else some[at][:QUOTED] + " …"
        shown = f'<p class="quote">{escape(text)}</p>'
    return (
        f'<figure class="hit"><figcaption>{escape(name)}: score {score:.3g}</figcaption>'
        f"<p>{escape(_driver(found, at))}</p>{shown}{table}"
        f"<p>{escape(' '.join([*_together(found, at), *_nearest(found, at)]))}</p>{near}</figure>"
    )


def _driver(found: Explanation, at: int) -> str:
    """What drove the score, and how rare that is."""
    rare = {"are at least as unusual": found.unusual, "resemble your defects at least as much": found.alike}
    known = [(what, tail) for what, tail in rare.items() if tail is not None]
    return " ".join([DRIVEN[found.driver[at]], *(f"{tail[at]:.2%} of normal rows {what}." for what, tail in known)])


def _elements(found: Explanation, at: int) -> Table:
    """The elements that lower the score most when they are replaced."""
    assert found.fall is not None
    title, drops = "What makes the score", [(e, float(found.fall[at, e])) for e in found.worst(at, NAMED_ELEMENTS)]
    if found.seen is None:
        return Table(title, ("region", "score drop"), [(found.elements[e], drop) for e, drop in drops])
    rows = [(found.elements[e], _number(found.seen[at][e]), _expected(found, at, e), drop) for e, drop in drops]
    return Table(title, ("element", "seen", "expected", "score drop"), rows)


def _together(found: Explanation, at: int) -> list[str]:
    """How far the score drops without a set of columns, in a sentence; nothing where no set was searched."""
    if found.named is None or found.together is None or len(found.named[at]) <= 1:
        return []
    most = int(found.together[at].argmax())
    names = ", ".join(found.elements[element] for element in found.named[at, : most + 1])
    return [f"Without {names}{' together' if most else ''} the score drops by {found.together[at, most]:.2f}."]


def _nearest(found: Explanation, at: int) -> list[str]:
    near = (("Nearest labelled defects", found.nearest_defects), ("Nearest normals", found.nearest_normals))
    return [f"{what}: {', '.join(map(str, names[at])) or 'none'}." for what, names in near]


def _expected(found: Explanation, at: int, element: int) -> str:
    likeliest = None if found.chances is None else found.chances[at][element]
    if likeliest is not None:
        return ", ".join(f"{name} {probability:.0%}" for name, probability in likeliest.items())
    return "" if found.expected is None else _number(found.expected[at][element])


def _number(value: Any) -> str:
    return "missing" if value is None or value != value else f"{value:.4g}" if isinstance(value, float) else str(value)


def _pictures(sample: np.ndarray, fall: np.ndarray, name: str) -> str:
    """A picture, or the frames of a clip, next to the same with a heat map of the regions that make the score."""
    frames = sample if sample.ndim == 4 else sample[None]
    height, width = frames.shape[-2:]
    rows, columns = min(GRID, height), min(GRID, width)
    grids = np.maximum(fall - max(np.median(fall), 0), 0).reshape(len(frames), rows, columns)
    tops, lefts = (np.linspace(0, side, n + 1).astype(int) for side, n in ((height, rows), (width, columns)))
    heat = np.repeat(np.repeat(grids, np.diff(tops), axis=1), np.diff(lefts), axis=2) / max(grids.max(), 1e-12)
    if sample.ndim == 3:
        return picture(sample, name) + picture(sample, f"{name}: what makes the score", heat[0])
    worst = int(grids.sum(axis=(1, 2)).argmax())
    strip = f'<div class="scroll">{film(frames.mean(axis=1), 1, name)}</div>'
    return strip + picture(frames[worst], f"{name}: frame {worst}, what makes the score", heat[worst])
