"""The contract of DefectDetector, for every modality."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import average_precision_score

from blemish import DefectDetector, EarlyStopping
from blemish.autoencoder import BACKBONES, BOTTLENECKS
from blemish.core.errors import ConfigError, DataError, LabelError, NoDefectsError, QualityWarning
from blemish.losses.loss import ContrastiveLoss, ReconstructionLoss, losses_of_kind
from blemish.modalities import MODALITIES
from blemish.scoring import SCORERS
from blemish.training import CORRUPTIONS, SCHEDULES

pytestmark = pytest.mark.usefixtures("few_trees")

SCORES = ("outlier_score", "defect_score", "predict_proba", "decision_function", "encode")


@pytest.mark.parametrize("name", MODALITIES)
def test_scores_have_their_shape_and_type(name, splits, fitted):
    det, X = fitted[name], splits[name].X_test
    for score in (det.outlier_score(X), det.defect_score(X), det.decision_function(X)):
        assert score.shape == (len(X),)
        assert score.dtype == np.float64
        assert np.isfinite(score).all()
        assert len(np.unique(score)) > len(X) // 2, "a collapsed detector"
    proba = det.predict_proba(X)
    assert proba.shape == (len(X), 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert list(det.classes_) == ["normal", "other", "defect"]
    assert set(det.predict(X)) <= set(det.classes_)


@pytest.mark.parametrize("name", MODALITIES)
def test_scoring_twice_gives_equal_bits(name, splits, fitted):
    for method in SCORES:
        first, second = (getattr(fitted[name], method)(splits[name].X_test) for _ in range(2))
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", MODALITIES)
def test_a_rows_score_ignores_its_batch_mates(name, splits, fitted):
    X = splits[name].X_test
    for method in SCORES:
        together = getattr(fitted[name], method)(X)[:3]
        alone = np.concatenate([getattr(fitted[name], method)(X[i : i + 1]) for i in range(3)])
        np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MODALITIES)
def test_scores_do_not_depend_on_threads(name, splits, fitted):
    scores = []
    for n in (1, 2):
        torch.set_num_threads(n)
        scores.append(fitted[name].defect_score(splits[name].X_test))
    torch.set_num_threads(1)
    least = 1e-6 * max(1.0, np.abs(scores[0]).max())  # log-odds cross zero
    np.testing.assert_allclose(*scores, rtol=1e-5, atol=least)


@pytest.mark.parametrize("name", MODALITIES)
def test_same_seed_same_scores(name, splits, fitted):
    split = splits[name]
    again = DefectDetector(epochs=3, random_state=0).fit(split.X_train, split.y_train)
    np.testing.assert_array_equal(again.defect_score(split.X_test), fitted[name].defect_score(split.X_test))
    other = DefectDetector(epochs=3, random_state=1).fit(split.X_train, split.y_train)
    assert not np.array_equal(other.defect_score(split.X_test), fitted[name].defect_score(split.X_test))


UNTOUCHED = """
import random, numpy as np, torch
def states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
import sklearn.metrics  # importing it moves the state of Python's generator
random.seed(1), np.random.seed(1), torch.manual_seed(1)
before = states()
from blemish import DefectDetector
from blemish.datasets import ring
split = ring(n_normal=100)
for seed in (0, None):
    DefectDetector(epochs=1, random_state=seed).fit(split.X_train, split.y_train).sample(2)
