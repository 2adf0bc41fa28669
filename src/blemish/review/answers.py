"""Answers to the page's requests, as plain JSON values."""

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from blemish.calibration import mostly_reported
from blemish.core.errors import BlemishError
from blemish.core.labels import CLASSES
from blemish.explain.explanation import of_element
from blemish.review import drawings
from blemish.review.catalogue import json_value
from blemish.review.marks import CODES, DISAGREEMENT, found_by_mark, label_codes
from blemish.review.ranking import BUDGETS, Ranking, advice, best_first, precision
from blemish.review.session import Review
from blemish.review.viewer.strokes import spot

if TYPE_CHECKING:
    from blemish.modalities.modality import OnPage

STRIP_SIDE, LARGE_SIDE = 128, 512
MAX_POINTS = 20_000
MAX_ELEMENTS = 8
NEAREST = ("nearest_defect", "nearest_normal")  # the page lists them once, below the elements
GLANCE = "Preliminary ranking by reconstruction error; the full model is still training. Labels you add now are kept."


def shown(review: Review, show: str, by: str) -> Any:
    """Rows that the gallery shows, in order."""
    ranking = review.ranking
    if show == "suggested":
        return [suggestion.row for suggestion in review.suggestions()]
    order = np.arange(len(review.catalogue)) if ranking is None else ranking.order
    if ranking is not None and by == "outlier":
        order = best_first(ranking.snapshot.outlier)
    if show == "all":
        return order
    codes = label_codes(review.kinds)
    return order[review.codes[order] == (0 if show == "unmarked" else codes[show])]


def item(review: Review, row: int) -> dict[str, Any]:
    """A sample as the gallery shows it."""
    ranking, digest, summary, error = review.ranking, None, None, ""
    try:
        digest, summary = review.catalogue.digest(row), review.catalogue.summary(row)
    except BlemishError as gone:
        error = str(gone)
    found: dict[str, Any] = {
        "row": row,
        "id": digest,
        "key": review.catalogue.title(row),
        "label": None if digest is None else review.opinions.label(digest),
        "summary": summary,
        "error": error,
    }
    if ranking is not None:
        scores = ranking.snapshot
        outlier = _number(scores.outlier[row])
        if outlier is None and not error and ranking.scored and not review.busy:
            found["error"] = f"{found['key']} cannot be decoded"
        found |= {
            "rank": int(ranking.places[row]),
            "outlier": outlier,
            "defect": None if scores.defect is None else _number(scores.defect[row]),
            "chance": _number(scores.probabilities[row, 2]),
        }
    return found


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.5g}")


def state(review: Review) -> dict[str, Any]:
    """The state of the program: everything except the samples."""
    ranking, det, status = review.ranking, review.det, review.status
    marks = review.marks()
    known: dict[str, Any] = {
        "data": review.catalogue.name,
        "modality": review.catalogue.modality,
        "shown_as": review.catalogue.on_page.shown_as,
        "samples": len(review.catalogue),
        "frames": review.catalogue.frames(),
        "labels": review.ledger.name,
        "place": review.opinions.place,
        "kinds": list(review.kinds),
        "counts": review.counts(),
        "status": {**asdict(status), "busy": review.busy},
        "ranking": None,
        "suggestions": [],
        "curve": [asdict(one) for one in review.points],
        "found": found_by_mark(marks)[-2000:],
        "advice": GLANCE if ranking is not None and ranking.glance else advice(marks, review.points),
    }
    if ranking is not None and det is not None:
        known["ranking"] = {
            "number": ranking.number,
            "model": ranking.model,
            "scored": ranking.scored,
            "defects": ranking.snapshot.defect is not None,
        }
        known["precision"] = [precision(ranking, review.codes, budget) for budget in BUDGETS]
        known["promise"] = det.promise_.text
        said = [review.strange, *(f"{why[0].upper()}{why[1:]}." for why in det.unsupported_)]
        known["advice"] = " ".join(filter(None, [*said, _mostly_reported(det, ranking), known["advice"]]))
        known["threshold"] = {"target": det.promise_.target, "value": det.promise_.value}
        known["above"] = int((ranking.score > det.threshold_).sum())
        known["suggestions"] = [
            {**item(review, one.row), "kind": one.kind, "reason": one.reason} for one in review.suggestions()
        ]
        disputed = np.flatnonzero(review.codes == CODES[DISAGREEMENT])[:20].tolist()
        known["conflicts"] = [
            {**item(review, row), "people": review.opinions.of(review.catalogue.digest(row))} for row in disputed
        ]
    return known


def _mostly_reported(det: Any, ranking: Ranking) -> str:
    if ranking.glance:  # by other scores than those that are cut
        return ""
    cuts = det.threshold_, det.outlier_threshold_
    above = (ranking.score > cuts[0]) | (ranking.snapshot.outlier > cuts[1])
    return mostly_reported(int(above.sum()), ranking.scored, det.fitted_.reported(*cuts))


