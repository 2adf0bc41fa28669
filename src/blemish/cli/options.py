"""Arguments and options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

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
