"""What the network sees of pictures, kept in memory and on disk."""

import os

import numpy as np
import pytest
import torch

from blemish import DefectDetector
from blemish.core.errors import ConfigError
from blemish.datasets import tiles
from blemish.modalities.features import map_store
from blemish.modalities.features.map_store import MapStore, current_store, keeping_maps, users_store
from blemish.modalities.features.patch_grid import fit_patch_grid
from blemish.modalities.features.pretrained import patches

SHAPE = (2, 3)


def _kept(store, *facts):
    """Ask for maps whose numbers are those of their facts; returns them and which had to be made."""
    asked = []

    def make(new):
        asked.extend(facts[at] for at in new)
        return torch.stack([torch.full(SHAPE, float(facts[at])) for at in new])

    return store.kept(facts, SHAPE, make), asked


def _files(folder):
    return sorted(folder.glob("??/*.map"))


def test_only_what_is_not_there_is_made(tmp_path):
    store = MapStore(tmp_path)
    assert _kept(store, 1, 2)[1] == [1, 2]
    found, asked = _kept(store, 2, 3, 1, 2)
    assert asked == [3]
    assert found[:, 0, 0].tolist() == [2, 3, 1, 2]
    again, asked = _kept(MapStore(tmp_path), 1, 2, 3)
    assert not asked
    assert again[:, 1, 2].tolist() == [1, 2, 3]
    assert _kept(MapStore(), 1)[1] == [1]


def test_maps_of_another_shape_or_version_are_other_maps(tmp_path, monkeypatch):
    _kept(MapStore(tmp_path), 1)
    other = MapStore(tmp_path).kept([1], (1,), lambda new: torch.zeros(1, 1))
    assert other.shape == (1, 1)
    monkeypatch.setattr(map_store, "VERSION", b"next")
    assert _kept(MapStore(tmp_path), 1)[1] == [1]


@pytest.mark.parametrize("damage", ["torn", "empty", "flipped", "longer", "folder"])
def test_a_damaged_file_is_made_again(tmp_path, damage):
    _kept(MapStore(tmp_path), 1)
    (path,) = _files(tmp_path)
    whole = path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        flipped = whole[:20] + bytes([whole[20] ^ 1]) + whole[21:]
        path.write_bytes({"torn": whole[:-3], "empty": b"", "flipped": flipped, "longer": whole + b"x"}[damage])
    found, asked = _kept(MapStore(tmp_path), 1)
    assert asked == [1]
    assert found[0, 0, 0] == 1
    if damage != "folder":
        assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_written_to_costs_nothing_but_time(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    store = MapStore(blocked)
    assert _kept(store, 1)[0][0, 0, 0] == 1
    assert store.folder is None
    assert not store.text
    assert _kept(store, 2, 1)[1] == [2]


def test_the_maps_used_longest_ago_make_room(tmp_path):
    size = map_store.DIGEST + 24
    store = MapStore(tmp_path, 4 * size)
    for fact in range(4):
        _kept(store, fact)
    for age, path in enumerate(_files(tmp_path)):
        os.utime(path, (age, age))
    oldest, newest = _files(tmp_path)[0], _files(tmp_path)[-1]
    _kept(store, 4)
    assert not oldest.exists()
    assert newest.exists()
    assert sum(path.stat().st_size for path in _files(tmp_path)) <= 4 * size
    assert len(_files(MapStore(tmp_path, 2 * size).folder)) == 2
    assert _kept(MapStore(tmp_path, size - 1), 9)[1] == [9]


def test_the_environment_says_where_and_how_much(tmp_path, monkeypatch):
    monkeypatch.delenv("BLEMISH_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert users_store().folder == tmp_path / "blemish"
    with keeping_maps() as store:
        assert store.folder is None
        assert current_store() is store
        with keeping_maps() as inner:
            assert inner is store
    assert current_store() is None
    monkeypatch.setenv("BLEMISH_CACHE", str(tmp_path / "here"))
    monkeypatch.setenv("BLEMISH_CACHE_BYTES", "1000")
    with keeping_maps() as store:
        assert (store.folder, store.max_bytes) == (tmp_path / "here", 1000)
    monkeypatch.setenv("BLEMISH_CACHE", "off")
    assert users_store().folder is None
    monkeypatch.setenv("BLEMISH_CACHE_BYTES", "2G")
    with pytest.raises(ConfigError, match="'2G' is not a number of bytes"):
        users_store()


def test_features_are_the_same_from_the_store(tmp_path):
    x = torch.rand(5, 1, 20, 30, generator=torch.Generator().manual_seed(0))
    picture = torch.rand(1, 900, 40, generator=torch.Generator().manual_seed(1))  # more than one crop
    plain = patches(x, 96)
    grid = fit_patch_grid(iter([(b"a", picture)]), 1, 1.0)
    native = grid.described(picture)
    first, second = MapStore(tmp_path), MapStore(tmp_path)
    for store in (first, second):
        with keeping_maps(store):
            np.testing.assert_allclose(patches(x, 96), plain, rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(grid.described(picture, b"a"), native)
    assert second.n_read == 7  # of five copies and two crops
    assert not second.n_written


def test_a_second_fit_does_not_run_the_network(tmp_path, monkeypatch, few_trees):
    split = tiles(40, 4, 1)
    X, y = split.X_train, split.y_train
    monkeypatch.setenv("BLEMISH_CACHE", str(tmp_path))

    def scores():
        return DefectDetector(epochs=1, random_state=0).fit(X, y).defect_score(X)

    first = scores()
    assert _files(tmp_path)
    monkeypatch.setattr("blemish.modalities.features.patch_grid.patch_maps", None)
    det = DefectDetector(epochs=1, random_state=0)
    det.fit(X, y)
    monkeypatch.undo()
    np.testing.assert_array_equal(det.defect_score(X), first)
