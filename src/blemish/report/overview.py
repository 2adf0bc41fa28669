"""The report on a model and some data: what was found, why, and how reliable it is."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from blemish.calibration.drift import mostly_reported
from blemish.calibration.probabilities import brier, reliability, reweighted
from blemish.core.labels import CLASSES, DEFECT, to_groups, to_words
from blemish.data.columns import is_frame, to_columns
from blemish.data.dataset import Note, take
from blemish.detector import DefectDetector
from blemish.report import Section, Table, curves, histograms, latent_map, principal_plane, render, table_html
from blemish.report.hits import hits, legend
from blemish.report.results import description, measures, run_config
from blemish.report.trust import labels_body, probabilities_body, promise_body, reliability_chart
from blemish.scoring.mixture import PRIOR

MAX_POINTS = 3000  # an SVG map of more is slow on a phone


def model_page(
    det: DefectDetector,
    X: Any,
    keys: Sequence[Any],
    *,
    words: Sequence[Any] | None = None,
    reading: Iterable[Note] = (),
    command: str = "",
    top: int = 10,
) -> str:
    """The page that `blemish report` writes.

    Args:
        det: A fitted detector.
        X: Samples as `blemish.read` gives them: an Arrow table, an array or a list.
        keys: The samples' names.
        words: The samples' labels; None: the groups shown are predictions.
        reading: What of the samples was read, and how.
        command: The command that made this page.
        top: Hits to explain, highest scores first.

    Returns:
        HTML, everything escaped.

    Raises:
        DataError: If the samples do not fit the model.
        MissingExtraError: Without plotly or jinja2.
    """
    found = _score(det, X, words)
    meaning = (
        "How unusual is it? Label a few defects to rank by your defect."
        if found.defect is None
        else "How unusual is it, and is it my defect? Each question has its own score; higher means more."
    )
    sections = [
        Section("Scores", meaning, _score_charts(found)),
        Section("Map", "Codes of the network on their first two principal components; nearby points look similar to "
                "the model.", _map(det, X, keys, found)),
        Section("Top hits", legend(det),
                hits(det, X, keys, found.score, found.order[:top].tolist())),
        Section("Threshold", "", promise_body(det)),
        *(_sections_on_labels(det) if det.fitted_.n_defects else ()),
        Section("Training", "Loss terms per epoch, and the loss on held-out rows.", _training(det)),
        Section("Data", "", _drift(det, X) + _problems(det, X) + _read(reading)),
        Section("Fitted model", "", _fitted(det, command)),
    ]  # fmt: skip
    return render("Blemish report", _lead(det, found), _facts(det, found), [], sections)


@dataclass(frozen=True)
class _Scored:
    """Scores of the samples on the page.

    Attributes:
        outlier: Outlier scores.
        defect: Defect scores; None without labelled defects.
        n_above: How many lie above the threshold.
        predicted: The predicted group of each.
        groups: The group of each as the charts show it: as labelled, or as predicted.
        labelled: Whether groups are labels.
    """

    outlier: np.ndarray
    defect: np.ndarray | None
    n_above: int
    predicted: list[str]
    groups: list[str]
    labelled: bool

    @property
    def score(self) -> np.ndarray:
        """The scores that the page ranks by."""
        return self.outlier if self.defect is None else self.defect

    @property
    def order(self) -> np.ndarray:
        """Rows, highest score first."""
        return np.argsort(-self.score, kind="stable")


def _score(det: DefectDetector, X: Any, words: Sequence[Any] | None) -> _Scored:
    outlier = np.asarray(det.outlier_score(X), dtype=np.float64)
    defect = np.asarray(det.defect_score(X), dtype=np.float64) if det.fitted_.n_defects else None
    predicted = [str(word) for word in np.asarray(det.predict(X))]
    labels = [] if words is None else list(words)
    labelled = any(word in (*CLASSES, *det.fitted_.kinds) for word in labels)
    groups = [str(word or "unlabelled") for word in labels] if labelled else predicted
    n_above = int(((outlier if defect is None else defect) >= det.threshold_).sum())
    return _Scored(outlier, defect, n_above, predicted, groups, labelled)


def _lead(det: DefectDetector, found: _Scored) -> str:
    ranked = ("No defect was labelled, so they are ranked by how unusual they are." if found.defect is None else
              "They are ranked by how much they resemble the labelled defects.")  # fmt: skip
    source = "the labels you gave" if found.labelled else "the model's predictions"
    above = "; ".join([f"{found.n_above} of {len(found.score)} samples score above the threshold", *det.unsupported_])
    rate, n = det.fitted_.reported(det.threshold_, det.outlier_threshold_), len(found.predicted)
    unusual = mostly_reported(n - found.predicted.count("normal"), n, rate)
    return " ".join(filter(None, [f"{above}.", unusual, ranked, f"Groups below are {source}."]))


def _facts(det: DefectDetector, found: _Scored) -> dict[str, str]:
    counts = Counter(found.predicted)
    return {
        "samples": str(len(found.score)),
        "above the threshold": str(found.n_above),
        "predicted defects": str(sum(counts[kind] for kind in det.fitted_.kinds)),
        "predicted others": str(counts["other"]),
        "labelled defects": str(det.fitted_.n_defects),
        "modality": det.fitted_.model.choices.modality.name,
        "fitted": str(det.training_["date"])[:10],
        "seed": str(det.seed_),
    }


def evaluation_page(
    results: dict[str, Any],
    scores: dict[str, np.ndarray],
    kinds: Sequence[str],
    *,
    probabilities: np.ndarray | None = None,
    words: Sequence[Any] = (),
    prior: Mapping[str, float] = PRIOR,
) -> str:
    """The page of `blemish evaluate --plot`: both scores by kind, the measures, and whether probabilities are reliable.

    Args:
        results: From `blemish.report.results.evaluation`.
        scores: Every score by name, one value per row.
        kinds: The kind of each row, within its group.
        probabilities: From `predict_proba`; None: no reliability chart.
        words: The group of each row, if there are probabilities; rows without one are left out of the chart.
        prior: The fractions that the probabilities assume.
    """
    columns = {_title(name): measures(found) for name, found in results.items()}
    names = next(iter(columns.values()))
    table = Table("Measures", ("measure", *columns), [(name, *(c[name] for c in columns.values())) for name in names])
    charts = {_title(name): _by(values, kinds) for name, values in scores.items()}
    body = [Section(title, "", histograms(groups, title, "score")) for title, groups in charts.items()]
    if probabilities is not None and probabilities[:, 2:].any():
        body.append(Section("Probabilities", "", _reliability(probabilities, words, prior)))
    facts = {f"{kind} rows": str(n) for kind, n in next(iter(results.values()))["n"].items()}
    lead = "How well each score ranks the defect above everything else."
    return render("Blemish evaluation", lead, facts, [table], body)


def _reliability(probabilities: np.ndarray, words: Sequence[Any], prior: Mapping[str, float]) -> str:
    """Probabilities of a defect as predicted, and corrected for the fraction of defects in the truth."""
    kinds = tuple(name for name in prior if name not in ("normal", "other"))
    codes = to_groups([kinds[0] if word == "defect" and len(kinds) == 1 else word for word in words], len(words), kinds)
    groups = to_words(np.minimum(codes, DEFECT))
    assumed = {"normal": prior["normal"], "other": prior["other"], "defect": sum(prior[kind] for kind in kinds)}
    p = probabilities[:, 2:].sum(axis=1)
    probabilities = np.column_stack([probabilities[:, :2], p])
    known = groups != "unlabelled"
    if set(groups[known]) == {"defect"}:
        groups[~known], known = "normal", np.ones(len(groups), dtype=bool)  # a truth of 0 and 1
    is_defect, probabilities = groups[known] == "defect", probabilities[known]
    actual = {name: float(max((groups[known] == name).mean(), 1e-6)) for name in CLASSES}
    series = {
        f"as predicted, assuming a fraction of {assumed['defect']:.2g} defects": probabilities[:, 2],
        f"corrected to the true fraction of {actual['defect']:.2g}": reweighted(probabilities, assumed, actual)[:, 2],
    }
    bins = {name: reliability(p, is_defect) for name, p in series.items()}
    note = "; ".join(f"{name}: Brier score {brier(p, is_defect):.3f}" for name, p in series.items())
    constant = brier(np.full(len(is_defect), actual["defect"]), is_defect)
    return reliability_chart(bins, f"{note}; always predicting {actual['defect']:.2g}: {constant:.3f} (0 is best).")


def _sections_on_labels(det: DefectDetector) -> list[Section]:
    return [
        Section("Probabilities", "", probabilities_body(det)),
        Section("Labels", "How consistent the labels are, and whether more of them would help.",
                labels_body(det)),
    ]  # fmt: skip


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _by(values: np.ndarray, groups: Sequence[str]) -> dict[str, np.ndarray]:
    of_row = np.asarray(groups, dtype=object)
    names = sorted(set(groups), key=lambda name: (name == "defect", name == "other", name))
    return {name: values[of_row == name] for name in names}


def _score_charts(found: _Scored) -> str:
    charts = [histograms(_by(found.outlier, found.groups), "How unusual: outlier score", "outlier score")]
    if found.defect is not None:
        charts.append(histograms(_by(found.defect, found.groups), "Is it my defect: defect score", "defect score"))
    return "".join(charts)


def _map(det: DefectDetector, X: Any, keys: Sequence[Any], found: _Scored) -> str:
    order, groups = found.order, found.groups
    step = max(1, -(-len(order) // MAX_POINTS))
    shown = np.unique(np.concatenate([order[:50], np.sort(order)[::step]]))
    plane = principal_plane(np.asarray(det.encode(take(X, shown.tolist())), dtype=np.float64))
    hover = [f"{keys[i]}\n{groups[i]}, score {found.score[i]:.3g}" for i in shown]
    return latent_map(plane, [str(groups[i]) for i in shown.tolist()], hover, f"{len(shown)} of {len(order)} samples")


def _training(det: DefectDetector) -> str:
    history = det.history_
    series = {"total": [record.total for record in history]}
    terms = history[0].terms if history else {}
    series |= {name: [record.terms.get(name, np.nan) for record in history] for name in terms if len(terms) > 1}
    if history and history[0].validation is not None:
        series["held out"] = [np.nan if r.validation is None else r.validation for r in history]
    return curves(series, "Training", "epoch", "loss")


def _drift(det: DefectDetector, X: Any) -> str:
    """Whether these samples resemble the training data, and what differs most."""
    if not len(det.fitted_.held_out):
        return ""
    drift = det.drift(X)
    summary = f"<p>{escape(drift.text[0].upper() + drift.text[1:])}.</p>"
    rows = [(s.name, s.expected, s.seen, f"{s.effect:.0%}", f"{s.p_value:.2g}") for s in drift.found[:10]]
    head = ("what", "expected", "seen", "rows that differ", "p-value")
    return summary + (table_html(Table("Drift from the training data", head, rows)) if rows else "")


def _read(reading: Iterable[Note]) -> str:
    """The whole record of reading."""
    rows = [(note.what, note.where, note.how) for note in reading]
    return table_html(Table("What was read, and how", ("what", "of", "how"), rows)) if rows else ""


def _problems(det: DefectDetector, X: Any) -> str:
    """Missing and constant columns, empty samples."""
    rows: list[tuple[str, str, str]] = []
    if is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2):
        rows += _column_problems(to_columns(X)[0], set(getattr(det.fitted_.model.modality, "names", ())))
    elif isinstance(X, list) and X and isinstance(X[0], str):
        empty = sum(not text.strip() for text in X)
        rows += [("texts", str(empty), "empty")] if empty else []
    else:
        flat = sum(float(np.ptp(np.asarray(sample))) == 0 for sample in X)
        rows += [("samples", str(flat), "a single colour")] if flat else []
    if not rows:
        return "<p>Nothing is missing or constant.</p>"
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
    rows = [(name.replace("_", " "), _as_text(value)) for name, value in description(det).items()]
    parts = table_html(Table("Parts, data, seed, versions", ("what", "value"), rows))
    run = run_config(det).to_yaml()
    again = f"blemish fit --config run.yaml -o model.blemish\n{command}".strip()
    pages = f"<pre>{escape(again)}</pre><pre>{escape('# run.yaml' + chr(10) + run)}</pre>"
    return f"{parts}<h3>To reproduce this model</h3>{pages}"


def _as_text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_as_text(one)}" for name, one in value.items())
    return ", ".join(map(_as_text, value)) if isinstance(value, list) else str(value)
