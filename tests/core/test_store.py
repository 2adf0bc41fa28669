"""One file, whole or not at all, and nothing in it runs."""

import json
import pickle
import re
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from blemish import DefectDetector, load
from blemish.core.errors import ArtifactError
from blemish.core.store import read, write
from blemish.core.version import __version__
from blemish.losses import LOSSES
from blemish.modalities import MODALITIES
from blemish.presets import PRESETS
from conftest import modality_of


@pytest.mark.parametrize("name", MODALITIES)
def test_saved_and_loaded_scores_are_equal_bits(name, splits, tmp_path):
    split = splits[name]
    det = DefectDetector(epochs=2, random_state=0).fit(split.X_train, split.y_train)
    det.save(tmp_path / "m.blemish")
    again = load(tmp_path / "m.blemish")
    for method in (
        "outlier_score",
        "defect_score",
        "predict_proba",
        "predict",
        "p_values",
        "encode",
        "decision_function",
    ):
        if method == "p_values" and not len(det.fitted_.held_out):
            continue
        np.testing.assert_array_equal(getattr(det, method)(split.X_test), getattr(again, method)(split.X_test))
    assert again.history_ == det.history_
    assert again.training_ == det.training_
    assert again.seed_ == det.seed_


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_a_file(name, splits, tmp_path):
    split = splits[modality_of(name)]
    det = DefectDetector.from_preset(name, epochs=1, random_state=0).fit(split.X_train, split.y_train)
    det.save(tmp_path / "m.blemish")
    np.testing.assert_array_equal(
        det.defect_score(split.X_test), load(tmp_path / "m.blemish").defect_score(split.X_test)
    )


def test_a_loaded_model_can_go_on(table_split, tmp_path):
    det = DefectDetector(epochs=4, random_state=0).fit(table_split.X_train, table_split.y_train)
    det.save(tmp_path / "m.blemish")
    again = load(tmp_path / "m.blemish").refit(table_split.X_train, table_split.y_train)
    assert len(again.history_) == 1


def test_parts_given_as_instances_survive(table_split, tmp_path):
    det = DefectDetector(losses=[LOSSES["huber"](delta=0.5), LOSSES["margin"](margin=2.0)], epochs=1, random_state=0)
    det.fit(table_split.X_train, table_split.y_train).save(tmp_path / "m.blemish")
    again = load(tmp_path / "m.blemish")
    assert again.losses == [{"name": "huber", "delta": 0.5}, {"name": "margin", "margin": 2.0}]


def test_a_pickle_comes_back_whole_and_one_of_a_version_that_kept_less_is_refused(table_detector, table_split):
    again = pickle.loads(pickle.dumps(table_detector))
    assert np.array_equal(again.p_values(table_split.X_test), table_detector.p_values(table_split.X_test))
    older = object.__new__(type(table_detector.fitted_))
    vars(older).update({name: value for name, value in vars(table_detector.fitted_).items() if name != "out_of_fold_state"})
    with pytest.raises(ArtifactError, match="another version of Blemish .it lacks out_of_fold_state.*fit again, and keep"):
        pickle.loads(pickle.dumps(older))


def test_weights_that_are_no_numbers_are_damage(table_detector, tmp_path):
    table_detector.save(tmp_path / "m.blemish")
    arrays, manifest = read(tmp_path / "m.blemish")
    name = next(name for name in arrays if name.startswith("network."))
    arrays[name] = np.full_like(arrays[name], np.nan)
    write(tmp_path / "m.blemish", arrays, manifest)
    with pytest.raises(ArtifactError, match="weights are not finite numbers: the file is damaged"):
        load(tmp_path / "m.blemish")


