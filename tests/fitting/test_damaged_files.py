"""A damaged or hostile model file is refused in one line, or scores as it says: it cannot crash, hang or lie.

Whoever changes a file can compute its digest anew: the digest is tested as it is, the checks behind it on sealed files.
"""

import gzip
import json
import os
import random
import re
import warnings
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from blemish import load
from blemish.core import store
from blemish.core.errors import ArtifactError, DataError

FILES = Path(__file__).parents[1] / "golden" / "files"
SMALL, LARGE = ["tabular_latent", "tabular_reconstruction", "video"], ["tabular_ensemble", "text", "image"]
TREE = "scorer.2."
"""Where the ensemble of the table model keeps its first trees."""


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """A small model file of every kind, with a digest."""
    found, path = {}, tmp_path_factory.mktemp("models") / "m.blemish"
    for name in SMALL + LARGE:
        path.write_bytes(gzip.decompress((FILES / f"{name}.blemish.gz").read_bytes()))
        with warnings.catch_warnings(action="ignore"):
            load(path).save(path)
        found[name] = path.read_bytes()
    return found


def written(folder, content):
    path = folder / "m.blemish"
    path.write_bytes(content)
    return path


def edited(folder, content, arrays=None, manifest=None):
    """A file with other arrays (None: without it) or another manifest, and the digest of that."""
    path = written(folder, content)
    known, facts = store.read(path)
    known = {name: x for name, x in {**known, **(arrays or {})}.items() if x is not None}
    store.write(path, known, facts if manifest is None else manifest(facts) or facts)
    return path


def test_a_whole_file_is_read_without_a_word(contents, tmp_path):
    for content in contents.values():
        load(written(tmp_path, content))
        assert store.sealed(content) == content


@pytest.mark.parametrize(
    ("name", "step"),
    [
        *((name, 1) for name in SMALL),
        *((name, 97) for name in LARGE),
        *(pytest.param(name, 1, marks=pytest.mark.slow) for name in LARGE),
    ],
)
def test_a_file_cut_at_any_byte_is_refused(name, step, contents, tmp_path, monkeypatch):
    path = written(tmp_path, contents[name])
    monkeypatch.setattr(store, "_header", lru_cache(store._header))  # the same in all cuts behind it
    refused, lengths = 0, range(len(contents[name]) - 1, -1, -step)
    for length in lengths:
        os.truncate(path, length)
        try:
            store.read(path)
        except ArtifactError as error:  # not pytest.raises: it costs more than what is tried
            refused += "m.blemish is not a model file, or is truncated" in str(error)
    assert refused == len(lengths)


@pytest.mark.parametrize("name", SMALL + LARGE)
def test_any_flipped_bit_is_refused(name, contents, tmp_path):
    rng, content = random.Random(0), contents[name]
    places = [*range(8), *range(8, store.END + 2, 3), *(rng.randrange(len(content)) for _ in range(200))]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.randrange(8)
        with pytest.raises(ArtifactError) as error:
            load(written(tmp_path, bytes(damaged)))
        assert "\n" not in str(error.value)


def test_every_bit_of_the_place_of_the_digest_counts(contents, tmp_path):
    """A file whose digest cannot be found is not taken for one of a version that wrote none."""
    content = contents["tabular_latent"]
    for place in range(8, store.END + 2):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            with pytest.raises(ArtifactError):
                store.read(written(tmp_path, bytes(damaged)))


@pytest.mark.parametrize("name", ["tabular_ensemble", "tabular_latent", "text"])
def test_flipped_bits_behind_a_new_digest_are_refused_or_load(name, contents, tmp_path):
    rng, content = random.Random(1), contents[name]
    start, refused = 8 + int.from_bytes(content[:8], "little"), 0
    for i in range(60):
        damaged = bytearray(content)
        damaged[rng.randrange(store.END + 2, start) if i % 2 else rng.randrange(start, len(content))] ^= (
            1 << rng.randrange(8)
        )
        path = written(tmp_path, store.sealed(bytes(damaged)))
        with suppress(ArtifactError):
            load(path)
            continue
        refused += 1
    assert 0 < refused < 60


