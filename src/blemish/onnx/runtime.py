"""Scores of an exported model, by ONNX Runtime alone: nothing here imports PyTorch."""

import hashlib
import os
import warnings
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

import numpy as np
from annotated_types import Len
from pydantic import JsonValue
from typing_extensions import TypedDict

from blemish.core.errors import ArtifactError, BlemishError, DataWarning, missing_extra
from blemish.core.manifest import Count, Positive, Size, checked, declared, open_declared
from blemish.core.store import WITHOUT_CHECKSUM, WITHOUT_DIGEST, ZEROS
from blemish.data.columns import (
    ISO,
    PARTS,
    PLAIN,
    Style,
    input_name,
    matching_columns,
    to_categories,
    to_numbers,
    to_times,
)
from blemish.data.images import CLIP_AXES, PICTURE_AXES, at_white, check_lengths, check_pictures, match_channels

SCHEMA = 2
KEY = "blemish"
"""Key of the metadata that describe a model."""
TRIAL = "blemish:"  # outputs of a graph that is being exported: what leads to the scores
NO_OTHER_FILES = ("session.model_external_initializers_file_folder_path", os.devnull)
"""Weights may be said to lie in another file, which would be read: there is none in a folder that is none."""
SEAL = b"rS\n\x0fblemish.SHA-256\x12@"
"""Before the digest, with which a file ends: one more entry of metadata, as ONNX writes it."""
FORM_BY_FACT = {"terms": "weights", "columns": "columns", "n_frames": "clips", "channels": "pictures"}
"""Files of 0.1.0 do not name the form of their inputs, but have facts that only this form has."""

Feeds = dict[str, np.ndarray]
OUTPUTS = {"outlier_score": ("double", 1), "probabilities": ("double", 2), "label": ("string", 1)}
"""Outputs that every graph has: type and number of axes, of which the first are the rows."""


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
    parity: NotRequired[dict[str, JsonValue]]


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


def sealed(data: bytes) -> bytes:
    """The content of an exported model with its digest, of all that comes before it, computed anew.

    See `core.store.sealed`: whoever changes a file can seal it again.
    """
    end = len(data) - len(SEAL) - 64
    whole = (data[:end] if data[end : end + len(SEAL)] == SEAL else data) + SEAL
    return whole + hashlib.sha256(whole).hexdigest().encode()


