"""Scores of an exported model, by ONNX Runtime alone: nothing here imports PyTorch."""

import json
import os
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from blemish.core.errors import ArtifactError, missing_extra
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

SCHEMA = 1
KEY = "blemish"
"""Key of the metadata that describe a model."""
FORM_BY_FACT = {"terms": "weights", "columns": "columns", "n_frames": "clips", "channels": "pictures"}
"""Files of 0.1.0 do not name the form of their inputs, but have facts that only this form has."""

Feeds = dict[str, np.ndarray]


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
        name = "the model" if isinstance(model, bytes) else str(model)
        if not isinstance(model, bytes) and not Path(model).is_file():
            raise ArtifactError(f"there is no model file {name}; write one with 'blemish export … -o {name}'")
        try:
            self._session = onnxruntime.InferenceSession(
                model if isinstance(model, bytes) else os.fspath(model), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own errors have no common base
            reason = str(error).splitlines()[0]
            raise ArtifactError(
                f"{name} is not an ONNX model, or it is truncated ({reason}); export it again"
            ) from None
        self.facts = _parse(self._session.get_modelmeta().custom_metadata_map, name)

    @property
    def outputs(self) -> list[str]:
        """Names of the model's outputs."""
        return [one.name for one in self._session.get_outputs()]

    def scores(self, X: Any) -> dict[str, np.ndarray]:
        """All scores of each row.

        Args:
            X: Raw samples: a table, pictures, clips or texts.

        Returns:
            'outlier_score' (row,), 'defect_score' (row,) if defects were labelled, 'probabilities' (row, 3) and
            'label' (row,).

        Raises:
            DataError: If the data do not fit the model.
        """
        form = self.facts.get("inputs") or next(form for fact, form in FORM_BY_FACT.items() if fact in self.facts)
        make, rows = FEEDS[form]
        found = [self._session.run(None, feeds) for feeds in make(X, self.facts, rows)]
        return {name: np.concatenate(parts) for name, parts in zip(self.outputs, zip(*found, strict=True), strict=True)}


def _parse(metadata: Mapping[str, str], name: str) -> dict[str, Any]:
    if KEY not in metadata:
        raise ArtifactError(f"{name} is an ONNX model, but not one that Blemish exported")
    facts = json.loads(metadata[KEY])
    if facts["schema"] > SCHEMA:
        raise ArtifactError(f"{name} has schema {facts['schema']}, this Blemish reads up to {SCHEMA}; upgrade blemish")
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
    "columns": (_tables, 4096),
    "weights": (_texts, 1024),
    "pictures": (_pictures, 32),
    "clips": (_pictures, 8),
    "array": (_arrays, 1024),
}
"""Form of a graph's inputs → how raw samples become these, and how many rows at a time. Several kinds of data may share
a form; 'array' is samples as they are, in doubles."""