def trees(**changed):
    """Sound arrays of two trees over 13 features, and what is wrong with them."""
    sound = {
        "roots": [0, 3],
        "feature": [1, -1, -1, 12, -1, -1],
        "threshold": [0.5, 0, 0, 0.5, 0, 0],
        "children": [[1, 2], [0, 0], [0, 0], [4, 5], [2, 2], [2, 2]],
        "value": [0, 0.5, 1, 0, 0.5, 1],
    }
    kinds = {"threshold": np.float64, "value": np.float64}
    return {TREE + name: np.array(x, kinds.get(name, np.int32)) for name, x in {**sound, **changed}.items()}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"children": [[1, 2], [0, 0], [0, 0], [4, 6], [2, 2], [2, 2]]}, "a child is not below its node"),  # outside
        ({"children": [[1, 3], [0, 0], [0, 0], [4, 5], [2, 2], [2, 2]]}, "a child is not below its node"),  # next tree
        ({"children": [[-1, 2], [0, 0], [0, 0], [4, 5], [2, 2], [2, 2]]}, "a child is not below its node"),
        ({"children": [[0, 2], [0, 0], [0, 0], [4, 5], [2, 2], [2, 2]]}, "a child is not below its node"),  # a circle
        ({"children": [[1, 2], [0, 0], [9, 0], [4, 5], [2, 2], [2, 2]]}, "a child is not below its node"),  # of a leaf
        ({"children": [[1, 2]] * 5}, "has shape .5, 2., expected .node = 6, 2"),
        ({"feature": [13, -1, -1, 12, -1, -1]}, "compares a feature that there is not"),
        ({"feature": [-2, -1, -1, 12, -1, -1]}, "a node compares a feature below 0"),
        ({"roots": [1, 3]}, "roots do not ascend from 0 within nodes"),
        ({"roots": [0, 6]}, "roots do not ascend from 0 within nodes"),
        ({"roots": [0, 0]}, "roots do not ascend from 0 within nodes"),
        ({"roots": [0, -3]}, "roots do not ascend from 0 within nodes"),
        ({"roots": []}, "has shape .0,."),
        ({"threshold": [np.nan, 0, 0, 0.5, 0, 0]}, "holds NaN or infinity"),
        ({"value": [0, 0.5, np.inf, 0, 0.5, 1]}, "holds NaN or infinity"),
    ],
)
def test_trees_that_a_compiled_walk_would_leave_are_refused(changed, message, contents, tmp_path):
    load(edited(tmp_path, contents["tabular_ensemble"], trees()))
    with pytest.raises(ArtifactError, match=f"is damaged or incomplete: .*{message}"):
        load(edited(tmp_path, contents["tabular_ensemble"], trees(**changed)))


@pytest.mark.parametrize("name", SMALL + LARGE)
def test_every_array_must_be_there_of_its_type_and_shape_and_finite(name, contents, tmp_path):
    arrays, _ = store.read(written(tmp_path, contents[name]))
    rng = random.Random(0)
    for array in rng.sample(sorted(arrays), 12):
        x = arrays[array]
        bad = [
            None,
            x[..., None],
            x.astype(np.int8),
            *([np.full_like(x, np.nan)] if x.dtype.kind == "f" and x.size else []),
        ]
        for other in bad:
            with pytest.raises(ArtifactError, match="is damaged or incomplete: array"):
                load(edited(tmp_path, contents[name], {array: other}))
    with pytest.raises(ArtifactError, match="array 'more' belongs to no part of the model; fit again or copy it again"):
        load(edited(tmp_path, contents[name], {"more": np.ones(1)}))


@pytest.mark.parametrize("name", ["tabular_ensemble", "image"])
def test_a_part_that_may_be_absent_cannot_be_taken_out_unseen(name, contents, tmp_path):
    """Older files lack the label report, ranges and so on, all arrays of one at a time: how many there are is said."""
    content = contents[name]
    text = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    arrays, _ = store.read(written(tmp_path, content))
    groups = {".".join(array.split(".")[:k]) for array in arrays for k in (1, 2)}
    assert {"labels", "known", "scorer"} <= groups
    for group in groups:
        fewer = {array: x for array, x in arrays.items() if array != group and not array.startswith(f"{group}.")}
        with pytest.raises(ArtifactError, match=f"it holds {len(fewer)} arrays, its manifest says {len(arrays)}"):
            load(written(tmp_path, store.sealed(save(fewer, text))))