class Runtime:
    """A model that `DefectDetector.export` wrote.

    Attributes:
        facts: Metadata of the file: kind of data, inputs, thresholds, how well it agrees with the original.

    Example:
        scores = Runtime("m.onnx").scores(X)["defect_score"]
    """

    def __init__(self, model: str | os.PathLike[str] | bytes) -> None:
        """Load a file, or its content.

        Raises:
            MissingExtraError: If ONNX Runtime is not installed.
            ArtifactError: If it was not exported by Blemish, or by a newer version.
        """
        try:
            import onnxruntime
        except ImportError:
            raise missing_extra("onnxruntime", "onnx") from None
        self._name = name = "the model" if isinstance(model, bytes) else str(model)
        if not isinstance(model, bytes) and not Path(model).is_file():
            raise ArtifactError(f"there is no model file {name}; write one with 'blemish export … -o {name}'")
        try:
            data = model if isinstance(model, bytes) else Path(model).read_bytes()
            has_digest = data[: -len(ZEROS)].endswith(SEAL)
            if has_digest and sealed(data) != data:
                raise ArtifactError(f"{name} is damaged: its content does not have its digest; export or copy it again")
            options = onnxruntime.SessionOptions()
            options.add_session_config_entry(*NO_OTHER_FILES)
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            metadata = self._session.get_modelmeta().custom_metadata_map
        except ArtifactError:
            raise
        except Exception as error:  # ONNX Runtime's own errors have no common base
            raise ArtifactError(
                f"{name} is not an ONNX model, or it is truncated ({_first_line(error)}); export it again"
            ) from None
        self.facts = _parse(metadata, name, has_digest=has_digest)
        self._check_graph()

    def _check_graph(self) -> None:
        """Refuse a graph that does not take what the metadata say, or does not give scores: raises ArtifactError."""
        outputs = {one.name: (one.type, len(one.shape)) for one in self._session.get_outputs()}
        expected = {name: (f"tensor({kind})", axes) for name, (kind, axes) in OUTPUTS.items()}
        if self.facts["n_defects"]:
            expected["defect_score"] = expected["outlier_score"]
            if len(self.facts["classes"]) > 3:
                expected["kind_scores"] = expected["probabilities"]
        wrong = [name for name, form in expected.items() if outputs.get(name) != form]
        if wrong:
            raise ArtifactError(
                f"{self._name} is damaged: its graph has no output {wrong[0]!r} of scores; export it again"
            )
        width = [one.shape[1] for one in self._session.get_inputs() if one.name == "X" and len(one.shape) == 2]
        if self.facts["inputs"] == "columns" and width and width[0] != self.facts["n_columns"]:
            raise ArtifactError(f"{self._name} is damaged: its graph takes {width[0]} columns; export it again")

    @property
    def outputs(self) -> list[str]:
        """Names of the model's outputs."""
        return [one.name for one in self._session.get_outputs()]

    def scores(self, X: Any) -> dict[str, np.ndarray]:
        """All scores of each row.

        Args:
            X: Raw samples: a table, pictures, clips or texts.

        Returns:
            'outlier_score' (row,), 'defect_score' (row,) if defects were labelled, with several kinds 'kind_scores'
            (row, kind), 'probabilities' (row, 2 + kinds) in the order of `facts["classes"]`, and 'label' (row,).

        Raises:
            DataError: If the data do not fit the model.
            ArtifactError: If the graph fails, or gives scores of another number of rows.
        """
        make, rows, _ = FEEDS[_form(self.facts)]
        try:
            found = [self._run(feeds) for feeds in make(X, self.facts, rows)]
        except BlemishError:
            raise
        except Exception as error:  # ONNX Runtime's own errors have no common base
            raise ArtifactError(
                f"{self._name} failed while it scored ({_first_line(error)}); are the data of the kind that it was "
                "fitted on? else export it again"
            ) from None
        return {name: np.concatenate(parts) for name, parts in zip(self.outputs, zip(*found, strict=True), strict=True)}

    def _run(self, feeds: Feeds) -> list[Any]:
        n = len(next(iter(feeds.values())))
        found: list[Any] = list(self._session.run(None, feeds))
        shapes = {name: np.shape(values) for name, values in zip(self.outputs, found, strict=True)}
        of_rows = [name for name in self.outputs if not name.startswith(TRIAL)]
        short = [name for name in of_rows if shapes[name][:1] != (n,)]
        n_classes = len(self.facts["classes"])
        wide = [
            name
            for name, less in (("probabilities", 0), ("kind_scores", 2))
            if name in shapes and shapes[name] != (n, n_classes - less)
        ]
        if short or wide:
            raise ArtifactError(f"{self._name} gave {[*short, *wide][0]!r} of another shape; export it again")
        wrong = [
            name
            for name, x in zip(self.outputs, found, strict=True)
            if x.dtype.kind == "f" and not np.isfinite(x).all()
        ]
        if wrong:
            raise ArtifactError(f"{self._name} gave {wrong[0]!r} that is NaN or infinite; export it again")
        return found


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


def _form(facts: Mapping[str, Any]) -> str:
    return facts.get("inputs") or next((form for fact, form in FORM_BY_FACT.items() if fact in facts), "")


