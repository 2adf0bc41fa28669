"""`blemish report` and `blemish review`: pages to look at."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blemish.cli import options
from blemish.cli.printing import say_skipped, warnings_as_notes
from blemish.core.errors import DataError

if TYPE_CHECKING:
    from blemish.detector import DefectDetector


def report(
    model: options.ModelFile,
    data: options.Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path("report.html"),
    labels: options.Labels = None,
    defect: options.Defect = None,
    other: options.Other = None,
    normal: options.Normal = None,
    defect_folder: options.DefectFolder = None,
    other_folder: options.OtherFolder = None,
    normal_folder: options.NormalFolder = None,
    top: Annotated[int, typer.Option(help="Hits to explain, highest scores first.", min=1)] = 10,
    glob: options.Glob = None,
    names: options.Names = None,
    key: options.Key = None,
    device: options.Device = "auto",
) -> None:
    """Write one page to show: scores, map, top hits with reasons, threshold, training, data problems."""
    import shlex

    if output.suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter(f"{output} must end in .html")
    from blemish.core.run_config import RunConfig
    from blemish.core.store import need_place
    from blemish.data.inputs import keys_of, samples_to_score
    from blemish.data.labels import labels_for

    need_place(output)
    from blemish.report import write_page
    from blemish.report.overview import model_page

    run = RunConfig(
        labels=labels, defect=defect, other=other, normal=normal, defect_folder=defect_folder,
        other_folder=other_folder, normal_folder=normal_folder,
    )  # fmt: skip
    with warnings_as_notes():
        from blemish.detector import load

        det = load(model, device=device)
        samples = samples_to_score(det, data, glob=glob, names=names, apart=(key, labels))
        words = labels_for(samples, run, everything=True)
        if key and key not in samples.columns:
            raise DataError(f"{data} has no column {key!r} to name the rows")
        command = shlex.join(["blemish", *(a for a in sys.argv[1:] if a != "--debug")])
        page = model_page(
            det, samples.X, keys_of(samples, key)[0], words=words, skipped=samples.skipped, command=command, top=top
        )
    write_page(output, page)
    say_skipped(samples.skipped)
    typer.echo(f"wrote {output}: one file, it opens without a network")


def review(
    data: options.Data,
    model: Annotated[Path | None, typer.Option(help="A model to start with; without one it is fitted first.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Where labels are kept: a SQLite file, default NAME.labels.db here, or postgresql://…"),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; default: 8765 or the next free one.", min=0, max=65535)
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the link.")] = False,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than yourself can reach all but the default.")
    ] = "127.0.0.1",
    glob: options.Glob = None,
    names: options.Names = None,
    key: options.Key = None,
    drop: options.Drop = None,
    modality: Annotated[str, typer.Option(help="'auto', 'tabular', 'image', 'video' or 'text'.")] = "auto",
    column: Annotated[str | None, typer.Option(help="The column of a table that holds the texts.")] = None,
    seed: Annotated[int, typer.Option(help="Random state.", min=0)] = 0,
    device: options.Device = "auto",
) -> None:
    """Open a local page: look at the top hits, mark a few, refit, export."""
    from blemish.core.errors import missing_extra

    try:
        from blemish.review.catalogue import open_catalogue
        from blemish.review.launch import serve
        from blemish.review.ledger import Ledger
        from blemish.review.session import Review
    except ModuleNotFoundError as error:
        if str(error.name).startswith("blemish"):
            raise
        raise missing_extra(str(error.name), "app") from None
    with warnings_as_notes():
        from blemish.detector import load

        det = None if model is None else load(model, device=device)
        reading = {"glob": glob, "names": names, "key": key, "drop": drop or [], "modality": modality, "column": column}
        catalogue = open_catalogue(data, **(reading if det is None else _as_in_training(det, reading)))
    if column and catalogue.modality != "text":
        raise DataError(
            f"--column is for texts, these data are {catalogue.modality}; leave it out, or add --modality text"
        )
    place = labels or f"{Path(data).resolve().stem}.labels.db"
    ledger = Ledger(place)
    typer.echo(f"{len(catalogue)} {catalogue.modality} samples; labels are kept in {ledger.name}")
    serve(Review(catalogue, ledger, det, seed=seed), host, port, browser=not no_browser, say=typer.echo)


def _as_in_training(det: "DefectDetector", reading: dict[str, Any]) -> dict[str, Any]:
    """How to read data for a model: as its training data were read, but for what the command line says."""
    from blemish.data.inputs import reading_options

    run = reading_options(det)
    return {**run, **{name: value for name, value in reading.items() if value and value != "auto"}}
