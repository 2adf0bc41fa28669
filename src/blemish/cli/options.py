"""Arguments and options that several commands share."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[
    str,
    typer.Argument(
        help="A CSV, Parquet, Arrow or NPZ file; a text file, one document per line; a folder of images, videos, "
        "frame folders or .txt files."
    ),
]
ModelFile = Annotated[Path, typer.Argument(help="A model written by 'blemish fit'.")]
Labels = Annotated[str | None, typer.Option(help="Column of labels; for folders a table of names and labels.")]
Glob = Annotated[str | None, typer.Option(help="Use only the files of a folder that match, for example '*.jpg'.")]
Masks = Annotated[
    str | None,
    typer.Option(
        help="Pictures that show in white where the defect is in the picture of that name: a folder, or a pattern "
        "like '*_mask.png'."
    ),
]
Names = Annotated[str | None, typer.Option(help="File with the column names of a CSV without a header, one per line.")]
SampleGroups = Annotated[
    str | None,
    typer.Option(
        "--groups",
        help="What tells which samples are not independent: a column, 'folder' (that a file lies in), or a regular "
        "expression on names, such as '^(.*)_exp'. They stay together in folds, held-out samples and promises.",
    ),
]
Key = Annotated[str | None, typer.Option(help="Column that names the rows.")]
Drop = Annotated[list[str] | None, typer.Option(help="Column to leave out; may be repeated.")]
Device = Annotated[str, typer.Option(help="'auto', 'cpu' or 'cuda'.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@dataclass(frozen=True)
class Groups:
    """Which label values and which folders mean which group, as given on the command line."""

    defect: Annotated[list[str] | None, typer.Option(help="Label value that means defect; may be repeated.")] = None
    other: Annotated[
        list[str] | None, typer.Option(help="Label value for other outliers; '*' means every remaining value.")
    ] = None
    normal: Annotated[list[str] | None, typer.Option(help="Label value that means normal.")] = None
    defect_folder: Annotated[list[str] | None, typer.Option(help="Folder name whose files are defects.")] = None
    other_folder: Annotated[
        list[str] | None, typer.Option(help="Folder name whose files are other outliers; '*' means all remaining ones.")
    ] = None
    normal_folder: Annotated[list[str] | None, typer.Option(help="Folder name whose files are normal.")] = None

    def given(self) -> dict[str, Any]:
        """Keys of a `RunConfig`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Dialect:
    """How text files with tables are written, where it is not to be guessed."""

    skip_lines: Annotated[
        int | None, typer.Option(help="Lines of a CSV before its heading, or with --names before its first row.", min=0)
    ] = None
    delimiter: Annotated[
        str | None,
        typer.Option(help="What separates the cells of a CSV; also 'tab', and 'space' for any number of them."),
    ] = None
    decimal: Annotated[str | None, typer.Option(help="Decimal mark of a CSV, '.' or ','.")] = None
    encoding: Annotated[str | None, typer.Option(help="Encoding of text files, such as cp1252.")] = None
    na: Annotated[
        list[str] | None, typer.Option(help="Cell that means missing, as empty ones and NA do; may be repeated.")
    ] = None

    def given(self) -> dict[str, Any]:
        """Keys of a `RunConfig`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


BUNDLES: dict[str, type[Any]] = {"groups": Groups, "dialect": Dialect}
"""By the name of the parameter that takes one."""


def with_bundles(command: Callable[..., None]) -> Callable[..., None]:
    """The command with one option per field of `Groups` and `Dialect` in place of its parameters of these names.

    Typer reads options from a function's parameters and knows no bundles of them; without this, each command that takes
    labels would repeat the six.
    """
    own = inspect.signature(command).parameters
    bundles = {name: list(inspect.signature(BUNDLES[name]).parameters.values()) for name in own if name in BUNDLES}

    @wraps(command)
    def run(**given: Any) -> None:
        for name, fields_of in bundles.items():
            given[name] = BUNDLES[name](**{parameter.name: given.pop(parameter.name) for parameter in fields_of})
        command(**given)

    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY) if name in bundles else one
        for name, parameter in own.items()
        for one in bundles.get(name, [parameter])
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def one_of(names: Iterable[str]) -> str:
    """Names for a help text.

    Example:
        >>> one_of(["mse", "huber", "bce"])
        "'mse', 'huber' or 'bce'"
    """
    *rest, last = map(repr, names)
    return f"{', '.join(rest)} or {last}" if rest else last