def _parse(metadata: Mapping[str, str], name: str, *, has_digest: bool) -> dict[str, Any]:
    if KEY not in metadata:
        raise ArtifactError(f"{name} is an ONNX model, but not one that Blemish exported")
    what = f"{name} is damaged: its metadata"
    facts = checked(dict[str, Any], metadata[KEY], what)
    schema = facts.get("schema")
    if type(schema) is int and schema > SCHEMA:
        raise ArtifactError(f"{name} has schema {schema}, this Blemish reads up to {SCHEMA}; upgrade blemish")
    if not has_digest and schema != WITHOUT_DIGEST:
        raise ArtifactError(f"{name} is damaged: its digest is missing; export or copy it again")
    if "inputs" not in facts:
        facts["inputs"] = _form(facts)
    form = facts["inputs"]
    checked(FEEDS[form][2] if isinstance(form, str) and form in FEEDS else Facts, facts, what)
    if facts["inputs"] not in FEEDS:
        raise ArtifactError(f"{what} name an unknown form of inputs {facts['inputs']!r:.40}; export it again")
    if not has_digest:
        warnings.warn(WITHOUT_CHECKSUM.format(name=name, again="export the model again"), DataWarning, stacklevel=3)
    return facts


def _tables(X: Any, facts: Mapping[str, Any], rows: int) -> Iterator[Feeds]:
    # files of 0.2.0 and before know no more of a column than its name and kind
    known = [{"of": column["name"], "part": "", "form": ISO, "categories": [], **column} for column in facts["columns"]]
    kinds = {column["name"]: column["kind"] for column in known}
    columns = matching_columns(X, list({column["of"]: None for column in known}), facts["form"], facts["n_columns"])
    feeds: Feeds = {}
    for one in known:
        cells = columns[one["of"]]
        if one["part"]:
            cells = PARTS[one["part"]](to_times(cells, one["form"]))
        if one["kind"] == "categorical":
            feeds[input_name(one["name"])] = np.array(to_categories(cells, one["categories"]), dtype=object)
        else:
            feeds[input_name(one["name"])] = to_numbers(cells, one["of"], Style(*one.get("style", PLAIN)))
    n = len(next(iter(feeds.values())))
    if facts["form"] == "numpy" and "categorical" not in kinds.values():  # then the graph has one input
        array = np.zeros((n, facts["n_columns"]))
        for name, values in feeds.items():
            array[:, int(name.removeprefix("x"))] = values
        feeds = {"X": array}
    for some in _slices(n, rows):
        yield {name: values[some] for name, values in feeds.items()}


def _pictures(X: Any, facts: Mapping[str, Any], rows: int) -> Iterator[Feeds]:
    n_frames = facts.get("n_frames")
    n_axes, axes = (3, PICTURE_AXES) if n_frames is None else (4, CLIP_AXES)
    pictures = check_pictures(X, n_axes, facts["modality"], axes)
    if n_frames is not None:
        check_lengths(pictures, n_frames)
    for _, alike in groupby(pictures, key=np.shape):  # pictures of one size go together
        many = list(alike)
        for some in _slices(len(many), rows):
            same_depth = [at_white(one, facts.get("white")) for one in many[some]]
            matched = [match_channels(one, facts["channels"]) for one in same_depth]
            yield {"X": np.stack(matched).astype(np.float32)}


def _texts(X: Any, facts: Mapping[str, Any], rows: int) -> Iterator[Feeds]:
    from blemish.data.words import Words

    weights = Words(facts["terms"], np.array(facts["idf"]), facts["stop_words"]).features(X)
    for some in _slices(weights.shape[0], rows):  # pyright: ignore[reportOptionalSubscript]
        yield {"weights": weights[some].toarray()}


def _arrays(X: Any, facts: Mapping[str, Any], rows: int) -> Iterator[Feeds]:  # noqa: ARG001
    array = np.asarray(X, dtype=np.float64)
    for some in _slices(len(array), rows):
        yield {"X": array[some]}


def _slices(n: int, rows: int) -> Iterator[slice]:
    return (slice(start, start + rows) for start in range(0, n, rows))


FEEDS = {
    "columns": (_tables, 4096, TableFacts),
    "weights": (_texts, 1024, TextFacts),
    "pictures": (_pictures, 32, PictureFacts),
    "clips": (_pictures, 8, ClipFacts),
    "array": (_arrays, 1024, Facts),
}
"""Form of a graph's inputs → how raw samples become these, how many rows at a time, and what has to be known for it.
Several kinds of data may share a form; 'array' is samples as they are, in doubles."""