def test_the_file_holds_no_pickle(table_detector, tmp_path):
    table_detector.save(tmp_path / "m.blemish")
    content = (tmp_path / "m.blemish").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    manifest = json.loads(header["__metadata__"]["blemish"])
    assert manifest["schema"] == 1
    assert {"modality", "detector", "known_names"} <= set(manifest)
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    assert 8 + int.from_bytes(content[:8], "little") + max(ends) == len(content)  # nothing but header and numbers
    assert not zipfile.is_zipfile(tmp_path / "m.blemish")


def test_a_truncated_file_is_refused(table_detector, tmp_path):
    table_detector.save(tmp_path / "m.blemish")
    content = (tmp_path / "m.blemish").read_bytes()
    for length in (0, 4, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.blemish").write_bytes(content[:length])
        with pytest.raises(ArtifactError, match=r"cut\.blemish is not a model file, or is truncated"):
            load(tmp_path / "cut.blemish")


def test_foreign_files_are_refused(tmp_path):
    (tmp_path / "a.blemish").write_bytes(b"PK\x03\x04 a zip")
    with pytest.raises(ArtifactError, match="is not a model file, or is truncated"):
        load(tmp_path / "a.blemish")
    save_file({"w": np.zeros(3)}, tmp_path / "b.blemish")
    with pytest.raises(ArtifactError, match="is a safetensors file, but not one of Blemish's"):
        load(tmp_path / "b.blemish")
    with pytest.raises(ArtifactError, match="there is no model file"):
        load(tmp_path / "absent.blemish")


def damaged(det, tmp_path, change):
    path = tmp_path / "m.blemish"
    det.save(path)
    arrays, manifest = read(path)
    manifest.pop("schema")
    change(arrays, manifest)
    write(path, arrays, manifest)
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda a, m: m.pop("detector"),
        lambda a, m: m["detector"].pop("threshold_"),
        lambda a, m: m["detector"]["arguments"].update(backbone="os.system"),
        lambda a, m: m["detector"]["arguments"].update(backbone={"name": "mlp", "widths": ["a"]}),
        lambda a, m: m["detector"]["arguments"].update(surprise=1),
        lambda a, m: m["modality"].pop("columns"),
        lambda a, m: a.pop(next(name for name in a if name.startswith("network."))),
        lambda a, m: a.update({next(n for n in a if n.startswith("network.")): np.zeros((2, 2), np.float32)}),
    ],
)
def test_a_damaged_manifest_is_refused(change, table_detector, tmp_path):
    with pytest.raises(ArtifactError, match=r"damaged|do not fit"):
        load(damaged(table_detector, tmp_path, change))


def test_a_scorer_with_a_single_width_of_kernel_is_refused(table_detector, tmp_path):
    with pytest.raises(ArtifactError, match="whose scorer 'ensemble' gave different scores; fit again"):
        load(damaged(table_detector, tmp_path, lambda a, m: a.update({"scorer.bandwidth": np.array(0.5)})))


def test_a_newer_or_unknown_schema_is_refused_with_its_version(table_detector, tmp_path):
    by = f"of Blemish {re.escape(__version__)}, this Blemish {re.escape(__version__)} reads schema 1 to 1; upgrade"
    for schema in (99, 0, "new", None, 1.5):
        with pytest.raises(ArtifactError, match=f"has schema {re.escape(repr(schema))} {by}"):
            load(damaged(table_detector, tmp_path, lambda a, m, s=schema: m.update(schema=s)))
    with pytest.raises(
        ArtifactError, match=r"has schema 2, this Blemish \S+ reads schema 1 to 1; upgrade blemish, or fit"
    ):
        load(damaged(table_detector, tmp_path, lambda a, m: (m.update(schema=2), m.pop("detector"))))


def test_writing_is_all_or_nothing(table_detector, tmp_path, monkeypatch):
    path = tmp_path / "m.blemish"
    table_detector.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(
        "blemish.core.store.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(ArtifactError, match="No space left on device"):
        table_detector.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_refused(table_detector, tmp_path):
    with pytest.raises(ArtifactError, match="its folder does not exist; make it first"):
        table_detector.save(tmp_path / "no" / "m.blemish")
