"""What a notebook shows of a fitted detector."""

from typing import Any

from blemish.report import Table, card


def fitted_card(det: Any) -> str:
    """Facts, the threshold's promise, and what the labels say of themselves.

    Args:
        det: A fitted `DefectDetector`.

    Returns:
        HTML, everything escaped.

    Raises:
        MissingExtraError: Without jinja2.
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
        "assumed shares": ", ".join(f"{share:.2g} {name}" for name, share in det.prior_.items()),
    }
    parts = ("backbone", "bottleneck", "losses", "corruption", "scorer")
    tables = [
        Table("Threshold", ("cut", "what it promises"), [(f"{det.threshold_:.4g}", det.promise_.text)]),
        Table("Parts", ("part", "choice"), [(name, str(spec[name])) for name in parts]),
    ]
    if "conflicts" in det.fitted_.labels:
        says = det.fitted_.label_report(det.prior_["defect"], None, det.threshold_).says
        tables.append(Table("Labels", ("question", "answer"), list(says.items())))
    return card(f"{type(det).__name__}, fitted {det.training_['date'][:10]}", facts, tables)
