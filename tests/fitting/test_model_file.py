"""A model that comes from a file scores to the bit as the one that was saved."""

import pickle

import numpy as np
import pytest

from blemish import DefectDetector, load
from blemish.core.errors import ArtifactError, ConfigError
from blemish.core.store import read, write
from blemish.losses import LOSSES
from blemish.modalities import MODALITIES
from blemish.presets import PRESETS
from conftest import modality_of

pytestmark = pytest.mark.usefixtures("few_trees")


def test_the_device_is_kept_out_of_the_file(table_detector, tmp_path):
    table_detector.save(tmp_path / "m.blemish")
    assert load(tmp_path / "m.blemish", device="cpu").fitted_.model.device.type == "cpu"
    with pytest.raises(ConfigError, match="device 'abacus' is not available"):
        load(tmp_path / "m.blemish", device="abacus")


@pytest.mark.parametrize("name", MODALITIES)
def test_saved_and_loaded_scores_are_equal_bits(name, splits, fitted, tmp_path):
    split, det = splits[name], fitted[name]
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
    assert list(again.prior_.items()) == list(det.prior_.items()), "in the order of classes_"
    assert list(again.prior_) == again.classes_.tolist()


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
    vars(older).update(
        {name: value for name, value in vars(table_detector.fitted_).items() if name != "out_of_fold_state"}
    )
    with pytest.raises(
        ArtifactError, match="another version of Blemish .it lacks out_of_fold_state.*fit again, and keep"
    ):
        pickle.loads(pickle.dumps(older))


def test_weights_that_are_no_numbers_are_damage(table_detector, tmp_path):
    table_detector.save(tmp_path / "m.blemish")
    arrays, manifest = read(tmp_path / "m.blemish")
    name = next(name for name in arrays if name.startswith("network."))
    arrays[name] = np.full_like(arrays[name], np.nan)
    write(tmp_path / "m.blemish", arrays, manifest)
    with pytest.raises(
        ArtifactError, match="is damaged or incomplete: array 'network.* holds NaN or infinity; fit again"
    ):
        load(tmp_path / "m.blemish")


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
