"""`blemish threshold`, `info`, `export` and `presets`: inspect, adjust and export a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blemish.cli import options
from blemish.cli.printing import print_json, print_table, say_reading, short, warnings_as_notes

if TYPE_CHECKING:
    from blemish.detector import DefectDetector


def threshold(
    model: options.ModelFile,
    recall: Annotated[float | None, typer.Option(help="Fraction of defects to find.")] = None,
    precision: Annotated[float | None, typer.Option(help="Fraction of defects among flagged rows.")] = None,
    false_positive_rate: Annotated[
        float | None, typer.Option(help="Fraction of normal rows that may be flagged.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option(help="Number of rows to flag in a batch as large as the held-out set.")
    ] = None,
    contamination: Annotated[
        float | None, typer.Option(help="Fraction of rows to flag, if new data resemble the training data.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Cut the score of this kind of defect alone.")] = None,
    defect_share: Annotated[
        float | None, typer.Option(help="Expected fraction of defects among the rows to score; used by probabilities.")
    ] = None,
    other_share: Annotated[
        float | None, typer.Option(help="Expected fraction of other outliers; default: 0.07.")
    ] = None,
) -> None:
    """Change the threshold, or the fractions that the probabilities assume, without fitting again."""
    targets: dict[str, Any] = {
        "recall": recall, "precision": precision, "false_positive_rate": false_positive_rate, "budget": budget,
        "contamination": contamination,
    }  # fmt: skip
    if kind is not None and not any(value is not None for value in targets.values()):
        raise typer.BadParameter("--kind needs a target, such as --recall: give both")
    if other_share is not None and defect_share is None:
        raise typer.BadParameter("--other-share needs --defect-share: give both")
    n_given = sum(value is not None for value in targets.values())
    if n_given > 1 or (n_given == 0 and defect_share is None):
        raise typer.BadParameter(f"give exactly one of --{', --'.join(targets).replace('_', '-')}")
    from blemish.core.store import check_whole

    check_whole(model)
    from blemish.detector import load

    det = load(model)
    before, lines = det.threshold_, []
    if defect_share is not None:
        prior = det.set_prior(defect=defect_share, other=other_share).prior_
        lines.append("assumed fractions: " + ", ".join(f"{name} {value:.4g}" for name, value in prior.items()))
    if n_given:
        before = det.thresholds_.get(kind, before) if kind else before
        det.set_threshold(**targets, kind=kind)
        now, promise = det.threshold_, det.promise_
        if kind in det.promises_:
            now, promise = det.thresholds_[kind], det.promises_[kind]
        lines += [f"threshold {f'of {kind} ' if kind else ''}{before:.6g} -> {now:.6g} in {model}", promise.text]
    det.save(model)
    typer.echo("\n".join(lines))


def info(
    model: options.ModelFile,
    config: Annotated[bool, typer.Option("--config", help="Print a run file that reproduces the model.")] = False,
    labels: Annotated[
        bool, typer.Option("--labels", help="Report how much the labels help; computes and stores the learning curve.")
    ] = False,
    budget: Annotated[int | None, typer.Option(help="With --labels: number of rows to inspect per batch.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what a model is made of and what it was fitted on, or how much its labels help."""
    from blemish.core.store import check_whole

    check_whole(model)
    from blemish.detector import load
    from blemish.report.results import description, run_config

    det = load(model, device="cpu")
    if config:
        return typer.echo(run_config(det).to_yaml(), nl=False)
    if labels:
        return _print_label_report(det, model, budget, as_json)
    facts = description(det)
    if as_json:
        return print_json(facts)
    notes = [(note["what"], note["where"], note["how"]) for note in facts.pop("reading")]
    if "columns" in facts:
        facts["columns"] = ", ".join(f"{one['name']}: {one.get('left_out', one['kind'])}" for one in facts["columns"])
    print_table(str(model), ["what", "value"], [(name, short(value, 90)) for name, value in facts.items()])
    if notes:
        print_table("what was read, and how", ["what", "of", "how"], notes)
    return None


def _print_label_report(det: "DefectDetector", model: Path, budget: int | None, as_json: bool) -> None:
    from dataclasses import asdict

    from blemish.data.inputs import training_rows

    with warnings_as_notes():
        given = None if det.fitted_.has_learning_curve or det.fitted_.n_defects < 2 else training_rows(det)
        found = det.label_report(*(given or ()), budget=budget)
    if given is not None:
        det.save(model)
    if as_json:
        return print_json({**asdict(found), "says": found.says})
    rows = [
        (str(s.n_labels), f"{s.above:.1%}", f"{s.outlook.recall:.0%}", f"{s.outlook.precision:.0%}",
         f"{s.outlook.low:.0%} to {s.outlook.high:.0%}")
        for s in found.curve
    ]  # fmt: skip
    if rows:
        columns = ["labelled defects", "normal rows ranked below", "recall", "precision", "90 % interval"]
        print_table(f"learning curve, at a budget of {found.budget} of {found.batch} rows", columns, rows)
    return typer.echo(str(found))


@options.with_bundles
def export(
    model: options.ModelFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="ONNX file to write.")],
    data: Annotated[
        str | None,
        typer.Option(help="Samples on which to compare the export with the model; default: those kept in the model."),
    ] = None,
    glob: options.Glob = None,
    names: options.Names = None,
    *,
    dialect: options.Dialect,
) -> None:
    """Write one ONNX file that scores raw samples without PyTorch."""
    if output.suffix.lower() != ".onnx":
        raise typer.BadParameter(f"{output} must end in .onnx")
    from blemish.core.store import check_whole, check_writable

    check_whole(model)
    check_writable(output, model, data)
    from blemish.data.inputs import reading_for, samples_to_score
    from blemish.detector import load

    with warnings_as_notes():
        det = load(model, device="cpu")
        samples = None if data is None else samples_to_score(det, data, glob=glob, names=names, **dialect.given())
        if samples is not None:
            say_reading(reading_for(det, samples))
        parity = det.export(output, None if samples is None else samples.X)
    typer.echo(parity.text)
    typer.echo(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")


def presets() -> None:
    """List the presets: named choices of parts."""
    from blemish.presets import PRESETS

    print_table("presets", ["name", "what", "source"], [(name, p.summary, p.paper) for name, p in PRESETS.items()])
