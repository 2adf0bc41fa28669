"""The command line: one verb a thing. PyTorch is imported by the verbs that need it, not by --help."""

import json
import sys
import warnings
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blemish.errors import BlemishError, ConfigError, DataError, DataWarning, LabelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from blemish.config import RunConfig
    from blemish.detector import DefectDetector
    from blemish.sources import Samples

app = typer.Typer(
    help="Finds the defects you care about: ranks defect > other outlier > normal.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Data = Annotated[
    str,
    typer.Argument(
        help="A CSV, Parquet, Arrow or NPZ file; a text file, one document a line; a folder of images, videos, frame "
        "folders or .txt files."
    ),
]
ModelFile = Annotated[Path, typer.Argument(help="A model that 'blemish fit' wrote.")]
Labels = Annotated[str | None, typer.Option(help="Column of labels; for folders a table of names and labels.")]
Defect = Annotated[list[str] | None, typer.Option(help="Label value that means defect; may be repeated.")]
Other = Annotated[
    list[str] | None, typer.Option(help="Label value that means an outlier, but not mine; '*': all the rest.")
]
Normal = Annotated[list[str] | None, typer.Option(help="Label value that means normal.")]
DefectFolder = Annotated[list[str] | None, typer.Option(help="Folder name whose files are defects.")]
OtherFolder = Annotated[
    list[str] | None, typer.Option(help="Folder name whose files are other outliers; '*': the rest.")
]
NormalFolder = Annotated[list[str] | None, typer.Option(help="Folder name whose files are normal.")]
Glob = Annotated[str | None, typer.Option(help="Which file names in a folder count, for example '*.jpg'.")]
Names = Annotated[str | None, typer.Option(help="File with the column names of a CSV without a header, one a line.")]
Key = Annotated[str | None, typer.Option(help="Column that names the rows.")]
Drop = Annotated[list[str] | None, typer.Option(help="Column to leave out; may be repeated.")]
Device = Annotated[str, typer.Option(help="'auto', 'cpu' or 'cuda'.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@contextmanager
def _told() -> "Iterator[None]":
    """Warnings as one line each on stderr; those of one kind after the fifth are counted."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            ours = [str(w.message) for w in caught if issubclass(w.category, (DataWarning, UserWarning))]
            for line in ours[:5]:
                typer.echo(f"note: {line}", err=True)
            if len(ours) > 5:
                typer.echo(f"note: {len(ours) - 5} more of these", err=True)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("demo"),
    n_normal: Annotated[int, typer.Option(help="Unlabelled normal sequences to train on.", min=8)] = 400,
    epochs: Annotated[int | None, typer.Option(help="Passes over them; default: the detector's.", min=1)] = None,
) -> None:
    """Find coins that turn 2.1 degrees a frame among coins that turn 2.0, from 8 examples."""
    from blemish.demo import run_demo

    with _progress("coin") as advance, _told():
        metrics = run_demo(out, n_normal=n_normal, epochs=epochs, advance=advance)
    rows = [
        (kind, f"{value:.3f}", f"{metrics['prototype'][kind]:.3f}")
        for kind, value in metrics["auroc_defect_above"].items()
    ]
    _table("AUROC of the defect above", ["kind", "blemish", "prototype"], rows)
    typer.echo(
        f"{metrics['seconds']:.0f} s, {metrics['peak_mb']:.0f} MB. Open {out / 'report.html'}; "
        f"numbers in {out / 'metrics.json'}, model in {out / 'coin.blemish'}"
    )


@app.command()
def fit(
    data: Annotated[
        str | None, typer.Argument(help="See 'blemish score --help'; may stand in the config file.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Model file to write.")] = None,
    labels: Labels = None,
    defect: Defect = None,
    other: Other = None,
    normal: Normal = None,
    defect_folder: DefectFolder = None,
    other_folder: OtherFolder = None,
    normal_folder: NormalFolder = None,
    limit_labels: Annotated[int | None, typer.Option(help="Use at most so many labels of each group.", min=1)] = None,
    glob: Glob = None,
    names: Names = None,
    key: Key = None,
    drop: Drop = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with these options; the command line wins.")] = None,
    preset: Annotated[str | None, typer.Option(help="Named choice of parts, see 'blemish presets'.")] = None,
    modality: Annotated[str | None, typer.Option(help="A kind of data, or YAML: '{name: text, column: body}'.")] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Network family, for example '{name: conv, upsampling: nearest}'.")
    ] = None,
    bottleneck: Annotated[str | None, typer.Option(help="'plain', 'variational', 'rsr'.")] = None,
    loss: Annotated[list[str] | None, typer.Option(help="Loss term; may be repeated.")] = None,
    corruption: Annotated[str | None, typer.Option(help="'gaussian', 'mask', 'swap'.")] = None,
    scorer: Annotated[str | None, typer.Option(help="'ensemble', 'latent' or 'reconstruction'.")] = None,
    latent_dim: Annotated[int | None, typer.Option(help="Width of the code.", min=1)] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.", min=1)] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows of a batch.", min=1)] = None,
    lr: Annotated[str | None, typer.Option(help="Learning rate, or a schedule.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random state.", min=0)] = None,
    device: Annotated[str | None, typer.Option(help="'auto', 'cpu' or 'cuda'.")] = None,
    out_of_core: Annotated[
        bool | None,
        typer.Option(
            "--out-of-core/--in-memory",
            help="Read a table or a folder of images a chunk at a time and keep what is done in OUTPUT.fit; the "
            "default for data of more than 256 MB on disk.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted fit in OUTPUT.fit.")] = False,
) -> None:
    """Fit a detector and write it to one file."""
    if config is None:
        _need_both(data, output)
    import yaml

    from blemish.config import RunConfig, read_config

    def parsed(text: str | None) -> Any:
        try:
            return None if text is None else yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(
                f"{text!r} is neither a name nor YAML like '{{name: conv, upsampling: nearest}}'"
            ) from None

    options = {
        "data": data, "output": None if output is None else str(output), "labels": labels, "defect": defect,
        "other": other, "normal": normal, "defect_folder": defect_folder, "other_folder": other_folder,
        "normal_folder": normal_folder, "limit_labels": limit_labels, "glob": glob, "names": names, "key": key,
        "drop": drop, "preset": preset, "modality": parsed(modality), "backbone": parsed(backbone),
        "bottleneck": parsed(bottleneck), "losses": [parsed(term) for term in loss] if loss else None,
        "corruption": parsed(corruption), "scorer": parsed(scorer), "latent_dim": latent_dim, "epochs": epochs,
        "batch_size": batch_size, "lr": parsed(lr), "random_state": seed, "device": device,
        "out_of_core": out_of_core,
    }  # fmt: skip
    base = {} if config is None else read_config(config).given()
    run = RunConfig.check({**base, **{k: v for k, v in options.items() if v is not None}}, "the command line")
    _need_both(run.data, run.output)
    from blemish.catalogue import check_names, of_preset

    output = Path(str(run.output))
    arguments = of_preset(run.preset or "default", run.detector_arguments())
    check_names(arguments)
    if not output.resolve().parent.is_dir():
        raise DataError(f"the folder of {output} does not exist; make it first")
    from blemish.inputs import is_large

    if resume or (is_large(run) if run.out_of_core is None else run.out_of_core):
        _fit_out_of_core(run, arguments, output, resume=resume)
    else:
        _fit(run, arguments, output)


def _need_both(data: object, output: object) -> None:
    if data is None or output is None:
        raise typer.BadParameter("DATA and --output (-o) are needed, on the command line or in the config file")


def _fit_out_of_core(run: "RunConfig", arguments: dict[str, Any], output: Path, *, resume: bool) -> None:
    from blemish.inputs import stream_to_fit

    with _told(), _progress(output.name) as advance:
        stream = stream_to_fit(run)
        from blemish.detector import DefectDetector
        from blemish.fitting_file import iter_fit_stream

        det = DefectDetector(**arguments)
        if isinstance(det.modality, str):
            det.set_params(modality=stream.modality)
        for record in iter_fit_stream(det, stream, run, Path(f"{output}.fit"), output, resume=resume):
            advance(record)
    _say_fitted(det, sum(det.training_["rows"].values()), stream.modality)
    _say_skipped(det.notes_["skipped"])
    typer.echo(f"wrote {output}")


def _fit(run: "RunConfig", arguments: dict[str, Any], output: Path) -> None:
    from blemish.inputs import labels_for, limited, name_known, samples_to_fit

    with _told():
        samples = samples_to_fit(run)
        from blemish.detector import DefectDetector

        det = DefectDetector(**arguments)
        y = labels_for(samples, run)
        if run.limit_labels is not None and y is not None:
            y = limited(y, run.limit_labels, run.random_state)
        if isinstance(det.modality, str):
            det.set_params(modality=samples.modality)
    with _told(), _progress(output.name) as advance:
        for record in det.iter_fit(samples.X, y):
            advance(record)
    if samples.files:
        name_known(det, samples.keys)
    det.notes_ = {"run": run.given(), "taken_out": sorted(samples.columns)}
    det.save(output)
    _say_fitted(det, len(samples), samples.modality)
    _say_skipped(samples.skipped)
    typer.echo(f"wrote {output}")


def _say_fitted(det: "DefectDetector", n: int, modality: str) -> None:
    counts = ", ".join(f"{n} {word}" for word, n in det.training_["rows"].items() if n)
    typer.echo(f"fitted on {n} {modality} samples ({counts}) in {det.training_['seconds']:.1f} s")


@app.command()
def score(
    model: ModelFile,
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="CSV or Parquet file to write.")],
    glob: Glob = None,
    names: Names = None,
    key: Key = None,
    device: Device = "auto",
) -> None:
    """Score every sample: how unusual, how much like my defect."""
    if output.suffix.lower() not in (".csv", ".parquet"):
        raise typer.BadParameter(f"{output} must end in .csv or .parquet")
    from blemish.store import need_file

    need_file(model)
    from blemish.inputs import keys_of, open_exported, stream_to_score
    from blemish.results import table_of, write_table

    with _told():
        if model.suffix.lower() == ".onnx":
            runtime, samples = open_exported(model, data, glob=glob, names=names, key=key)
            table = table_of(runtime.scores(samples.X), *keys_of(samples, key))
            write_table(table, output)
            labels, n, skipped, drift = Counter(table["label"].to_pylist()), len(samples), samples.skipped, None
        else:
            from blemish.detector import load
            from blemish.scoring_file import score_stream

            det = load(model, device=device)
            stream = stream_to_score(det, data, glob=glob, names=names, key=key)
            with _counted(stream.n_rows) as advance:
                found = score_stream(det, stream, output, key=key, advance=advance)
            labels, n, skipped, drift = found.labels, found.n, found.skipped, found.drift
    if drift is not None and drift.found:
        typer.echo(f"note: {drift.text}", err=True)
    counts = ", ".join(f"{labels[word]} {word}" for word in ("defect", "other", "normal"))
    typer.echo(f"scored {n} samples: {counts}")
    _say_skipped(skipped)
    typer.echo(f"wrote {output}")


@app.command()
def evaluate(
    model: ModelFile,
    data: Data,
    truth: Annotated[
        str | None, typer.Option(help="Column of true labels; for folders a table of names and labels.")
    ] = None,
    defect: Defect = None,
    other: Other = None,
    normal: Normal = None,
    defect_folder: DefectFolder = None,
    other_folder: OtherFolder = None,
    normal_folder: NormalFolder = None,
    glob: Glob = None,
    names: Names = None,
    device: Device = "auto",
    plot: Annotated[Path | None, typer.Option(help="HTML file to write: both scores by kind.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the ranking with the truth: average precision, and AUROC above every other kind."""
    from blemish.config import RunConfig
    from blemish.inputs import kinds_of, labels_for, open_both
    from blemish.results import evaluation

    run = RunConfig(
        labels=truth, defect=defect, other=other, normal=normal, defect_folder=defect_folder,
        other_folder=other_folder, normal_folder=normal_folder,
    )  # fmt: skip
    with _told():
        det, samples = open_both(model, data, device, glob=glob, names=names, truth=truth)
        words = labels_for(samples, run, everything=True)
        if words is None:
            raise LabelError("say what is true: --truth COLUMN, or --defect-folder NAME for a folder")
        kinds = kinds_of(samples, run, words)
        results = evaluation(det, samples.X, words, kinds)
        if plot is not None:
            _plot(plot, det, samples, results, kinds, words)
    if as_json:
        typer.echo(json.dumps(results, indent=2))
        return
    measures = {name: _measures(found) for name, found in results.items()}
    rows = [(label, *(f"{found[label]:.3f}" for found in measures.values())) for label in next(iter(measures.values()))]
    _table(f"{results['outlier_score']['n']['defect']} defects", ["measure", *measures], rows)


def _plot(
    path: Path, det: Any, samples: "Samples", results: dict[str, Any], kinds: list[str], words: list[Any]
) -> None:
    import numpy as np

    from blemish.overview import evaluation_page
    from blemish.report import write_page

    scores = {name: np.asarray(getattr(det, name)(samples.X), dtype=np.float64) for name in results}
    chances = np.asarray(det.predict_proba(samples.X), dtype=np.float64)
    write_page(path, evaluation_page(results, scores, kinds, chances=chances, words=words, prior=det.prior_))


def _measures(found: dict[str, Any]) -> dict[str, float]:
    return {
        "average precision": found["average_precision"],
        "recall at 1 % false alarms": found["recall_at_1pct"],
        **{f"precision among the top {k}": value for k, value in found["precision_at"].items()},
        **{f"AUROC above {kind} ({found['n'][kind]})": value for kind, value in found["auroc_defect_above"].items()},
    }


@app.command()
def threshold(
    model: ModelFile,
    recall: Annotated[float | None, typer.Option(help="Share of the defects to find.")] = None,
    precision: Annotated[float | None, typer.Option(help="Share of defects among what is reported.")] = None,
    false_positive_rate: Annotated[
        float | None, typer.Option(help="Share of ordinary rows that may be reported.")
    ] = None,
    budget: Annotated[int | None, typer.Option(help="Rows to report in a batch of the held-out rows' size.")] = None,
    contamination: Annotated[float | None, typer.Option(help="Share to report of rows like the training rows.")] = None,
    defect_share: Annotated[
        float | None, typer.Option(help="Expected share of defects among the rows to score: for probabilities.")
    ] = None,
    other_share: Annotated[float | None, typer.Option(help="Expected share of other outliers; default: 0.07.")] = None,
) -> None:
    """Change where the model cuts, or which shares its probabilities assume, without fitting again."""
    targets: dict[str, Any] = {
        "recall": recall, "precision": precision, "false_positive_rate": false_positive_rate, "budget": budget,
        "contamination": contamination,
    }  # fmt: skip
    if other_share is not None and defect_share is None:
        raise typer.BadParameter("--other-share needs --defect-share: say both shares")
    n_given = sum(value is not None for value in targets.values())
    if n_given > 1 or (n_given == 0 and defect_share is None):
        raise typer.BadParameter(f"give exactly one of --{', --'.join(targets).replace('_', '-')}")
    from blemish.store import need_file

    need_file(model)
    from blemish.detector import load

    det = load(model)
    before, said = det.threshold_, []
    if defect_share is not None:
        shares = det.set_prior(defect=defect_share, other=other_share).prior_
        said.append("assumed shares: " + ", ".join(f"{name} {share:.4g}" for name, share in shares.items()))
    if n_given:
        det.set_threshold(**targets)
        said += [f"threshold {before:.6g} -> {det.threshold_:.6g} in {model}", det.promise_.text]
    det.save(model)
    typer.echo("\n".join(said))


@app.command()
def explain(
    model: ModelFile,
    data: Data,
    top: Annotated[int, typer.Option(help="Samples to explain, highest scores first.", min=1)] = 5,
    elements: Annotated[int, typer.Option(help="Columns or regions of each.", min=1)] = 3,
    glob: Glob = None,
    names: Names = None,
    key: Key = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Say why the top samples are flagged."""
    from blemish.inputs import keys_of, open_both
    from blemish.results import top_explanations

    with _told():
        det, samples = open_both(model, data, device, glob=glob, names=names, key=key)
        rows = top_explanations(det, samples.X, keys_of(samples, key)[0], top, elements)
    if as_json:
        typer.echo(json.dumps(rows, indent=2, default=str))
        return
    lines = [
        (
            str(r["key"]),
            f"{r['score']:.4g}",
            r["element"],
            _short(r["seen"]),
            _short(r["chances"] or r["expected"]),
            f"{r['fall']:.3g}",
            r["driver"],
            str(r["nearest_defect"]),
        )
        for r in rows
    ]
    _table("why", ["sample", "score", "element", "seen", "expected", "fall", "driven by", "nearest defect"], lines)


@app.command()
def report(
    model: ModelFile,
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path("report.html"),
    labels: Labels = None,
    defect: Defect = None,
    other: Other = None,
    normal: Normal = None,
    defect_folder: DefectFolder = None,
    other_folder: OtherFolder = None,
    normal_folder: NormalFolder = None,
    top: Annotated[int, typer.Option(help="Hits to explain, highest scores first.", min=1)] = 10,
    glob: Glob = None,
    names: Names = None,
    key: Key = None,
    device: Device = "auto",
) -> None:
    """Write one page to show: scores, map, top hits with reasons, threshold, training, data problems."""
    import shlex

    if output.suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter(f"{output} must end in .html")
    from blemish.config import RunConfig
    from blemish.inputs import keys_of, labels_for, samples_to_score
    from blemish.overview import model_page
    from blemish.report import write_page

    run = RunConfig(
        labels=labels, defect=defect, other=other, normal=normal, defect_folder=defect_folder,
        other_folder=other_folder, normal_folder=normal_folder,
    )  # fmt: skip
    with _told():
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
    _say_skipped(samples.skipped)
    typer.echo(f"wrote {output}: one file, it opens without a network")


@app.command()
def review(
    data: Data,
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
    glob: Glob = None,
    names: Names = None,
    key: Key = None,
    drop: Drop = None,
    modality: Annotated[str, typer.Option(help="'auto', 'tabular', 'image', 'video' or 'text'.")] = "auto",
    column: Annotated[str | None, typer.Option(help="The column of a table that holds the texts.")] = None,
    seed: Annotated[int, typer.Option(help="Random state.", min=0)] = 0,
    device: Device = "auto",
) -> None:
    """Open a local page: look at the top hits, mark a few, refit, export."""
    from blemish.errors import missing_extra

    try:
        from blemish.app.catalogue import open_catalogue
        from blemish.app.launch import serve
        from blemish.app.ledger import Ledger
        from blemish.app.review import Review
    except ModuleNotFoundError as error:
        if str(error.name).startswith("blemish"):
            raise
        raise missing_extra(str(error.name), "app") from None
    with _told():
        from blemish.detector import load

        det = None if model is None else load(model, device=device)
        options = {"glob": glob, "names": names, "key": key, "drop": drop or [], "modality": modality, "column": column}
        catalogue = open_catalogue(data, **(options if det is None else _as_in_training(det, options)))
    place = labels or f"{Path(data).resolve().stem}.labels.db"
    ledger = Ledger(place)
    typer.echo(f"{len(catalogue)} {catalogue.modality} samples; labels are kept in {ledger.name}")
    serve(Review(catalogue, ledger, det, seed=seed), host, port, browser=not no_browser, say=typer.echo)


@app.command()
def info(
    model: ModelFile,
    config: Annotated[bool, typer.Option("--config", help="Print the run file that reproduces the model.")] = False,
    labels: Annotated[
        bool, typer.Option("--labels", help="Say what the labels are worth; draws the learning curve and keeps it.")
    ] = False,
    budget: Annotated[int | None, typer.Option(help="With --labels: rows to look at in a batch.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a model is made of and what it was fitted on, or what its labels are worth."""
    from blemish.store import need_file

    need_file(model)
    from blemish.detector import load
    from blemish.results import description, run_config

    det = load(model, device="cpu")
    if config:
        typer.echo(run_config(det).to_yaml(), nl=False)
        return
    if labels:
        _say_labels(det, model, budget, as_json)
        return
    facts = description(det)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    _table(str(model), ["what", "value"], [(name, _short(value, 90)) for name, value in facts.items()])


def _say_labels(det: "DefectDetector", model: Path, budget: int | None, as_json: bool) -> None:
    from dataclasses import asdict

    from blemish.inputs import training_rows

    with _told():
        given = None if "curve" in det.fitted_.labels or det.fitted_.n_defects < 2 else training_rows(det)
        found = det.label_report(*(given or ()), budget=budget)
    if given is not None:
        det.save(model)
    if as_json:
        typer.echo(json.dumps({**asdict(found), "says": found.says}, indent=2, default=str))
        return
    rows = [
        (str(s.n_labels), f"{s.above:.1%}", f"{s.outlook.recall:.0%}", f"{s.outlook.precision:.0%}",
         f"{s.outlook.low:.0%} to {s.outlook.high:.0%}")
        for s in found.curve
    ]  # fmt: skip
    if rows:
        columns = ["labelled defects", "ordinary rows below the others", "found", "precision", "90 % interval"]
        _table(f"learning curve, at a budget of {found.budget} of {found.batch} rows", columns, rows)
    typer.echo(str(found))


@app.command()
def export(
    model: ModelFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="ONNX file to write.")],
    data: Annotated[
        str | None,
        typer.Option(help="Samples to compare the export with the model on; default: what the model kept."),
    ] = None,
    glob: Glob = None,
    names: Names = None,
) -> None:
    """Write one ONNX file that scores raw samples without PyTorch."""
    if output.suffix.lower() != ".onnx":
        raise typer.BadParameter(f"{output} must end in .onnx")
    from blemish.store import need_file

    need_file(model)
    from blemish.detector import load
    from blemish.inputs import samples_to_score

    with _told():
        det = load(model, device="cpu")
        X = None if data is None else samples_to_score(det, data, glob=glob, names=names).X
        parity = det.export(output, X)
    typer.echo(parity.text)
    typer.echo(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")


@app.command()
def presets() -> None:
    """List the named choices of parts."""
    from blemish.presets import PRESETS

    _table("presets", ["name", "what", "source"], [(name, p.summary, p.paper) for name, p in PRESETS.items()])


def _as_in_training(det: "DefectDetector", options: dict[str, Any]) -> dict[str, Any]:
    """How to read data for a model: as its training data were read, but for what the command line says."""
    from blemish.inputs import reading_options

    run = reading_options(det)
    return {**run, **{name: value for name, value in options.items() if value and value != "auto"}}


# Output of the verbs ---------------------------------------------------------------------------------------------


def _say_skipped(skipped: "Sequence[str]") -> None:
    if skipped:
        names = ", ".join(skipped[:5]) + (" …" if len(skipped) > 5 else "")
        typer.echo(f"skipped {len(skipped)} that cannot be used: {names}", err=True)


def _short(value: Any, width: int = 24) -> str:
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def _table(title: str, columns: list[str], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    console.print(table) if console.is_terminal else Console(width=120).print(table)


@contextmanager
def _progress(title: str) -> "Iterator[Any]":
    """A bar on stderr, drawn from epoch records; `advance(record, label)`."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=None, state="reading")

        def advance(record: Any, label: str | None = None) -> None:
            progress.update(task, state=f"epoch {record.epoch}, loss {record.total:.4g}", description=label or title)

        yield advance


@contextmanager
def _counted(n: int) -> "Iterator[Callable[[int], None]]":
    """A bar on stderr of rows done; call what is given with how many more."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("rows", total=n)
        yield lambda more: progress.update(task, advance=more)


class _WhenGiven:
    """Converts a parameter's value only where one was given: Typer imports pydantic, 0.25 s, even for None."""

    def __init__(self, param: Any) -> None:
        self._build = param.get_runtime_param
        param.get_runtime_param = lambda: self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value in the parameter's type."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        return value if value is param.default else self._build().coerce(value, param=param, ctx=ctx)


def _sparing(command: Any) -> Any:
    """A command, and those below it, whose parameters are converted only where they are given."""
    params_of = command.get_params

    def get_params(ctx: Any) -> list[Any]:
        params = params_of(ctx)
        for param in params:
            if hasattr(param, "get_runtime_param") and "get_runtime_param" not in vars(param):
                _WhenGiven(param)
        return params

    command.get_params = get_params
    for below in getattr(command, "commands", {}).values():
        _sparing(below)
    return command


def main() -> None:
    """Run the command line: 0 done, 1 the work failed, 2 wrong usage; errors are one line on stderr."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    command = _sparing(typer.main.get_command(app))
    if len(arguments) < len(sys.argv) - 1:
        command(args=arguments)
        return
    try:
        command(args=arguments)
    except ConfigError as error:
        _fail(str(error), 2)
    except (BlemishError, MemoryError) as error:
        _fail(str(error) or "out of memory", 1)
    except KeyboardInterrupt:
        _fail("interrupted; no file was changed (an out-of-core fit goes on with --resume)", 1)
    except Exception as error:  # a traceback is for developers: --debug shows it
        _fail(f"{type(error).__name__}: {error} (a bug: run again with --debug for the traceback)", 1)


def _fail(message: str, status: int) -> None:
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    raise SystemExit(status)


if __name__ == "__main__":
    main()
