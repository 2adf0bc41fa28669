"""`blemish demo` and `blemish fit`: make a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blemish.cli import options
from blemish.cli.printing import print_table, progress_bar, say_skipped, warnings_as_notes
from blemish.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from blemish.core.run_config import RunConfig
    from blemish.detector import DefectDetector


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("demo"),
    n_normal: Annotated[int, typer.Option(help="Unlabelled normal sequences to train on.", min=8)] = 400,
    epochs: Annotated[int | None, typer.Option(help="Passes over them; default: the detector's.", min=1)] = None,
) -> None:
    """Find coins that turn 2.1 degrees a frame among coins that turn 2.0, from 8 examples."""
    from blemish.demo import run_demo

    with progress_bar("coin") as advance, warnings_as_notes():
        metrics = run_demo(out, n_normal=n_normal, epochs=epochs, advance=advance)
    rows = [
        (kind, f"{value:.3f}", f"{metrics['prototype'][kind]:.3f}")
        for kind, value in metrics["auroc_defect_above"].items()
    ]
    print_table("AUROC of the defect above", ["kind", "blemish", "prototype"], rows)
    typer.echo(
        f"{metrics['seconds']:.0f} s, {metrics['peak_mb']:.0f} MB. Open {out / 'report.html'}; "
        f"numbers in {out / 'metrics.json'}, model in {out / 'coin.blemish'}"
    )


def fit(
    data: Annotated[
        str | None, typer.Argument(help="See 'blemish score --help'; may stand in the config file.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Model file to write.")] = None,
    labels: options.Labels = None,
    defect: options.Defect = None,
    other: options.Other = None,
    normal: options.Normal = None,
    defect_folder: options.DefectFolder = None,
    other_folder: options.OtherFolder = None,
    normal_folder: options.NormalFolder = None,
    limit_labels: Annotated[int | None, typer.Option(help="Use at most so many labels of each group.", min=1)] = None,
    glob: options.Glob = None,
    names: options.Names = None,
    key: options.Key = None,
    drop: options.Drop = None,
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

    from blemish.core.run_config import RunConfig, read_config

    def parsed(text: str | None) -> Any:
        try:
            return None if text is None else yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(
                f"{text!r} is neither a name nor YAML like '{{name: conv, upsampling: nearest}}'"
            ) from None

    given = {
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
    run = RunConfig.check({**base, **{k: v for k, v in given.items() if v is not None}}, "the command line")
    _need_both(run.data, run.output)
    from blemish.cli.part_names import check_names
    from blemish.presets import of_preset

    output = Path(str(run.output))
    arguments = of_preset(run.preset or "default", run.detector_arguments())
    check_names(arguments)
    from blemish.core.store import need_place
    from blemish.data.inputs import is_large

    need_place(output, run.data, config, run.labels, run.names if isinstance(run.names, str) else None)

    if resume or (is_large(run) if run.out_of_core is None else run.out_of_core):
        det, modality, skipped = _fit_out_of_core(run, arguments, output, resume=resume)
    else:
        det, modality, skipped = _fit_in_memory(run, arguments, output)
    rows = det.training_["rows"]
    counts = ", ".join(f"{n} {word}" for word, n in rows.items() if n)
    typer.echo(f"fitted on {sum(rows.values())} {modality} samples ({counts}) in {det.training_['seconds']:.1f} s")
    say_skipped(skipped)
    typer.echo(f"wrote {output}")


def _settle_modality(det: "DefectDetector", found: str) -> None:
    """What was read is what is fitted: as 'auto' says, or as was asked for."""
    if det.modality == "auto":
        det.set_params(modality=found)
    elif isinstance(det.modality, str) and det.modality != found:
        raise DataError(f"the data are {found}, not {det.modality}; leave out --modality, or give other data")


def _need_both(data: object, output: object) -> None:
    if data is None or output is None:
        raise typer.BadParameter("DATA and --output (-o) are needed, on the command line or in the config file")


def _fit_out_of_core(
    run: "RunConfig", arguments: dict[str, Any], output: Path, *, resume: bool
) -> tuple["DefectDetector", str, list[str]]:
    from blemish.data.inputs import stream_to_fit

    with warnings_as_notes(), progress_bar(output.name) as advance:
        stream = stream_to_fit(run)
        from blemish.detector import DefectDetector
        from blemish.out_of_core import iter_fit_stream

        det = DefectDetector(**arguments)
        _settle_modality(det, stream.modality)
        for record in iter_fit_stream(det, stream, run, Path(f"{output}.fit"), output, resume=resume):
            advance(record)
    return det, stream.modality, det.notes_["skipped"]


def _fit_in_memory(
    run: "RunConfig", arguments: dict[str, Any], output: Path
) -> tuple["DefectDetector", str, list[str]]:
    from blemish.data.inputs import name_known, samples_to_fit
    from blemish.data.labels import labels_for, limited

    with warnings_as_notes():
        samples = samples_to_fit(run)
        from blemish.detector import DefectDetector

        det = DefectDetector(**arguments)
        y = labels_for(samples, run)
        if run.limit_labels is not None and y is not None:
            y = limited(y, run.limit_labels, run.random_state)
        _settle_modality(det, samples.modality)
    with warnings_as_notes(), progress_bar(output.name) as advance:
        for record in det.iter_fit(samples, y):
            advance(record)
    if samples.files:
        name_known(det, samples.keys)
    det.notes_ = {"run": run.given(), "taken_out": sorted(samples.columns)}
    det.save(output)
    return det, samples.modality, samples.skipped
