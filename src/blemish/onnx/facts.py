"""What the metadata of an exported model say, checked when it is opened."""

from typing import Annotated, Literal, NotRequired

from annotated_types import Len
from pydantic import JsonValue
from typing_extensions import TypedDict

from blemish.calibration.areas import AREAS
from blemish.core.manifest import Count, Positive, Size, declared, open_declared


@declared
class Run(TypedDict, total=False):
    """What was said about the files, see `RunConfig`."""

    glob: str | None
    names: str | list[str] | None
    masks: str | None
    skip_lines: Count | None
    delimiter: str | None
    decimal: str | None
    encoding: str | None
    na: list[str] | None


@declared
class Notes(TypedDict, total=False):
    """How the training data were read."""

    run: Run
    taken_out: list[str]
    column: str | None


@open_declared
class Facts(TypedDict):
    """What the metadata of every graph say; a kind of data may say more."""

    schema: Count
    version: str
    modality: str
    inputs: str
    classes: Annotated[list[str], Len(3)]
    threshold: float
    outlier_threshold: float
    n_defects: Count
    notes: Notes
    unsupported: NotRequired[list[str]]
    reported: NotRequired[Positive]
    parity: NotRequired[dict[str, JsonValue]]
    area_levels: NotRequired[Annotated[list[float], Len(1, len(AREAS))]]


@declared
class InputColumn(TypedDict):
    """A column of a table."""

    name: str
    kind: Literal["numeric", "binary", "categorical"]
    of: NotRequired[str]
    part: NotRequired[Literal["", "hour of day", "day of week", "seconds"]]
    form: NotRequired[str]
    categories: NotRequired[list[str]]
    style: NotRequired[Annotated[list[str], Len(3, 3)]]


@open_declared
class TableFacts(Facts):
    """To feed a table."""

    columns: Annotated[list[InputColumn], Len(1)]
    form: str
    n_columns: Count


@open_declared
class TextFacts(Facts):
    """To feed texts."""

    terms: Annotated[list[str], Len(1)]
    idf: list[Positive]
    stop_words: bool


@open_declared
class PictureFacts(Facts):
    """To feed pictures."""

    channels: Size
    white: NotRequired[Positive | None]


@open_declared
class ClipFacts(PictureFacts):
    """To feed clips."""

    n_frames: Size
