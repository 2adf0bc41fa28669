"""A fitted detector as a notebook shows it: an HTML fragment with its own style and without scripts."""

from collections.abc import Sequence
from html import escape
from typing import Any

_STYLE = (
    "<style>.blemish-card{max-width:62rem;font:0.9rem/1.45 system-ui,sans-serif}"
    ".blemish-card dl{display:flex;flex-wrap:wrap;gap:0.3rem 1.6rem;margin:0.4rem 0}"
    ".blemish-card dt{font-size:0.78rem;opacity:0.75}.blemish-card dd{margin:0;font-weight:600}"
    ".blemish-card table{margin:0.4rem 0}.blemish-card caption{text-align:left;font-weight:600}"
    ".blemish-card :is(th,td){text-align:left;vertical-align:baseline;white-space:normal}</style>"
)


def fitted_card(det: Any) -> str:
    """Facts, the basis of the threshold, and what the labels support.

    Args:
        det: A fitted `DefectDetector`.

    Returns:
        HTML, everything escaped.
    """
    model, rows = det.fitted_.model, det.training_["rows"]
    spec = model.choices.spec()
    facts = {
        "data": model.choices.modality.name,
        "rows": ", ".join(f"{n} {word}" for word, n in rows.items() if n),
        "held out": str(det.training_["held_out"]),
        "epochs": str(det.training_["epochs"]),
        "seconds": f"{det.training_['seconds']:.1f}",
        "seed": str(det.seed_),
        "assumed fractions": ", ".join(f"{fraction:.2g} {name}" for name, fraction in det.prior_.items()),
    }
    parts = ("backbone", "bottleneck", "losses", "corruption", "scorer")
    tables = [
        _table("Threshold", ("cut", "guarantee"), [(f"{det.threshold_:.4g}", det.promise_.text)]),
        _table("Parts", ("part", "choice"), [(name, str(spec[name])) for name in parts]),
    ]
    if det.fitted_.labels is not None:
        says = det.fitted_.label_report(det.prior_, None, det.threshold_, det.thresholds_).says
        tables.append(_table("Labels", ("question", "answer"), list(says.items())))
    title = escape(f"{type(det).__name__}, fitted {det.training_['date'][:10]}")
    shown = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    return f'<div class="blemish-card">{_STYLE}<strong>{title}</strong><dl>{shown}</dl>{"".join(tables)}</div>'


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    caption = f"<caption>{escape(title)}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
