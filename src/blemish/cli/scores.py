"""`blemish score`, `evaluate` and `explain`: apply a model to samples."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blemish.cli import options
from blemish.cli.printing import print_json, print_table, row_bar, say_reading, short, warnings_as_notes, with_cut
from blemish.core.errors import LabelError

if TYPE_CHECKING:
    from blemish.data.dataset import Dataset


@options.with_bundles
def score(
    model: options.ModelFile,
    data: options.Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="CSV or Parquet file to write.")],
    glob: options.Glob = None,
    names: options.Names = None,
    *,
    dialect: options.Dialect,
    key: options.Key = None,
    heat: Annotated[
        Path | None,
        typer.Option(help="Folder to write a map of each picture to, in its own size: a TIFF of 32-bit floats."),
    ] = None,
    regions: Annotated[
        Path | None, typer.Option(help="COCO file to write, with box, outline and score of what looks like the defect.")
    ] = None,
    false_alarm_area: Annotated[
        float | None,
        typer.Option(
            help="Fraction of the area of normal pictures that may lie in regions; default: 0.001, or the smallest "
            "that the fitted ones support."
        ),
    ] = None,
    device: options.Device = "auto",
) -> None:
    """Score every sample: how unusual it is, how much like your defects, and where."""
    if false_alarm_area is not None and regions is None:
        raise typer.BadParameter("--false-alarm-area is for --regions: give both")
    if output.suffix.lower() not in (".csv", ".parquet"):
        raise typer.BadParameter(f"{output} must end in .csv or .parquet")
    from blemish.core.store import check_whole, check_writable

    check_whole(model)
    check_writable(output, model, data)
    from blemish.calibration import mostly_reported
    from blemish.cli.opening import exported_scores, maps_of_exported, open_exported
    from blemish.data.inputs import keys_of, stream_to_score
    from blemish.data.writing import table_of, write_table

    with warnings_as_notes():
        if model.suffix.lower() == ".onnx":
            runtime, samples = open_exported(model, data, glob=glob, names=names, key=key, **dialect.given())
            maps = None
            if heat is not None or regions is not None:
                maps = maps_of_exported(runtime, data, heat, regions, false_alarm_area)
                maps.check(model, data)
            say_reading(samples.reading)
            table = table_of(exported_scores(runtime, samples, maps), runtime.facts["classes"], *keys_of(samples, key))
            write_table(table, output)
            labels, n, drift = Counter(table["label"].to_pylist()), len(samples), None
            unsupported, rate = runtime.facts.get("unsupported", []), runtime.facts.get("reported", 1.0)
            kinds = runtime.facts["classes"][2:]
        else:
            from blemish.detector import load
            from blemish.out_of_core import map_files, score_stream

            det = load(model, device=device)
            maps = None
            if heat is not None or regions is not None:
                maps = map_files(det, data, heat, regions, false_alarm_area)
                maps.check(model, data)
            stream = stream_to_score(det, data, glob=glob, names=names, key=key, **dialect.given())
            opened = stream.reading.more(())  # it grows while the samples are read
            say_reading(opened)
            with row_bar(stream.n_rows) as advance:
                found = score_stream(det, stream, output, key=key, advance=advance, maps=maps)
            say_reading(found.reading, opened)
            labels, n, drift = found.labels, found.n, found.drift
            unsupported, kinds = det.unsupported_, det.fitted_.kinds
            rate = det.fitted_.reported(det.threshold_, det.outlier_threshold_)
    if drift is not None and drift.found:
        typer.echo(f"note: {drift.text}", err=True)
    elif unusual := mostly_reported(n - labels["normal"], n, rate):
        typer.echo(f"note: {unusual}", err=True)
    counts = ", ".join(f"{labels[word]} {word}" for word in (*kinds, "other", "normal"))
    typer.echo(with_cut(f"scored {n} samples: {counts}", unsupported))
    typer.echo(f"wrote {output}")
    if maps is not None:
        typer.echo(f"wrote {maps.end()}")


@options.with_bundles
def evaluate(
    model: options.ModelFile,
    data: options.Data,
    truth: Annotated[
        str | None, typer.Option(help="Column of true labels; for folders a table of names and labels.")
    ] = None,
    *,
    groups: options.Groups,
    glob: options.Glob = None,
    names: options.Names = None,
    dialect: options.Dialect,
    device: options.Device = "auto",
    plot: Annotated[Path | None, typer.Option(help="HTML file to write, with both scores by kind.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Compare the ranking with the truth: average precision, and AUROC above every other kind."""
    from blemish.cli.opening import open_both
    from blemish.core.run_config import RunConfig
    from blemish.core.store import check_writable
    from blemish.data.inputs import reading_for
    from blemish.data.labels import kinds_in, kinds_of, labels_for
    from blemish.report.results import evaluation, kinds_evaluation, measures

    if plot is not None:
        check_writable(plot, model, data, truth)

    with warnings_as_notes():
        det, samples = open_both(model, data, device, glob=glob, names=names, truth=truth, **dialect.given())
        run = RunConfig(labels=truth, **groups.given())
        run = run.model_copy(update={"kind": kinds_in(samples, run, det.fitted_.kinds)})
        words = labels_for(samples, run, everything=True)
        if words is None:
            raise LabelError("no ground truth: use --truth COLUMN, or --defect-folder NAME for a folder")
        kinds = kinds_of(samples, run, words)
        say_reading(reading_for(det, samples))
        results, of_kinds = evaluation(det, samples.X, words, kinds), kinds_evaluation(det, samples.X, words, kinds)
        if plot is not None:
            _plot(plot, det, samples, results, kinds, words)
    if as_json:
        return print_json({**results, **({"kinds": of_kinds} if of_kinds else {})})
    columns = {name: measures(found) for name, found in results.items()}
    rows = [(name, *(f"{column[name]:.3f}" for column in columns.values())) for name in next(iter(columns.values()))]
    print_table(f"{results['outlier_score']['n']['defect']} defects", ["measure", *columns], rows)
    for kind, found in of_kinds.items():
        rows = [(name, f"{value:.3f}") for name, value in measures(found).items()]
        print_table(f"{found['n']['defect']} {kind}: {found['says']}", ["measure", "defect_score"], rows)
    return None