assert states() == before
"""


def test_global_generators_are_untouched():
    # A process of its own: the run-time type checker of the tests draws from Python's generator.
    subprocess.run([sys.executable, "-c", UNTOUCHED], check=True, timeout=120)


@pytest.mark.parametrize("name", MODALITIES)
def test_inputs_are_not_changed(name, splits):
    split = splits[name]
    X, y = split.X_train.copy(), split.y_train.copy()
    DefectDetector(epochs=1, random_state=0).fit(X, y).defect_score(X)
    np.testing.assert_array_equal(X, split.X_train)
    np.testing.assert_array_equal(y, split.y_train)


def test_random_state_may_be_a_generator(table_split):
    def fitted_with(rng):
        return DefectDetector(epochs=1, random_state=rng).fit(table_split.X_train).outlier_score(table_split.X_test)

    a, b = (fitted_with(np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    fitted_with(np.random.RandomState(3))
    with pytest.raises(ConfigError, match="random_state='x' must be"):
        fitted_with("x")


@pytest.mark.all_trees
@pytest.mark.parametrize("name", MODALITIES)
def test_defect_score_is_never_worse(name, splits, trained_detector):
    split = splits[name]
    det = trained_detector
    if name != "tabular":
        epochs = {"image": 15, "video": 60, "text": 10}[name]
        det = DefectDetector(epochs=epochs, random_state=0).fit(split.X_train, split.y_train)
    defect = split.group_test == "defect"
    ours = average_precision_score(defect, det.defect_score(split.X_test))
    assert ours >= average_precision_score(defect, det.outlier_score(split.X_test))
    assert ours > 0.6


@pytest.mark.all_trees
def test_an_unseen_region_is_not_my_defect(table_split, trained_detector):
    det = trained_detector
    known = det.defect_score(table_split.X_test[table_split.group_test == "defect"])
    far = det.defect_score(np.random.default_rng(0).normal(scale=50, size=(100, 8)))
    assert np.median(far) < np.quantile(known, 0.05)


# Every part, every argument -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BACKBONES)
def test_backbones_fit_some_data(name, splits):
    kinds = {"linear": "tabular", "mlp": "tabular", "conv": "image", "conv_lstm": "video"}
    split = splits[kinds[name]]
    det = DefectDetector(backbone=name, epochs=1, random_state=0).fit(split.X_train, split.y_train)
    assert np.isfinite(det.defect_score(split.X_test)).all()


# The experts have tests of their own: a scorer without them shows as well what a bottleneck or a loss gives.
@pytest.mark.parametrize("name", BOTTLENECKS)
@pytest.mark.parametrize("kind", MODALITIES)
def test_bottlenecks_fit_all_data(name, kind, splits):
    split = splits[kind]
    det = DefectDetector(bottleneck=name, epochs=1, scorer="latent", random_state=0).fit(split.X_train, split.y_train)
    assert np.isfinite(det.defect_score(split.X_test)).all()
    assert len(det.sample(2, random_state=0)) == 2


@pytest.mark.parametrize("name", losses_of_kind(ReconstructionLoss))
@pytest.mark.parametrize("kind", MODALITIES)
def test_reconstructions_fit_all_data(name, kind, splits):
    split = splits[kind]
    det = DefectDetector(losses=[name], epochs=1, scorer="reconstruction", random_state=0).fit(
        split.X_train, split.y_train
    )
    assert (det.outlier_score(split.X_train) >= 0).all()


def codes(losses, split):
    """Codes of an autoencoder that was trained on these terms."""
    det = DefectDetector(losses=losses, epochs=2, scorer="latent", random_state=0)
    return det.fit(split.X_train, split.y_train).encode(split.X_test)


@pytest.fixture(scope="module")
def codes_without_contrast(table_split):
    return codes(["typed"], table_split)


@pytest.mark.parametrize("name", losses_of_kind(ContrastiveLoss))
def test_contrasts_change_the_codes(name, table_split, codes_without_contrast):
    assert not np.allclose(codes(["typed", name], table_split), codes_without_contrast)


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("backbone", ["linear", "mlp"]),
        ("bottleneck", list(BOTTLENECKS)),
        ("losses", [["mse"], ["typed"], ["huber", "margin"]]),
        ("corruption", [None, *CORRUPTIONS]),
        ("latent_dim", [2, 3]),
        ("epochs", [1, 2]),
        ("batch_size", [16, 64]),
        ("lr", [1e-2, *SCHEDULES]),
        ("random_state", [0, 1]),
        ("scorer", list(SCORERS)),
        ("modality", ["tabular"]),
        ("device", ["cpu"]),
    ],
)
def test_every_argument_matters(argument, values, table_split):
    settings = [DefectDetector(**{"epochs": 1, "random_state": 0, argument: value}) for value in values]
    scores = [det.fit(table_split.X_train, table_split.y_train).defect_score(table_split.X_test) for det in settings]
    for i, first in enumerate(scores):
        for second in scores[i + 1 :]:
            assert not np.array_equal(first, second)


def test_verbose_writes_to_stderr(table_split, capsys):
    DefectDetector(epochs=2, verbose=1).fit(table_split.X_train, table_split.y_train)
    assert "epoch 1: Typed" in capsys.readouterr().err
    DefectDetector(epochs=2).fit(table_split.X_train, table_split.y_train)
    assert capsys.readouterr().err == ""


def test_clone_and_parameters_round_trip():
    det = DefectDetector(losses=["mse", {"name": "margin", "margin": 2.0}], epochs=EarlyStopping(5, 2))
    copy = clone(det)
    assert isinstance(copy, DefectDetector)
    assert copy.get_params() == det.get_params()
    assert det.set_params(latent_dim=3).latent_dim == 3


# Bad and odd input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODALITIES)
@pytest.mark.parametrize("n", [2, 5])
def test_very_few_rows_fit_with_a_warning(name, n, splits):
    with pytest.warns(QualityWarning, match=rf"only {n} unlabelled or normal sample.*at least 20, and at least 100"):
        det = DefectDetector(epochs=1, random_state=0).fit(splits[name].X_train[:n])
    assert np.isfinite(det.outlier_score(splits[name].X_test)).all()


@pytest.mark.parametrize("y", [[None], [None, "defect"], ["normal", "other"]])
def test_a_single_row_to_learn_from_is_refused(y, table_split):
    with pytest.raises(DataError, match="found 1 sample to learn from, unlabelled or normal; a minimum of 2"):
        DefectDetector().fit(table_split.X_train[: len(y)], y)


@pytest.mark.filterwarnings("error")
def test_twenty_rows_are_enough_to_be_silent(table_split):
    DefectDetector(epochs=1, random_state=0).fit(table_split.X_train[:20])


def test_no_defects_leaves_the_outlier_score(table_split):
    det = DefectDetector(epochs=2, random_state=0).fit(table_split.X_train)
    np.testing.assert_allclose(
        det.decision_function(table_split.X_test), det.outlier_score(table_split.X_test) - det.threshold_
    )
    assert set(det.predict(table_split.X_test)) <= {"normal", "other"}
    assert (det.predict_proba(table_split.X_test)[:, 2] == 0).all()
    with pytest.raises(NoDefectsError, match="defect_score needs labelled defects, and the model was fitted without"):
        det.defect_score(table_split.X_test)
    with pytest.raises(NoDefectsError, match="recall needs labelled defects"):
        det.set_threshold(recall=0.5)


def test_one_defect_is_enough(table_split):
    y = table_split.y_train.copy()
    y[np.flatnonzero(y == "defect")[1:]] = None
    det = DefectDetector(epochs=40, random_state=0).fit(table_split.X_train, y)
    assert np.isfinite(det.defect_score(table_split.X_test)).all()


def test_more_defects_than_normals(table_split):
    X = np.concatenate([table_split.X_train[:5], table_split.X_test[table_split.group_test == "defect"]])
    det = DefectDetector(epochs=2, random_state=0).fit(X, [None] * 5 + ["defect"] * (len(X) - 5))
    assert det.training_["rows"]["defect"] == 60


def test_nothing_but_defects_is_refused(table_split):
    with pytest.raises(LabelError, match="every row is labelled 'defect' or 'other'"):
        DefectDetector().fit(table_split.X_train[:4], ["defect"] * 4)


def test_the_minus_one_dialect_is_refused(table_split):
    with pytest.raises(LabelError, match="scikit-learn.*Deep SAD.*SSDO"):
        DefectDetector().fit(table_split.X_train[:3], [1, -1, 0])


def test_zero_and_one_are_understood(table_split):
    y = (table_split.y_train == "defect").astype(int)
    a = DefectDetector(epochs=1, random_state=0).fit(table_split.X_train, y)
    b = DefectDetector(epochs=1, random_state=0).fit(table_split.X_train, table_split.y_train)
    np.testing.assert_array_equal(a.defect_score(table_split.X_test), b.defect_score(table_split.X_test))


def test_others_are_used(table_split):
    y = table_split.y_train.copy()
    y[300:310] = "other"
    with_others = DefectDetector(epochs=2, random_state=0).fit(table_split.X_train, y)
    without = DefectDetector(epochs=2, random_state=0).fit(table_split.X_train, table_split.y_train)
    assert with_others.training_["rows"]["other"] == 10
    assert not np.array_equal(with_others.defect_score(table_split.X_test), without.defect_score(table_split.X_test))


def test_equal_rows_warn():
    with pytest.warns(QualityWarning, match="all outlier scores are equal"):
        DefectDetector(epochs=1, random_state=0).fit(np.ones((30, 3)))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.array([[1.0, np.inf], [2.0, 3.0]]), "row 0, column 'x1' is infinity"),
        (np.zeros((0, 3)), "0 sample|at least one"),
        (np.zeros((3, 0)), "0 feature"),
        (np.zeros((2, 2, 2, 2, 2, 2)), "is not a data set"),
        (np.zeros(5), "Reshape your data"),
        (np.zeros((2, 8, 8, 3)), "channels seem to come last"),
        (np.full((2, 1, 8, 8), np.nan), "contains NaN or infinity"),
        ([], "at least|minimum"),
        ("/nowhere/at/all", "there is no file or folder"),
    ],
)
def test_data_that_cannot_be_used(X, message):
    with pytest.raises(ValueError, match=message):
        DefectDetector(epochs=1).fit(X)


def test_another_kind_of_data_is_refused(table_detector, image_split):
    with pytest.raises(DataError, match="the data are image, the model is for tabular"):
        table_detector.outlier_score(image_split.X_test)


def test_another_number_of_columns_is_refused(table_detector):
    with pytest.raises(DataError, match="X has 3 features, but DefectDetector is expecting 8 features"):
        table_detector.outlier_score(np.zeros((2, 3)))


def test_clips_of_another_length_are_refused(splits, fitted):
    with pytest.raises(DataError, match="clip 0 has 3 frames, but the model was fitted on 7; cut it"):
        fitted["video"].outlier_score(splits["video"].X_test[:, :3])


def test_not_fitted_says_so(table_split):
    for method in ("outlier_score", "defect_score", "predict", "predict_proba", "encode", "reconstruct", "explain"):
        with pytest.raises(NotFittedError):
            getattr(DefectDetector(), method)(table_split.X_test)
    with pytest.raises(NotFittedError):
        DefectDetector().save("never.blemish")


# Decisions and the autoencoder ----------------------------------------------------------------------------------


# Forms of data --------------------------------------------------------------------------------------------------


def test_frames_of_every_library_score_alike(mixed_frame):
    import polars as pl
    import pyarrow as pa

    y = [None] * 100 + ["defect"] * 20
    det = DefectDetector(epochs=2, random_state=0).fit(mixed_frame, y)
    scores = det.defect_score(mixed_frame)
    assert scores.index.equals(mixed_frame.index)
    assert scores.name == "defect_score"
    assert list(det.predict_proba(mixed_frame).columns) == ["normal", "other", "defect"]
    assert list(det.feature_names_in_) == list(mixed_frame.columns)
    arrow = pa.Table.from_pandas(mixed_frame, preserve_index=False)
    for other in (arrow, pl.from_arrow(arrow)):
        np.testing.assert_allclose(det.defect_score(other), scores.to_numpy())
    assert det.explain(mixed_frame[-2:]).to_frame().index[0] == "part 118"


@pytest.mark.parametrize("kind", ["repeated", "yes or no"])
def test_a_repeated_rows_score_does_not_depend_on_its_batch(kind):
    rng = np.random.default_rng(0)
    repeated = np.repeat(rng.normal(size=(4, 20)), 50, axis=0)
    X = repeated if kind == "repeated" else rng.integers(0, 2, (200, 3)).astype(float)
    det = DefectDetector(epochs=2, random_state=0).fit(X)
    alone = np.concatenate([det.outlier_score(X[i : i + 1]) for i in range(0, 200, 20)])
    np.testing.assert_allclose(alone, det.outlier_score(X)[::20], rtol=1e-5)
