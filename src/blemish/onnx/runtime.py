"""Scores of an exported model, by ONNX Runtime alone: nothing here imports PyTorch."""

import hashlib
import os
import warnings
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from blemish.calibration.areas import FALSE_ALARM_AREA, AreaLevels
from blemish.core.errors import ArtifactError, BlemishError, DataError, DataWarning, missing_extra
from blemish.core.manifest import checked
from blemish.core.store import WITHOUT_CHECKSUM, WITHOUT_DIGEST, ZEROS
from blemish.data.columns import (
    ISO,
    PARTS,
    PLAIN,
    Style,
    frame_of,
    input_name,
    matching_columns,
    to_categories,
    to_numbers,
    to_times,
)
from blemish.data.images import CLIP_AXES, PICTURE_AXES, at_white, check_lengths, check_pictures, match_channels
from blemish.data.regions.outlines import REGION, regions_above
from blemish.onnx.facts import ClipFacts, Facts, PictureFacts, TableFacts, TextFacts

SCHEMA = 3
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
HEAT = "heat"
"""Output of graphs of pictures: the map."""
AREA_LEVELS = "area_levels"
"""Key of what a cut on the map rests on, see `blemish.calibration.areas.AreaLevels`."""
NO_MAP = (
    "has no map: it scores whole samples, or an earlier version exported it; draw maps with the model file, or export "
    "that again"
)
MAX_PIXELS = 2**20
"""Pixels of all pictures that are looked at together; of one picture alone where it has more. What the network makes of
a pixel takes a few hundred bytes."""
OUTPUTS = {"outlier_score": ("double", 1), "probabilities": ("double", 2), "label": ("string", 1)}
"""Outputs that every graph has: type and number of axes, of which the first are the rows."""


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
        name: The file.
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
        self._runtime: Any = onnxruntime
        self.name = name = "the model" if isinstance(model, bytes) else str(model)
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
        if AREA_LEVELS in self.facts:
            expected[HEAT] = ("tensor(float)", 3)
            self.area_levels.check()
        if self.facts["n_defects"] and len(self.facts["classes"]) > 3:
            expected["kind_scores"] = expected["probabilities"]
        wrong = [name for name, form in expected.items() if outputs.get(name) != form]
        if wrong:
            raise ArtifactError(
                f"{self.name} is damaged: its graph has no output {wrong[0]!r} of scores; export it again"
            )
        width = [one.shape[1] for one in self._session.get_inputs() if one.name == "X" and len(one.shape) == 2]
        if self.facts["inputs"] == "columns" and width and width[0] != self.facts["n_columns"]:
            raise ArtifactError(f"{self.name} is damaged: its graph takes {width[0]} columns; export it again")

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
        found = list(self._found(X, [name for name in self.outputs if name != HEAT]))
        return {name: np.concatenate([some[name] for some in found]) for name in found[0]}

    @property
    def has_map(self) -> bool:
        """Whether the file gives maps: of pictures, by a scorer with experts on parts, exported since 0.2.0."""
        return AREA_LEVELS in self.facts

    def heat(self, X: Any) -> list[np.ndarray]:
        """Where is it? What `DefectDetector.heat` gives: for each picture an array (height, width), float32.

        Raises:
            DataError: If the data do not fit the model, or it has no maps.
            ArtifactError: If the graph fails.
        """
        self._check_map()
        return [heat for some in self._found(X, [HEAT]) for heat in some[HEAT]]

    def regions(self, X: Any, *, false_alarm_area: float = FALSE_ALARM_AREA) -> Any:
        """What to look at: a row per region; see `DefectDetector.regions`. Samples are called by their numbers.

        Raises:
            ConfigError: If the fraction is not between 0 and a half.
            DataError: If the model has no maps, or cannot promise so small a fraction.
        """
        cut, kind = self.area_levels.cut(false_alarm_area), self.kind
        found = enumerate(self.heat(X))
        return frame_of(
            [{"sample": at, "kind": kind, **one.facts()} for at, heat in found for one in regions_above(heat, cut)],
            names=["sample", "kind", *REGION],
        )

    def with_maps(self, X: Any) -> Iterator[dict[str, np.ndarray]]:
        """`scores` and `heat` in one pass, of some pictures of one size after the other.

        Yields:
            What `scores` gives, and 'heat' (row, height, width).
        """
        self._check_map()
        return self._found(X, self.outputs)

    @property
    def area_levels(self) -> AreaLevels:
        """What a cut on a map rests on; raises DataError if the model has no maps."""
        self._check_map()
        return AreaLevels(np.array(self.facts[AREA_LEVELS], dtype=np.float64))

    @property
    def kind(self) -> str:
        """What its regions are of: the kind of defect, 'defect' of several, without labelled defects 'other'."""
        kinds = self.facts["classes"][2:]
        return "other" if not self.facts["n_defects"] else kinds[0] if len(kinds) == 1 else "defect"

    def _check_map(self) -> None:
        if not self.has_map:
            raise DataError(f"{self.name} {NO_MAP}")

    def _found(self, X: Any, names: list[str]) -> Iterator[dict[str, np.ndarray]]:
        """These outputs, of some rows after the other."""
        make, rows, _ = FEEDS[_form(self.facts)]
        try:
            for feeds in make(X, self.facts, rows):
                yield self._run(feeds, names)
        except BlemishError:
            raise
        except Exception as error:  # ONNX Runtime's own errors have no common base
            raise ArtifactError(
                f"{self.name} failed while it scored ({_first_line(error)}); are the data of the kind that it was "
                "fitted on? else export it again"
            ) from None

    def _run(self, feeds: Feeds, names: list[str]) -> dict[str, np.ndarray]:
        first = next(iter(feeds.values()))
        n, options = len(first), self._runtime.RunOptions()
        options.only_execute_path_to_fetches = True
        found: dict[str, Any] = dict(zip(names, self._session.run(names, feeds, options), strict=True))
        n_classes = len(self.facts["classes"])
        shapes = {"probabilities": (n, n_classes), "kind_scores": (n, n_classes - 2), HEAT: (n, *first.shape[-2:])}
        for name, values in found.items():
            if name.startswith(TRIAL):
                continue
            if np.shape(values) != shapes.get(name, (n,)):
                raise ArtifactError(f"{self.name} gave {name!r} of another shape; export it again")
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise ArtifactError(f"{self.name} gave {name!r} that is NaN or infinite; export it again")
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
        for some in _slices(len(many), max(1, min(rows, MAX_PIXELS // max(1, many[0][..., 0, :, :].size)))):
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
