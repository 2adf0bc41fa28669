"""`blemish demo` and `blemish fit`: make a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blemish.autoencoder import BACKBONES, BOTTLENECKS
from blemish.cli import options
from blemish.cli.part_names import check_names
from blemish.cli.printing import print_table, progress_bar, say_reading, told, warnings_as_notes, with_cut
from blemish.core.errors import ConfigError, DataError
from blemish.losses import LOSSES
from blemish.modalities import MODALITIES
from blemish.scoring import SCORERS
from blemish.training import CORRUPTIONS, SCHEDULES

if TYPE_CHECKING:
    from blemish.core.run_config import RunConfig
    from blemish.data.dataset import Reading
    from blemish.detector import DefectDetector


def demo(
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results; default: demo, with --pictures demo/pictures.")
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Metal parts instead of coins: outline hairline cracks, from one stroke.")
    ] = False,
    n_normal: Annotated[
        int | None, typer.Option(help="Unlabelled normal sequences to train on, default 400; parts, default 24.", min=8)
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data; default: the detector's.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the data and the fit.", min=0)] = 0,
) -> None:
    """Find coins that turn 5 % too fast, from 8 examples; with --pictures cracks in metal parts, from one stroke."""
    from blemish.demo import run_coins, run_pictures

    given = {"epochs": epochs, "seed": seed, **({} if n_normal is None else {"n_normal": n_normal})}
    out = out or (Path("demo", "pictures") if pictures else Path("demo"))
    with told("starting") as say, warnings_as_notes():
        metrics = (run_pictures if pictures else run_coins)(out, say=say, **given)
    if pictures:
        from blemish.report.found import sentence

        typer.echo(with_cut(sentence(metrics), metrics["unsupported"]))
        made = f"outlines in {out / 'outlines.jpg'}, model in {out / 'parts.blemish'}"
    else:
        prototype = metrics["prototype"]
        rows = [(kind, f"{v:.3f}", f"{prototype[kind]:.3f}") for kind, v in metrics["auroc_defect_above"].items()]
        print_table("AUROC of the defect above", ["kind", "blemish", "prototype"], rows)
        made = f"model in {out / 'coin.blemish'}"
    typer.echo(
        f"{metrics['seconds']:.0f} s, {metrics['peak_mb']:.0f} MB. Open {out / 'report.html'}; "
        f"numbers in {out / 'metrics.json'}, {made}"
    )


@options.with_bundles
def fit(
    data: Annotated[
        str | None, typer.Argument(help="See 'blemish score --help'; may be given in the config file instead.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Model file to write.")] = None,
    labels: options.Labels = None,
    *,
    groups: options.Groups,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Kind of defect, as the labels or folders name it; give one per kind, in place of --defect."),
    ] = None,
    sample_groups: options.SampleGroups = None,
    masks: options.Masks = None,
    regions: Annotated[
        str | None,
        typer.Option(help="COCO file with boxes, polygons or run lengths of the defect in labelled pictures."),
    ] = None,
    limit_labels: Annotated[int | None, typer.Option(help="Use at most this many labels per group.", min=1)] = None,
    glob: options.Glob = None,
    names: options.Names = None,
    dialect: options.Dialect,
    key: options.Key = None,
    drop: options.Drop = None,
    use: Annotated[
        list[str] | None,
        typer.Option(help="Column to use though it looks like a name, an order or a time; may be repeated."),
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="Column to read as free text; may be repeated.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file with these options; the command line takes precedence.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Named choice of parts, see 'blemish presets'.")] = None,
    modality: Annotated[
        str | None,
        typer.Option(help=f"Kind of data: {options.one_of(MODALITIES)}; or YAML: '{{name: text, column: body}}'."),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(help=f"Network: {options.one_of(BACKBONES)}; or YAML: '{{name: conv, upsampling: nearest}}'."),
    ] = None,
    bottleneck: Annotated[str | None, typer.Option(help=f"{options.one_of(BOTTLENECKS)}.")] = None,
    loss: Annotated[
        list[str] | None, typer.Option(help=f"Loss term; may be repeated: {options.one_of(LOSSES)}.")
    ] = None,
    corruption: Annotated[
        str | None, typer.Option(help=f"Noise on the training input: {options.one_of(CORRUPTIONS)}.")
    ] = None,
    scorer: Annotated[str | None, typer.Option(help=f"{options.one_of(SCORERS)}.")] = None,
    latent_dim: Annotated[int | None, typer.Option(help="Width of the code.", min=1)] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.", min=1)] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows per batch.", min=1)] = None,
    lr: Annotated[str | None, typer.Option(help=f"Learning rate, or a schedule: {options.one_of(SCHEDULES)}.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.", min=0)] = None,
    device: Annotated[str | None, typer.Option(help="'auto', 'cpu' or 'cuda'.")] = None,
    out_of_core: Annotated[
        bool | None,
        typer.Option(
            "--out-of-core/--in-memory",
            help="Read a table or a folder of images in chunks and keep progress in OUTPUT.fit; the default for data "
            "of more than 256 MB on disk.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the interrupted fit in OUTPUT.fit.")] = False,
) -> None:
    """Fit a detector and write it to one file."""
    if config is None:
        _need_both(data, output)
    run = _checked_run(
        config,
        {
            "data": data, "output": None if output is None else str(output), "labels": labels, **groups.given(),
            "groups": sample_groups, "kind": kind,
            **dialect.given(), "masks": masks, "regions": regions,
            "limit_labels": limit_labels, "glob": glob, "names": names, "key": key, "drop": drop, "preset": preset,
            "modality": _of_table(_parsed(modality), use=use, text=text),
            "backbone": _parsed(backbone), "bottleneck": _parsed(bottleneck),
            "losses": [_parsed(term) for term in loss] if loss else None, "corruption": _parsed(corruption),
            "scorer": _parsed(scorer), "latent_dim": latent_dim, "epochs": epochs, "batch_size": batch_size,
            "lr": _parsed(lr), "random_state": seed, "device": device, "out_of_core": out_of_core,
        },
    )  # fmt: skip
    arguments, output = _checked_arguments(run), Path(str(run.output))
    from blemish.core.store import check_writable
    from blemish.data.inputs import is_large

    check_writable(output, run.data, config, run.labels, run.regions, run.names if isinstance(run.names, str) else None)
    marked = run.masks is not None or run.regions is not None
    if marked and (resume or run.out_of_core):
        raise ConfigError("a fit from disk has no map, so --masks and --regions teach it nothing; fit with --in-memory")
    if resume or (not marked and is_large(run) if run.out_of_core is None else run.out_of_core):
        det, modality, said = _fit_out_of_core(run, arguments, output, resume=resume)
    else:
        det, modality, said = _fit_in_memory(run, arguments, output)
    say_reading(det.reading_, said)
    rows = det.training_["rows"]
    counts = ", ".join(f"{n} {word}" for word, n in rows.items() if n)
    done = f"fitted on {sum(rows.values())} {modality} samples ({counts}) in {det.training_['seconds']:.1f} s"
    typer.echo(with_cut(done, det.unsupported_))
    typer.echo(f"wrote {output}")


def _parsed(text: str | None) -> Any:
    """A part as it is written on the command line: a name, a number, or a mapping in YAML."""
    import yaml

    try:
        return None if text is None else yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"{text!r} is neither a name nor YAML like '{{name: conv, upsampling: nearest}}'") from None


def _of_table(modality: Any, **columns: list[str] | None) -> Any:
    """The kind of data, with options that name columns of a table."""
    given = {option: names for option, names in columns.items() if names}
    if not given:
        return modality
    from blemish.data.inputs import modality_of_table

    return {**modality_of_table(modality), **given}


def _checked_run(config: Path | None, given: dict[str, Any]) -> "RunConfig":
    """The run file, if any, with what was given on the command line in place of its values."""
    from blemish.core.run_config import RunConfig, read_config

    base = {} if config is None else read_config(config).given()
    run = RunConfig.check({**base, **{k: v for k, v in given.items() if v is not None}}, "the command line")
    _need_both(run.data, run.output)
    return run


def _checked_arguments(run: "RunConfig") -> dict[str, Any]:
    """`DefectDetector`'s arguments; misspelt parts are refused before PyTorch is imported."""
    from blemish.presets import of_preset

    arguments = of_preset(run.preset or "default", run.detector_arguments())
    check_names(arguments)
    from blemish.core.labels import ONE_KIND, check_kinds

    check_kinds(arguments.get("defects", ONE_KIND))
    if run.kind and (run.defect or run.defect_folder):
        raise ConfigError(
            f"--defect is for one kind of defect, and --kind names {', '.join(run.kind)}; leave --defect out"
        )
    return arguments


