"""The report on a model and some data: one page that says what was found, why, and how far to trust it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from blemish.calibration.prior import reweighted
from blemish.calibration.probabilities import brier, reliability
from blemish.core.labels import CLASSES, to_groups, to_words
from blemish.data.columns import is_frame, to_columns
from blemish.data.rows import take
from blemish.detector import DefectDetector
from blemish.explain.explanation import Explanation
from blemish.modalities.grid import GRID
from blemish.report import (
    Section,
    Table,
    curves,
    film,
    histograms,
    latent_map,
    picture,
    principal_plane,
    render,
    table_html,
)
from blemish.report.results import description, run_config
from blemish.report.trust import labels_body, probabilities_body, promise_body, reliability_chart
from blemish.scoring.mixture import PRIOR

MOST_POINTS = 3000  # an SVG map of more is slow on a phone
QUOTED = 400  # characters of a text
NAMED_ELEMENTS = 5
DRIVEN = {
    "unusual": "Driven by being unusual: few ordinary rows are as odd.",
    "like your defect": "Driven by likeness to your defect, not by being odd.",
    "both": "Both unusual and like your defect.",
    "neither": "Neither unusual nor much like your defect: it only ranks high among these data.",
}


def model_page(
    det: DefectDetector,
    X: Any,
    keys: Sequence[Any],
    *,
    words: Sequence[Any] | None = None,
    skipped: Sequence[str] = (),
    command: str = "",
    top: int = 10,
) -> str:
    """The page that `blemish report` writes.

    Args:
        det: A fitted detector.
        X: Samples as `blemish.data.sources.read` gives them: an Arrow table, an array or a list.
        keys: A name for each.
        words: What each is known to be; None: groups are what the model predicts.
        skipped: Files that could not be read.
        command: How this page was made.
        top: Hits to explain, highest scores first.

    Returns:
        HTML, everything escaped.

    Raises:
        DataError: If the samples do not fit the model.
        MissingExtraError: Without plotly or jinja2.
    """
    outlier = np.asarray(det.outlier_score(X), dtype=np.float64)
    defect = np.asarray(det.defect_score(X), dtype=np.float64) if det.fitted_.n_defects else None
    predicted = [str(word) for word in np.asarray(det.predict(X))]
    given = words is not None and any(word in ("normal", "defect", "other") for word in words)
    groups = [str(word or "unlabelled") for word in words] if given and words is not None else predicted
    score = outlier if defect is None else defect
    order = np.argsort(-score, kind="stable")
    counts = Counter(predicted)
    flagged = int((score >= det.threshold_).sum())
    facts = {
        "samples": str(len(score)),
        "above the threshold": str(flagged),
        "predicted defects": str(counts["defect"]),
        "predicted others": str(counts["other"]),
        "labelled defects": str(det.fitted_.n_defects),
        "modality": det.fitted_.model.choices.modality.name,
        "fitted": str(det.training_["date"])[:10],
        "seed": str(det.seed_),
    }
    source = "labels that you gave" if given else "what the model predicts"
    lead = (
        f"{flagged} of {len(score)} samples lie above the threshold. "
        + ("Ranked by how much they are like the labelled defects." if defect is not None else
           "No defect was labelled, so they are ranked by how unusual they are.")
        + f" Groups below are {source}."
    )  # fmt: skip
    sections = [
        Section("Scores", _what_scores_mean(defect is not None), _score_charts(outlier, defect, groups)),
        Section("Map", "Codes of the network on their two principal components; neighbours were seen as alike.",
                _map(det, X, keys, groups, score, order)),
        Section("Top hits", "What makes each score: every element was replaced by its normal value, and the fall of "
                "the score measured. Orange marks regions that count for more than most.",
                _hits(det, X, keys, score, order[:top].tolist())),
        Section("Threshold", "", promise_body(det)),
        *_sections_on_labels(det),
        Section("Training", "Terms of the loss by epoch, and the loss on rows held out.", _training(det)),
        Section("Data", "", _drift(det, X) + _problems(det, X, skipped)),
        Section("Fitted model", "", _fitted(det, command)),
    ]  # fmt: skip
    return render("Blemish report", lead, facts, [], sections)


def evaluation_page(
    results: dict[str, Any],
    scores: dict[str, np.ndarray],
    kinds: Sequence[str],
    *,
    chances: np.ndarray | None = None,
    words: Sequence[Any] = (),
    prior: Mapping[str, float] = PRIOR,
) -> str:
    """The page of `blemish evaluate --plot`: both scores by kind, the measures, and whether probabilities come true.

    Args:
        results: From `blemish.report.results.evaluation`.
        scores: Every score by name, one value a row.
        kinds: What stands behind the group of each row.
        chances: What `predict_proba` says of each row; None: no reliability figure.
        words: The group of each row, where there are chances; rows without one are left out of the figure.
        prior: The shares that the chances assume.
    """
    first = next(iter(results.values()))
    rows = [
        ("average precision", *(found["average_precision"] for found in results.values())),
        ("recall at 1 % false alarms", *(found["recall_at_1pct"] for found in results.values())),
        *(
            (f"AUROC above {kind} ({first['n'][kind]})", *(r["auroc_defect_above"][kind] for r in results.values()))
            for kind in first["auroc_defect_above"]
        ),
    ]
    body = [
        Section(_title(name), "", histograms(_by(values, kinds), _title(name), "score"))
        for name, values in scores.items()
    ]
    if chances is not None and chances[:, 2].any():
        body.append(Section("Probabilities", "", _reliability(chances, words, prior)))
    facts = {f"{kind} rows": str(n) for kind, n in first["n"].items()}
    return render("Blemish evaluation", "How well each score ranks the defect above everything else.", facts,
                  [Table("Measures", ("measure", *map(_title, results)), rows)], body)  # fmt: skip


def _reliability(chances: np.ndarray, words: Sequence[Any], prior: Mapping[str, float]) -> str:
    """Chances of a defect as they were said, and under the shares that the truth has."""
    groups = to_words(to_groups(words, len(words)))
    known = groups != "unlabelled"
    if set(groups[known]) == {"defect"}:
        groups[~known], known = "normal", np.ones(len(groups), dtype=bool)  # a truth of 0 and 1
    mine, chances = groups[known] == "defect", chances[known]
    shares = {name: float(max((groups[known] == name).mean(), 1e-6)) for name in CLASSES}
    said, shifted = chances[:, 2], reweighted(chances, prior, shares)[:, 2]
    names = (f"as said, for {prior['defect']:.2g} defects", f"for the {shares['defect']:.2g} that there are")
    bins = {name: reliability(p, mine) for name, p in zip(names, (said, shifted), strict=True)}
    note = "; ".join(
        f"{name}: Brier score {brier(p, mine):.3f}" for name, p in zip(names, (said, shifted), strict=True)
    )
    usual = f"always saying {shares['defect']:.2g}: {brier(np.full(len(mine), shares['defect']), mine):.3f}"
    return reliability_chart(bins, "Do the chances come true?", f"{note}; {usual} (0 is best).")


def _sections_on_labels(det: DefectDetector) -> list[Section]:
    if not det.fitted_.n_defects:
        return []
    return [
        Section("Probabilities", "", probabilities_body(det)),
        Section("Labels", "What the labels at hand say of themselves, and whether more of them are worth the work.",
                labels_body(det)),
    ]  # fmt: skip


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _by(values: np.ndarray, groups: Sequence[str]) -> dict[str, np.ndarray]:
    of_row = np.asarray(groups, dtype=object)
    return {
        name: values[of_row == name] for name in sorted(set(groups), key=lambda n: (n == "defect", n == "other", n))
    }


def _what_scores_mean(labelled: bool) -> str:
    return (
        "How unusual is it, and is it my defect? The two questions have two scores; higher is more."
        if labelled
        else "How unusual is it? Label a few defects to ask for yours."
    )


def _score_charts(outlier: np.ndarray, defect: np.ndarray | None, groups: Sequence[str]) -> str:
    charts = [histograms(_by(outlier, groups), "How unusual: outlier score", "outlier score")]
    if defect is not None:
        charts.append(histograms(_by(defect, groups), "Is it my defect: defect score", "defect score"))
    return "".join(charts)


def _map(
    det: DefectDetector, X: Any, keys: Sequence[Any], groups: Sequence[str], score: np.ndarray, order: np.ndarray
) -> str:
    step = max(1, -(-len(order) // MOST_POINTS))
    shown = np.unique(np.concatenate([order[:50], np.sort(order)[::step]]))
    plane = principal_plane(np.asarray(det.encode(take(X, shown.tolist())), dtype=np.float64))
    hover = [f"{keys[i]}\n{groups[i]}, score {score[i]:.3g}" for i in shown]
    return latent_map(plane, [str(groups[i]) for i in shown.tolist()], hover, f"{len(shown)} of {len(order)} samples")


def _hits(det: DefectDetector, X: Any, keys: Sequence[Any], score: np.ndarray, rows: list[int]) -> str:
    some = take(X, rows)
    found = det.explain(some)
    model = det.fitted_.model
    drawn = model.choices.modality.factory.on_page.shown_as in ("picture", "frames")
    tensors = np.asarray(model.modality.to_tensor(some), dtype=np.float64) if drawn else None
    return "".join(_hit(found, at, keys[row], float(score[row]), some, tensors) for at, row in enumerate(rows))


def _hit(found: Explanation, at: int, key: Any, score: float, some: Any, tensors: np.ndarray | None) -> str:
    assert found.fall is not None
    name = f"{at + 1}. {key}"
    worst = found.worst(at, NAMED_ELEMENTS)
    driven = (
        f"{DRIVEN[found.driver[at]]} {_share('as unusual', found.unusual, at)}{_share('as alike', found.alike, at)}"
    )
    near = [
        f"{what}: {', '.join(map(str, names[at])) or 'none'}."
        for what, names in (
            ("Nearest labelled defects", found.nearest_defects),
            ("Nearest normals", found.nearest_normals),
        )
    ]
    if found.named is not None and found.together is not None and len(found.named[at]) > 1:
        most = int(found.together[at].argmax())
        names = ", ".join(found.elements[element] for element in found.named[at, : most + 1])
        near.insert(0, f"Without {names}{' together' if most else ''} it falls by {found.together[at, most]:.2f}.")
    shown = "" if tensors is None else _pictures(tensors[at], found.fall[at], name)
    if isinstance(some, list) and isinstance(some[at], str):
        text = some[at] if len(some[at]) <= QUOTED else some[at][:QUOTED] + " …"
        shown = f'<p class="quote">{escape(text)}</p>'
    rows = [(found.elements[e], _cell(found, at, e), _expected(found, at, e), float(found.fall[at, e])) for e in worst]
    table = (
        Table("What makes the score", ("element", "seen", "expected", "fall without it"), rows)
        if found.seen is not None
        else Table("What makes the score", ("region", "fall without it"), [(row[0], row[3]) for row in rows])
    )
    return (
        f'<figure class="hit"><figcaption>{escape(name)}: score {score:.3g}</figcaption><p>{escape(driven)}</p>{shown}'
        f"{table_html(table)}<p>{escape(' '.join(near))}</p></figure>"
    )


def _share(what: str, shares: np.ndarray | None, at: int) -> str:
    return "" if shares is None else f"{what.capitalize()}: {shares[at]:.2%} of ordinary rows. "


def _cell(found: Explanation, at: int, element: int) -> str:
    return "" if found.seen is None else _number(found.seen[at][element])


def _expected(found: Explanation, at: int, element: int) -> str:
    chances = None if found.chances is None else found.chances[at][element]
    if chances is not None:
        return ", ".join(f"{name} {chance:.0%}" for name, chance in chances.items())
    return "" if found.expected is None else _number(found.expected[at][element])


def _number(value: Any) -> str:
    return "missing" if value is None or value != value else f"{value:.4g}" if isinstance(value, float) else str(value)


def _pictures(sample: np.ndarray, fall: np.ndarray, name: str) -> str:
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
    return strip + picture(frames[worst], f"{name}: frame {worst}, where the score is made", heat[worst])


def _training(det: DefectDetector) -> str:
    history = det.history_
    series = {"total": [record.total for record in history]}
    terms = history[0].terms if history else {}
    series |= {name: [record.terms.get(name, np.nan) for record in history] for name in terms if len(terms) > 1}
    if history and history[0].validation is not None:
        series["held out"] = [np.nan if r.validation is None else r.validation for r in history]
    return curves(series, "Training", "epoch", "loss")


def _drift(det: DefectDetector, X: Any) -> str:
    """Whether these samples look like the training data, and what differs most."""
    if not len(det.fitted_.held_out):
        return ""
    drift = det.drift(X)
    said = f"<p>{escape(drift.text[0].upper() + drift.text[1:])}.</p>"
    rows = [(s.name, s.expected, s.seen, f"{s.effect:.0%}", f"{s.p_value:.2g}") for s in drift.found[:10]]
    head = ("what", "expected", "seen", "rows that differ", "p-value")
    return said + (table_html(Table("Drift from the training data", head, rows)) if rows else "")


def _problems(det: DefectDetector, X: Any, skipped: Sequence[str]) -> str:
    """Missing and constant columns, empty samples, skipped files."""
    rows: list[tuple[str, str, str]] = [("file", name, "skipped: it cannot be used") for name in skipped[:50]]
    if len(skipped) > 50:
        rows.append(("file", f"{len(skipped) - 50} more", "skipped: they cannot be used"))
    if is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2):
        rows += _column_problems(to_columns(X)[0], set(getattr(det.fitted_.model.modality, "names", ())))
    elif isinstance(X, list) and X and isinstance(X[0], str):
        empty = sum(not text.strip() for text in X)
        rows += [("texts", str(empty), "empty")] if empty else []
    else:
        flat = sum(float(np.ptp(np.asarray(sample))) == 0 for sample in X)
        rows += [("samples", str(flat), "one colour all over")] if flat else []
    if not rows:
        return "<p>Nothing missing, constant or skipped.</p>"
    return table_html(Table("Problems found", ("where", "what", "problem"), rows))


def _column_problems(columns: dict[str, np.ndarray], used: set[str]) -> list[tuple[str, str, str]]:
    rows = []
    for name, column in columns.items():
        missing = np.array([value is None or value != value for value in column.tolist()])
        if missing.any():
            rows.append(("column", name, f"missing in {missing.mean():.1%} of the rows"))
        if len(set(column[~missing].tolist())) <= 1:
            rows.append(("column", name, "constant"))
        if name not in used:
            rows.append(("column", name, "not used by the model"))
    return rows


def _fitted(det: DefectDetector, command: str) -> str:
    rows = [(name.replace("_", " "), _plain(value)) for name, value in description(det).items()]
    parts = table_html(Table("Parts, data, seeds, versions", ("what", "value"), rows))
    run = run_config(det).to_yaml()
    again = f"blemish fit --config run.yaml -o model.blemish\n{command}".strip()
    return (
        f"{parts}<h3>To make it again</h3><pre>{escape(again)}</pre><pre>{escape('# run.yaml' + chr(10) + run)}</pre>"
    )


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(one)}" for name, one in value.items())
    return ", ".join(map(_plain, value)) if isinstance(value, list) else str(value)