def _plot(
    path: Path, det: Any, samples: "Dataset", results: dict[str, Any], kinds: list[str], words: list[Any]
) -> None:
    import numpy as np

    from blemish.report import write_page
    from blemish.report.overview import evaluation_page

    scores = {name: np.asarray(getattr(det, name)(samples.X), dtype=np.float64) for name in results}
    probabilities = np.asarray(det.predict_proba(samples.X), dtype=np.float64)
    page = evaluation_page(results, scores, kinds, probabilities=probabilities, words=words, prior=det.prior_)
    write_page(path, page)


@options.with_bundles
def explain(
    model: options.ModelFile,
    data: options.Data,
    top: Annotated[int, typer.Option(help="Samples to explain, highest scores first.", min=1)] = 5,
    elements: Annotated[int, typer.Option(help="Columns or regions per sample.", min=1)] = 3,
    glob: options.Glob = None,
    names: options.Names = None,
    *,
    dialect: options.Dialect,
    key: options.Key = None,
    device: options.Device = "auto",
    as_json: options.AsJson = False,
) -> None:
    """Explain why the top samples are flagged."""
    from blemish.cli.opening import open_both
    from blemish.data.inputs import keys_of, reading_for
    from blemish.report.results import top_explanations

    with warnings_as_notes():
        det, samples = open_both(model, data, device, glob=glob, names=names, key=key, **dialect.given())
        say_reading(reading_for(det, samples))
        rows = top_explanations(det, samples.X, keys_of(samples, key)[0], top, elements)
    if as_json:
        return print_json(rows)
    heads = ["sample", "score", "element", "seen", "expected", "score drop", "driven by", "nearest defect"]
    lines = [
        (str(r["key"]), f"{r['score']:.4g}", r["element"], short(r["seen"]), short(r["chances"] or r["expected"]),
         f"{r['fall']:.3g}", r["driver"], str(r["nearest_defect"]))
        for r in rows
    ]  # fmt: skip
    return print_table("why", heads, lines)