def _settle_modality(det: "DefectDetector", found: str) -> None:
    """Fit the kind of data that was read; refuse another one that was asked for."""
    if det.modality == "auto":
        det.set_params(modality=found)
    elif isinstance(det.modality, str) and det.modality != found:
        raise DataError(f"the data are {found}, not {det.modality}; leave out --modality, or give other data")


def _need_both(data: object, output: object) -> None:
    if data is None or output is None:
        raise typer.BadParameter("DATA and --output (-o) are needed, on the command line or in the config file")


def _fit_out_of_core(
    run: "RunConfig", arguments: dict[str, Any], output: Path, *, resume: bool
) -> tuple["DefectDetector", str, "Reading"]:
    from blemish.data.inputs import stream_to_fit

    with warnings_as_notes(), progress_bar(output.name) as advance:
        stream = stream_to_fit(run)
        from blemish.detector import DefectDetector
        from blemish.out_of_core import iter_fit_stream

        det = DefectDetector(**arguments)
        _settle_modality(det, stream.modality)
        said = stream.reading.more(())  # it grows while the samples are read
        say_reading(said)
        for record in iter_fit_stream(det, stream, run, Path(f"{output}.fit"), output, resume=resume):
            advance(record)
    return det, stream.modality, said


def _fit_in_memory(
    run: "RunConfig", arguments: dict[str, Any], output: Path
) -> tuple["DefectDetector", str, "Reading"]:
    from blemish.data.inputs import keys_of, name_known, samples_to_fit
    from blemish.data.labels import labels_for, limited
    from blemish.data.regions.alongside import regions_alongside

    with warnings_as_notes():
        samples = samples_to_fit(run)
        from blemish.detector import DefectDetector
        from blemish.modalities.features import keeping_maps, users_store

        det = DefectDetector(**arguments)
        y = labels_for(samples, run)
        if run.limit_labels is not None and y is not None:
            y = limited(y, run.limit_labels, run.random_state)
        _settle_modality(det, samples.modality)
        regions = regions_alongside(samples, y, run)
        store = users_store()
    said = samples.reading.more(())
    say_reading(said)
    with warnings_as_notes(), progress_bar(output.name) as advance, keeping_maps(store):
        for record in det.iter_fit(samples, y, regions=regions):
            advance(record)
    if store.text:
        typer.echo(f"note: {store.text}", err=True)
    if samples.files or run.key:  # explanations point to what the user can open or look up, not to a row number
        name_known(det, keys_of(samples, run.key)[0])
    det.notes_ = {"run": run.given(), "taken_out": sorted(samples.columns)}
    det.save(output)
    return det, samples.modality, said