def points(review: Review) -> bytes:
    """Row, x, y, score (0 to 1 by rank) and label code per point, as 32-bit floats; of many, the top and a sample."""
    ranking = review.ranking
    if ranking is None:
        return b""
    order = ranking.order[: ranking.scored]
    if len(order) > MAX_POINTS:
        top, rest = order[: MAX_POINTS // 4], order[MAX_POINTS // 4 :]
        drawn = np.random.default_rng(0).permutation(len(rest))[: MAX_POINTS - len(top)]
        marked = rest[review.codes[rest] > 0]
        order = np.unique(np.concatenate([top, rest[drawn], marked]))[: 2 * MAX_POINTS]
    place = ranking.places[order]
    quantile = 1 - (place - 1) / max(ranking.scored, 1)
    columns = [order, *ranking.plane[order].T, quantile, review.codes[order]]
    return np.ascontiguousarray(np.stack(columns, axis=1), dtype="<f4").tobytes()


def detail(review: Review, row: int) -> dict[str, Any]:
    """Everything about one sample: its content, why it is flagged, and its marks."""
    known = item(review, row)
    digest = str(known["id"])
    history = [
        {**asdict(one.mark), "stroke": one.mark.stroke and one.mark.stroke.tool, "saved": one.saved}
        for one in review.ledger.of_sample(digest)
    ]
    scores = None if review.ranking is None else review.ranking.snapshot
    probabilities = None
    if scores is not None and not np.isnan(scores.outlier[row]):
        probabilities = dict(zip(CLASSES, map(_number, scores.probabilities[row]), strict=True))
        if review.ranking is not None and review.ranking.chances is not None:
            each = zip(("normal", "other", *review.det_kinds), map(_number, review.ranking.chances[row]), strict=True)
            probabilities |= dict(each)
    return {
        **known,
        "whole": None if known["error"] else review.catalogue.whole(row),
        "people": review.opinions.of(digest),
        "history": history,
        "chances": probabilities,
        "reasons": None if known["error"] else review.ask(lambda det, X: _reasons(det, X, review), row),
    }


def _reasons(det: Any, X: Any, review: Review) -> dict[str, Any]:
    explanation = det.explain(X, by=_on_page(det).reasons)
    facts = [of_element(explanation, 0, element) for element in explanation.worst(0, MAX_ELEMENTS)]
    elements = [{name: _rounded(value) for name, value in one.items() if name not in NEAREST} for one in facts]
    near = {"nearest_defects": explanation.nearest_defects[0], "nearest_normals": explanation.nearest_normals[0]}
    titles = {name: list(map(review.catalogue.titled, keys)) for name, keys in near.items()}
    return {
        "elements": elements,
        "why": explanation.why_this_kind(0),
        **titles,
        "near": [_near(review, title) for title in titles["nearest_defects"]],
    }


def _near(review: Review, title: str) -> dict[str, Any]:
    """A labelled defect to look at, if it is among the samples: where it is, and where the defect is in it."""
    row, digest = review.catalogue.find(title), None
    if row is not None:
        with suppress(BlemishError):
            digest = review.catalogue.digest(row)
    drawn = [] if digest is None else review.opinions.drawings(digest)
    return {"key": title, "row": row, "id": digest, "spot": spot(drawn)}


def _rounded(value: Any) -> Any:
    value = json_value(value)
    return _number(value) if isinstance(value, float) else value


def side_of(on_page: "OnPage", side: int) -> int:
    """Pixels per side of a drawing: frames stand next to each other, so each is small."""
    return STRIP_SIDE if on_page.shown_as == "frames" else side


def _on_page(det: Any) -> "OnPage":
    return det.fitted_.model.choices.modality.factory.on_page


def reconstructed(det: Any, X: Any) -> bytes | None:
    """The reconstruction of one picture or clip, as a JPEG; None for other samples."""
    draw = drawings.DRAWINGS.get(_on_page(det).shown_as)
    if draw is None:
        return None
    made = np.asarray(det.reconstruct(X)[0])
    if np.asarray(X[0]).dtype == np.uint8:  # same scale as the picture next to it
        made = np.clip(np.round(made), 0, 255).astype(np.uint8)
    if _on_page(det).shown_as != "picture":
        return draw(made, side_of(_on_page(det), LARGE_SIDE))
    # The network sees a square; next to the picture, its reconstruction has the picture's shape.
    height, width = np.asarray(X[0]).shape[-2:]
    return drawings.drawn(made, LARGE_SIDE, (width, height))


def heat(det: Any, X: Any) -> bytes | None:
    """Reconstruction error of one picture, as a PNG overlay; None for other samples."""
    if _on_page(det).shown_as != "picture":
        return None
    height, width = np.asarray(X[0]).shape[-2:]
    error = np.asarray(det.explain(X, by="error").error_map[0]).mean(axis=0)
    return drawings.heat(error, *drawings.fitting_size(width, height, LARGE_SIDE))
