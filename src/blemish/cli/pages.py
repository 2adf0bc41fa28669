"""`blemish report` and `blemish review`: HTML pages."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blemish.cli import options
from blemish.cli.printing import say_reading, warnings_as_notes
from blemish.core.errors import DataError
from blemish.modalities import MODALITIES

if TYPE_CHECKING:
    from blemish.detector import DefectDetector


@options.with_bundles
def report(
    model: options.ModelFile,
    data: options.Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path("report.html"),
    labels: options.Labels = None,
    *,
    groups: options.Groups,
    top: Annotated[int, typer.Option(help="Hits to explain, highest scores first.", min=1)] = 10,
    glob: options.Glob = None,
    names: options.Names = None,
    dialect: options.Dialect,
    key: options.Key = None,
    device: options.Device = "auto",
) -> None:
    """Write one HTML page: scores, map, top hits with explanations, threshold, training, data problems."""
    import shlex

    if output.suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter(f"{output} must end in .html")
    from blemish.cli.opening import open_both
    from blemish.core.run_config import RunConfig
    from blemish.core.store import check_writable
    from blemish.data.inputs import keys_of, reading_for
    from blemish.data.labels import labels_for

    check_writable(output)
    from blemish.report import write_page
    from blemish.report.overview import model_page

    run = RunConfig(labels=labels, **groups.given())
    with warnings_as_notes():
        det, samples = open_both(model, data, device, glob=glob, names=names, key=key, truth=labels, **dialect.given())
        words = labels_for(samples, run, everything=True)
        reading = reading_for(det, samples)
        say_reading(reading)
        command = shlex.join(["blemish", *(a for a in sys.argv[1:] if a != "--debug")])
        page = model_page(
            det, samples.X, keys_of(samples, key)[0], words=words, reading=reading, command=command, top=top
        )
    write_page(output, page)
    typer.echo(f"wrote {output}: one file that opens offline")


@options.with_bundles
def review(
    data: options.Data,
    model: Annotated[Path | None, typer.Option(help="Model to start with; default: fit one first.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Label database: a SQLite file (default: NAME.labels.db in this folder) or postgresql://…"),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; default: 8765, or the next free one.", min=0, max=65535)
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the link.")] = False,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Other machines can reach any address except the default.")
    ] = "127.0.0.1",
    glob: options.Glob = None,
    names: options.Names = None,
    *,
    dialect: options.Dialect,
    key: options.Key = None,
    drop: options.Drop = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Kind of defect to mark, key 1 to 9; give one per kind. Default: the model's, or 'defect'."),
    ] = None,
    sample_groups: options.SampleGroups = None,
    modality: Annotated[str, typer.Option(help=f"{options.one_of(['auto', *MODALITIES])}.")] = "auto",
    column: Annotated[str | None, typer.Option(help="Column of a table that holds the texts.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0)] = 0,
    device: options.Device = "auto",
) -> None:
    """Open a local page: inspect the top hits, mark a few, refit, export."""
    from blemish.core.errors import missing_extra

    try:
        from blemish.review.catalogue import open_catalogue
        from blemish.review.launch import is_local, serve
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
        reading |= {"groups": sample_groups, **dialect.given()}
        catalogue = open_catalogue(data, **(reading if det is None else _as_in_training(det, reading)))
    say_reading(catalogue.samples.reading)
    if column and not hasattr(MODALITIES[catalogue.modality], "column"):
        raise DataError(
            f"--column is for texts, but these data are {catalogue.modality}; leave it out, or add --modality text"
        )
    if not is_local(host):
        catalogue.confine()
    place = labels or f"{Path(data).resolve().stem}.labels.db"
    ledger = Ledger(place)
    typer.echo(f"{len(catalogue)} {catalogue.modality} samples; labels are stored in {ledger.name}")
    review = Review(catalogue, ledger, det, seed=seed, kinds=tuple(kind) if kind else None)
    serve(review, host, port, browser=not no_browser, say=typer.echo)


def _as_in_training(det: "DefectDetector", reading: dict[str, Any]) -> dict[str, Any]:
    """How to read data for a model: as its training data were read, except where the command line differs."""
    from blemish.data.inputs import reading_options

    run = reading_options(det)
    return {**run, **{name: value for name, value in reading.items() if value and value != "auto"}}