def test_a_file_without_label_reports_says_so_when_asked(contents, tmp_path):
    """Those before them were written like this."""
    arrays, _ = store.read(written(tmp_path, contents["tabular_ensemble"]))
    without = dict.fromkeys(name for name in arrays if name.startswith("labels."))
    assert len(without) == 3
    det = load(edited(tmp_path, contents["tabular_ensemble"], without))
    assert det.fitted_.labels is None
    with pytest.raises(DataError, match="this model was fitted before there were label reports; fit again"):
        det.label_report()
    assert "labels" not in det.fitted_.arrays()
    det.save(tmp_path / "again.blemish")
    assert load(tmp_path / "again.blemish").fitted_.labels is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"scorer.3.scale": np.zeros(13)}, "a scale is not above 0"),
        ({"scorer.3.centre": None, "scorer.3.scale": None}, "array 'scorer.3.centre' is missing"),
        ({"scorer.4.gamma": np.array(-1.0)}, "gamma is not above 0"),
        ({"scorer.1.grid": np.array(0.0)}, "excess and grid are not above 0"),
        ({"scorer.1.tail": np.array(2.0)}, "the tail is not a fraction up to a half"),
        ({"scorer.1.levels": np.arange(200.0)[::-1].copy()}, "the levels do not ascend"),
        ({"scorer.weights": np.ones(7)}, "the weights do not sum to 1"),
        ({"scorer.slope": np.array(0.0)}, "the slope is not above 0"),
        ({"held_out": np.array([3, 1])}, "the held-out rows are not ascending numbers"),
        ({"held_out": np.array([-1])}, "the held-out rows are not ascending numbers"),
        ({"labels.conflicts": np.array([[0, 99]])}, "a conflict is not among the 12 labelled rows"),
        ({"calibration.outlier": np.arange(21.0)[::-1].copy()}, "the outlier scores do not ascend"),
        ({"calibration.known": None}, "array 'calibration.known' is missing"),
        ({"known.defect": np.zeros((7, 6))}, "expected .defect = 8, latent = 6"),
        ({"reference.x": None}, "array 'reference.x' is missing"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(arrays, message, contents, tmp_path):
    with pytest.raises(ArtifactError, match=re.escape(message) if "." not in message[8:] else message):
        load(edited(tmp_path, contents["tabular_ensemble"], arrays))


def at(*path, value):
    def change(manifest):
        node = manifest
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value

    return change


PLACES = [
    ("n_defects",),
    ("modality", "n_columns"),
    ("modality", "columns", 0, "scale"),
    ("modality", "columns", 0, "kind"),
    ("known_names", "defect"),
    ("detector", "prior_"),
    ("detector", "prior_", "normal"),
    ("detector", "arguments", "latent_dim"),
    ("detector", "arguments", "backbone"),
    ("detector", "arguments", "losses"),
    ("detector", "history_", 0, "terms"),
    ("detector", "training_", "rows"),
    ("detector", "training_", "date"),
    ("detector", "promise_"),
    ("folds",),
]
SOUND = [("scale", 1.5), ("scale", 10**39), ("folds", []), ("terms", {})]
"""What is no damage: that is a scale, no folds, no terms."""


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (path, value)
        for path in PLACES
        for value in (-1, 0, 10**39, 1.5, "x", None, [], {}, True)
        if (path[-1], value) not in SOUND
    ],
)
def test_a_value_of_the_manifest_outside_its_range_is_refused(path, value, contents, tmp_path):
    with pytest.raises(ArtifactError, match=r"m\.blemish is damaged"):
        load(edited(tmp_path, contents["tabular_ensemble"], manifest=at(*path, value=value)))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000 + "]" * 10_000,
        "null",
        "",
        "[]",
        "{}",
        '{"schema": 1e400}',
        '{"schema": 2, "x": Infinity}',
        '{"a": "\\ud800"}',
    ],
)
def test_a_manifest_that_is_none_is_refused(text, tmp_path):
    path = written(tmp_path, save({"w": np.zeros(3)}, metadata={"blemish": text}))
    with pytest.raises(
        ArtifactError, match=r"manifest of .*m\.blemish cannot be read|has schema|is missing|is damaged"
    ):
        load(path)


def header(content, change):
    """The file with another header, sealed."""
    length = int.from_bytes(content[:8], "little")
    text = json.dumps(change(json.loads(content[8 : 8 + length])), separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


@pytest.mark.parametrize(
    "entry",
    [
        {"data_offsets": [0, 2**62]},
        {"data_offsets": [-8, 0]},
        {"data_offsets": [0]},
        {"data_offsets": "x"},
        {"shape": [2**62, 2**62]},
        {"shape": [-21]},
        {"shape": [2**61, 0], "data_offsets": [0, 0]},
        {"dtype": "F4"},
        {"dtype": 7},
        {"more": 1},
    ],
)
def test_an_array_that_is_not_in_the_file_is_refused(entry, contents, tmp_path):
    def change(of):
        return {**of, "held_out": {**of["held_out"], **entry}}

    with pytest.raises(ArtifactError, match=r"is not a model file, or is truncated \((its header|array|its arrays)"):
        store.read(written(tmp_path, header(contents["tabular_latent"], change)))


def test_a_header_longer_than_the_file_is_not_read(tmp_path):
    for start in (b"\xff" * 8, (2**62).to_bytes(8, "little"), (0).to_bytes(8, "little")):
        with pytest.raises(ArtifactError, match="its header is longer than the file"):
            store.read(written(tmp_path, start + b"{}"))


def test_files_without_a_place_for_a_digest_cannot_be_sealed():
    with pytest.raises(ArtifactError, match="cannot be given a digest"):
        store.sealed(save({"w": np.zeros(3)}, metadata={"blemish": "{}"}))
