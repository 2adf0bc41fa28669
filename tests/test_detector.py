"""The contract of DefectDetector, for every modality."""

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import average_precision_score

from blemish import DefectDetector, EarlyStopping, load
from blemish.autoencoder import BACKBONES, BOTTLENECKS
from blemish.core.errors import ConfigError, DataError, DataWarning, LabelError, NoDefectsError, QualityWarning
from blemish.datasets import ring
from blemish.losses.loss import ContrastiveLoss, ReconstructionLoss, losses_of_kind
from blemish.modalities import MODALITIES
from blemish.presets import PRESETS
from blemish.scoring import SCORERS
from blemish.training import CORRUPTIONS, SCHEDULES

SCORES = ("outlier_score", "defect_score", "predict_proba", "decision_function", "encode")


@pytest.fixture(scope="module")
def fitted(splits):
    return {
        name: DefectDetector(epochs=3, random_state=0).fit(split.X_train, split.y_train)
        for name, split in splits.items()
    }


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


@pytest.mark.parametrize("name", MODALITIES)
def test_defect_score_is_never_worse(name, splits):
    split = splits[name]
    epochs = {"tabular": 60, "image": 15, "video": 60, "text": 10}[name]
    det = DefectDetector(epochs=epochs, random_state=0).fit(split.X_train, split.y_train)
    defect = split.group_test == "defect"
    ours = average_precision_score(defect, det.defect_score(split.X_test))
    assert ours >= average_precision_score(defect, det.outlier_score(split.X_test))
    assert ours > 0.6


def test_a_region_that_nobody_has_seen_is_not_my_defect(table_split):
    det = DefectDetector(random_state=0, epochs=60).fit(table_split.X_train, table_split.y_train)
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


@pytest.mark.parametrize("name", BOTTLENECKS)
@pytest.mark.parametrize("kind", MODALITIES)
def test_bottlenecks_fit_all_data(name, kind, splits):
    split = splits[kind]
    det = DefectDetector(bottleneck=name, epochs=1, random_state=0).fit(split.X_train, split.y_train)
    assert np.isfinite(det.defect_score(split.X_test)).all()
    assert len(det.sample(2, random_state=0)) == 2


@pytest.mark.parametrize("name", losses_of_kind(ReconstructionLoss))
@pytest.mark.parametrize("kind", MODALITIES)
def test_reconstructions_fit_all_data(name, kind, splits):
    split = splits[kind]
    det = DefectDetector(losses=[name], epochs=1, random_state=0).fit(split.X_train, split.y_train)
    assert (det.outlier_score(split.X_train) >= 0).all()


@pytest.mark.parametrize("name", losses_of_kind(ContrastiveLoss))
def test_contrasts_change_the_codes(name, table_split):
    codes = [
        DefectDetector(losses=losses, epochs=2, random_state=0)
        .fit(table_split.X_train, table_split.y_train)
        .encode(table_split.X_test)
        for losses in (["typed"], ["typed", name])
    ]
    assert not np.allclose(*codes)


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


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_arguments(name):
    det = DefectDetector.from_preset(name, epochs=7)
    assert det.epochs == 7
    kept = {k: v for k, v in PRESETS[name].arguments.items() if k != "epochs"}
    assert {k: v for k, v in det.get_params().items() if k in kept} == kept


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(ConfigError, match="preset 'rsra' is unknown; did you mean 'rsrae'"):
        DefectDetector.from_preset("rsra")


def test_early_stopping_stops(table_split):
    det = DefectDetector(epochs={"at_most": 200, "patience": 2}, random_state=0).fit(table_split.X_train)
    assert 3 <= len(det.history_) < 200
    assert det.history_[0].validation is not None


def test_leaving_the_generator_early_keeps_the_old_fit(table_split):
    det = DefectDetector(epochs=3, random_state=0).fit(table_split.X_train, table_split.y_train)
    fitted = det.fitted_
    scores = det.defect_score(table_split.X_test)
    for warm_start in (False, True):
        for _ in det.iter_fit(table_split.X_train, table_split.y_train, warm_start=warm_start):
            break
    assert det.fitted_ is fitted
    np.testing.assert_array_equal(det.defect_score(table_split.X_test), scores)


def test_refit_goes_on_with_new_labels(table_split):
    det = DefectDetector(epochs=20, random_state=0).fit(table_split.X_train)
    held_out, first = det.fitted_.held_out, det.history_[0].total
    det.refit(table_split.X_train, table_split.y_train)
    np.testing.assert_array_equal(det.fitted_.held_out, held_out)
    assert det.history_[0].terms["Typed"] < first, "it went on from the fitted weights"
    assert len(det.history_) == 5
    assert det.defect_score(table_split.X_test).shape == (180,)
    with pytest.raises(NotFittedError):
        DefectDetector().refit(table_split.X_train)


# Bad and odd input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODALITIES)
@pytest.mark.parametrize("n", [2, 5])
def test_very_few_rows_fit_with_a_warning(name, n, splits):
    with pytest.warns(QualityWarning, match=rf"only {n} unlabelled or normal sample.*at least 20, and on 100 or more"):
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


def test_constant_and_missing_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    X[:, 1], X[:, 2], X[::7, 3] = 3.0, np.nan, np.nan
    with pytest.warns(UserWarning, match="left out column\\(s\\) 'x2': empty"):
        det = DefectDetector(epochs=1, random_state=0).fit(X)
    assert np.isfinite(det.outlier_score(X)).all()
    with pytest.raises(DataError, match="no column can be used"):
        DefectDetector().fit(np.full((5, 2), np.nan))


def test_equal_rows_warn():
    with pytest.warns(QualityWarning, match="all outlier scores are equal"):
        DefectDetector(epochs=1, random_state=0).fit(np.ones((30, 3)))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.array([[1.0, np.inf], [2.0, 3.0]]), "row 0, column 'x1' is infinity"),
        (np.zeros((0, 3)), "0 sample|at least one"),
        (np.zeros((3, 0)), "0 feature"),
        (np.zeros((2, 2, 2, 2, 2, 2)), "is no data set"),
        (np.zeros(5), "Reshape your data"),
        (np.zeros((2, 8, 8, 3)), "channels seem to come last"),
        (np.full((2, 1, 8, 8), np.nan), "holds NaN or infinity"),
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
    with pytest.raises(DataError, match="clip 0 has 3 frames, the model was fitted on 7; cut it"):
        fitted["video"].outlier_score(splits["video"].X_test[:, :3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": "conv"}, "backbone 'conv' needs images or video"),
        ({"backbone": "mpl"}, "backbone 'mpl' is unknown; did you mean 'mlp'"),
        ({"backbone": {"name": "mlp", "width": [4]}}, "has no option 'width'; did you mean 'widths'"),
        ({"backbone": {"name": "mlp", "widths": ["a"]}}, "option .widths.0.: Input should be a valid integer"),
        ({"backbone": {"name": "mlp", "widths": [-3]}}, "cannot be built for samples of shape"),
        ({"losses": ["margin"]}, "must hold exactly one that reconstructs"),
        ({"losses": ["mse", "huber"]}, "must hold exactly one that reconstructs"),
        ({"losses": ["mse", "kl"]}, "Kl needs 'mu'"),
        ({"losses": ["mse", {"name": "sum_of_squares", "cap": None}]}, "has no lower bound"),
        ({"epochs": 0}, "epochs=0 must be 'auto' or a whole number"),
        ({"corruption": {"name": "mask", "share": 7}}, "share=7.0 must lie between 0 and 1"),
        ({"corruption": {"name": "gaussian", "stdev": -1}}, "stdev=-1.0 must be a number of at least 0"),
        ({"scorer": {"name": "ensemble", "experts": {}}}, "name none; give views with experts"),
        ({"epochs": {"at_most": 5, "patince": 1}}, "has no option 'patince'; did you mean 'patience'"),
        ({"batch_size": 1.5}, "batch_size=1.5 must be"),
        ({"latent_dim": "big"}, "latent_dim='big' must be"),
        ({"lr": -1}, "lr=-1 must be a learning rate"),
        ({"lr": {"name": "one_cycle", "lr": "fast"}}, "lr 'one_cycle', option 'lr'"),
        ({"device": "abacus"}, "device 'abacus' is not available"),
        ({"modality": "sound"}, "modality 'sound' is unknown"),
        ({"scorer": "best"}, "scorer 'best' is unknown"),
        ({"corruption": 3}, "corruption 3 is neither a name"),
    ],
)
def test_choices_that_cannot_work(arguments, message, table_split):
    with pytest.raises(ConfigError, match=message):
        DefectDetector(**{"epochs": 1, **arguments}).fit(table_split.X_train, table_split.y_train)


def test_not_fitted_says_so(table_split):
    for method in ("outlier_score", "defect_score", "predict", "predict_proba", "encode", "reconstruct", "explain"):
        with pytest.raises(NotFittedError):
            getattr(DefectDetector(), method)(table_split.X_test)
    with pytest.raises(NotFittedError):
        DefectDetector().save("never.blemish")


# Decisions and the autoencoder ----------------------------------------------------------------------------------


def test_p_values_are_valid(table_split):
    many = ring(n_normal=1500, n_test=1000)
    normals, fresh = many.X_train[:1500], many.X_test[many.group_test == "normal"]
    det = DefectDetector(epochs=5, random_state=0).fit(normals)
    p = det.p_values(fresh)
    assert ((p > 0) & (p <= 1)).all()
    for level in (0.05, 0.1, 0.2, 0.5):
        assert (p <= level).mean() <= level + 3 * (level * (1 - level) * (1 / 300 + 1 / 1000)) ** 0.5
    chosen = det.select(table_split.X_test, fdr=0.1)
    assert chosen[table_split.group_test == "other"].mean() > 0.9
    assert (chosen & (table_split.group_test == "normal")).sum() <= 0.2 * chosen.sum()
    with pytest.raises(ConfigError, match="fdr=1.5 must lie strictly between 0 and 1"):
        det.select(fresh, fdr=1.5)
    with pytest.raises(DataError, match="p-values need held-out rows; fit on at least 100"):
        DefectDetector(epochs=1, random_state=0).fit(normals[:30]).p_values(fresh)


def test_thresholds_reach_their_target(table_split):
    det = DefectDetector(epochs=40, random_state=0).fit(table_split.X_train, table_split.y_train)
    normal = table_split.X_test[table_split.group_test == "normal"]
    det.set_threshold(false_positive_rate=0.05)
    assert (det.predict(normal) == "defect").mean() < 0.2
    cut = det.threshold_
    assert det.set_threshold(budget=10).threshold_ < cut
    assert det.promise_.estimate == pytest.approx(10, abs=1.5)
    found = det.set_threshold(recall=0.5).promise_
    assert (found.target, found.value, found.threshold, found.n) == ("recall", 0.5, det.threshold_, 8)
    assert found.low < 0.5 < found.estimate < found.high
    assert det.set_threshold(contamination=0.1).promise_.estimate == pytest.approx(0.1, abs=0.02)
    with pytest.raises(
        DataError, match="recall=0.9 needs at least 9 labelled defects, there are 8; 8 support at most recall=0.88"
    ):
        det.set_threshold(recall=0.9)
    with pytest.raises(DataError, match="precision needs rows labelled 'other' or 'normal'"):
        det.set_threshold(precision=0.9)
    with pytest.raises(ConfigError, match="give exactly one of recall, precision"):
        det.set_threshold()
    with pytest.raises(ConfigError, match="got recall, budget"):
        det.set_threshold(recall=0.5, budget=3)


@pytest.mark.parametrize("name", MODALITIES)
def test_reconstructions_have_the_form_of_the_data(name, splits, fitted):
    det, X = fitted[name], splits[name].X_test[:4]
    z = det.encode(X)
    assert z.shape == (4, det.fitted_.model.network.latent_dim)
    for made in (det.reconstruct(X), det.denoise(X), det.decode(z), det.sample(4, random_state=1)):
        assert made.shape == X.shape
        assert all(isinstance(text, str) for text in made) if name == "text" else np.isfinite(made).all()
    if name == "text":
        assert list(det.decode(z)) == list(det.reconstruct(X))
    else:
        np.testing.assert_allclose(det.decode(z), det.reconstruct(X), rtol=1e-4, atol=1e-3)
    with pytest.raises(DataError, match="codes have shape"):
        det.decode(np.zeros((2, 99)))


def test_the_linear_preset_comes_near_principal_components():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 12)) + 0.3 * rng.normal(size=(200, 12))
    det = DefectDetector.from_preset(
        "linear", losses=["mse"], latent_dim=3, epochs=100, batch_size=20, scorer="reconstruction", random_state=0
    ).fit(X)
    x = det.fitted_.model.to_tensor(X).to_dense()
    error = float((det.fitted_.model.reconstruct(x) - x).square().mean())
    best = float(torch.linalg.svdvals(x - x.mean(0))[3:].square().sum() / x.numel())
    assert 0.99 * best < error < 1.1 * best


def test_denoising_beats_a_median_filter(image_split):
    from scipy.ndimage import median_filter

    clean = image_split.X_test[image_split.kind_test == "normal"].astype(float)
    noisy = np.clip(clean + np.random.default_rng(0).normal(0, 90, clean.shape), 0, 255)
    det = DefectDetector(
        corruption={"name": "gaussian", "stdev": 0.35}, epochs=20, scorer="reconstruction", random_state=0
    ).fit(image_split.X_train)
    error, before, filtered = (
        np.square(made - clean).mean() for made in (det.denoise(noisy), noisy, median_filter(noisy, (1, 1, 3, 3)))
    )
    assert error < filtered < before


def test_inpainting_fills_what_is_masked_and_nothing_else(image_split):
    det = DefectDetector(epochs=20, random_state=0).fit(image_split.X_train)
    X = image_split.X_test[image_split.kind_test == "normal"][:8].astype(float)
    mask = np.zeros(X.shape, dtype=bool)
    mask[..., 5:15, 5:15] = True
    filled = det.inpaint(np.where(mask, 0, X).astype(np.uint8), mask)
    np.testing.assert_array_equal(filled[~mask], X[~mask])
    assert np.abs(filled - X)[mask].mean() < 0.7 * np.abs(X.mean() - X)[mask].mean()
    holes = np.where(mask, 0, X).astype(np.uint8)
    for same in (mask[:, 0], mask[0, 0], mask[0], mask.astype(np.uint8) * 255, list(mask)):
        np.testing.assert_array_equal(det.inpaint(holes, same), filled)
    np.testing.assert_array_equal(det.inpaint(holes, np.zeros((20, 20), dtype=bool)), holes)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((2, 3, 3), dtype=bool), r"the mask of sample 0 has shape \(1, 3, 3\), the sample \(1, 20, 20\)"),
        (np.zeros((3, 20, 20), dtype=bool), "the mask has 3 rows, the data 2"),
        (np.full((20, 20), 0.5), "the mask holds float64 values; give booleans"),
        (np.full((20, 20), np.nan), "the mask holds float64 values; give booleans"),
        ([[True], [True, False]], "the mask of sample 0 has shape"),
        (np.full((20, 20), "yes"), "the mask holds <U3 values; give booleans"),
    ],
)
def test_bad_masks_of_pictures_are_refused(mask, message, image_split, fitted):
    with pytest.raises(DataError, match=message):
        fitted["image"].inpaint(image_split.X_test[:2], mask)


def test_pictures_of_another_size_are_filled_in_their_own_size():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (1, 70 + i, 80), dtype=np.uint8) for i in range(6)]
    det = DefectDetector(epochs=1, random_state=0).fit(images)
    masks = [np.zeros(image.shape, dtype=bool) for image in images]
    for mask in masks:
        mask[0, 10:30, 10:30] = True
    filled = det.inpaint(images, masks)
    for image, mask, made in zip(images, masks, filled, strict=True):
        assert made.shape == image.shape
        np.testing.assert_array_equal(made[~mask], image[~mask])
        assert (made[mask] != image[mask]).mean() > 0.9
    colour = np.repeat(images[0], 3, axis=0)
    assert det.inpaint([colour], [masks[0][0]])[0].shape == colour.shape


def test_pictures_of_another_range_are_refused(image_split):
    bytes_, floats = image_split.X_train, image_split.X_train / 255.0
    det = DefectDetector(epochs=1, scorer="reconstruction", random_state=0)
    det.fit(bytes_)
    with pytest.raises(
        DataError, match=r"holds fractions from 0 to 0.663, the model was fitted on 0 to 255; multiply by"
    ):
        det.outlier_score(floats[:3])
    np.testing.assert_array_equal(det.outlier_score(bytes_[:3].astype(float)), det.outlier_score(bytes_[:3]))
    assert np.isfinite(det.outlier_score(np.full(bytes_[:1].shape, 0.3))).all()  # a picture that is all but black
    det.fit(floats)
    with pytest.raises(DataError, match=r"holds whole numbers up to \d+, the model was fitted on fractions from 0 to"):
        det.outlier_score(bytes_[:3])
    assert np.isfinite(det.outlier_score((bytes_[:3] > 99).astype(np.uint8))).all()


def test_transparent_pictures_are_filled_and_opaque_there():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (40, 3, 16, 16), dtype=np.uint8)
    det = DefectDetector(epochs=1, random_state=0).fit(images)
    hole = np.zeros((16, 16), dtype=bool)
    hole[4:8, 4:8] = True
    alpha = np.where(hole, 0, 200).astype(np.uint8)[None]
    clear = np.concatenate([images[0], alpha])
    filled = det.inpaint([clear], [hole])[0]
    assert filled.shape == clear.shape
    np.testing.assert_array_equal(filled[:, ~hole], clear[:, ~hole])
    assert (filled[3, hole] == 255).all()
    np.testing.assert_allclose(filled[:3], det.inpaint(images[:1], hole)[0])
    floats = det.inpaint(clear[None].astype(float), hole)[0]
    np.testing.assert_allclose(floats[:3], filled[:3])
    grey = DefectDetector(epochs=1, random_state=0).fit(images[:, :1])
    assert grey.inpaint(clear[None], hole).shape == (1, 4, 16, 16)


def test_clips_are_filled(splits, fitted):
    X = splits["video"].X_test[:2]
    mask = np.zeros(X.shape, dtype=bool)
    mask[:, 3:] = True
    filled = fitted["video"].inpaint(X, mask)
    np.testing.assert_array_equal(filled[~mask], X[~mask])
    np.testing.assert_array_equal(fitted["video"].inpaint(X, mask[:, :, 0]), filled)


def test_texts_have_nothing_to_fill(splits, fitted):
    with pytest.raises(DataError, match="texts have no cells or pixels to mask"):
        fitted["text"].inpaint(splits["text"].X_test[:2], [True, False])


def test_inpainting_a_table(table_split):
    det = DefectDetector(epochs=60, corruption="mask", random_state=0).fit(table_split.X_train)
    X = table_split.X_test[:60].copy()
    mask = np.zeros(X.shape, dtype=bool)
    mask[:, 2] = True
    filled = det.inpaint(np.where(mask, np.nan, X), mask)
    np.testing.assert_array_equal(filled[~mask], X[~mask])
    error = np.abs(filled - X)[:, 2].mean()
    assert error < np.abs(np.median(table_split.X_train[:, 2]) - X[:, 2]).mean()


@pytest.fixture(scope="module")
def typed_frame():
    """Columns of many types; 'double' is 'count' twice, 'kind' and 'even' follow from it."""
    import pandas as pd

    rng = np.random.default_rng(0)
    n, count = 300, np.random.default_rng(1).integers(0, 6, 300)
    frame = pd.DataFrame(
        {
            "id": [f"part {i}" for i in range(n)],
            "count": count.astype(np.int16),
            "double": 2.0 * count,
            "single": rng.normal(size=n).astype(np.float32),
            "kind": np.array(["low", "middle", "high"])[count // 2],
            "even": count % 2 == 0,
            "grade": pd.Categorical(np.array(["a", "b"])[count // 3]),
            "when": pd.Timestamp("2024-01-01", tz="Europe/Berlin") + pd.to_timedelta(count, unit="D"),
            "took": pd.to_timedelta(60 * count, unit="s"),
            "maybe": pd.array([None if i % 9 == 0 else bool(c % 2) for i, c in enumerate(count)], dtype="boolean"),
            "score": pd.array([None if i % 7 == 0 else int(c) for i, c in enumerate(count)], dtype="Int64"),
        },
        index=[f"row {i}" for i in range(n)],
    )
    with pytest.warns(DataWarning, match="left out column.s. 'id'"):
        det = DefectDetector(epochs=60, corruption="mask", random_state=0).fit(frame)
    return frame, det


def test_made_rows_have_the_types_of_the_table(typed_frame, tmp_path):
    frame, det = typed_frame
    det.save(tmp_path / "m.blemish")
    for model in (det, load(tmp_path / "m.blemish")):
        made = model.sample(40, random_state=0)
        assert made.dtypes.drop("grade").to_dict() == frame.dtypes.drop(["id", "grade"]).to_dict()
        assert made.dtypes["grade"].name == "category"
        for name in ("kind", "even", "grade"):
            assert set(made[name]) <= set(frame[name])
    np.testing.assert_array_equal(det.reconstruct(frame[:5]).index, frame.index[:5])


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_made_rows_have_the_types_of_other_libraries(library, typed_frame):
    import polars as pl
    import pyarrow as pa

    table = pa.Table.from_pandas(typed_frame[0].drop(columns="id"), preserve_index=False)
    frame: Any = table if library == "pyarrow" else pl.from_arrow(table)
    det: Any = DefectDetector(epochs=1, random_state=0).fit(frame)
    assert det.sample(5, random_state=0).schema == frame.schema
    mask = np.zeros(frame.shape, dtype=bool)
    mask[:9] = True
    filled: Any = det.inpaint(frame, mask)
    assert filled.schema == frame.schema
    assert filled[9:].equals(frame[9:])
    assert not filled[:9].equals(frame[:9])


def test_cells_of_a_frame_are_filled_by_what_follows_from_the_others(typed_frame):
    import pandas as pd

    frame, det = typed_frame
    holes = frame.copy().astype({"count": float, "kind": object})
    holes.loc[holes.index[:60], ["count", "kind"]] = None
    mask = holes[["kind", "count"]].isna()  # some of the columns, in another order
    filled = det.inpaint(holes, mask)
    pd.testing.assert_frame_equal(filled.drop(columns=["count", "kind"]), frame.drop(columns=["count", "kind"]))
    assert list(filled.columns) == list(frame.columns)
    assert (filled["kind"] == frame["kind"]).mean() > 0.95
    assert (filled["count"] - frame["count"]).abs().mean() < 0.2
    cells = np.zeros(frame.shape, dtype=bool)
    cells[:60, [1, 4]] = True
    pd.testing.assert_frame_equal(det.inpaint(holes, cells), filled)
    pd.testing.assert_frame_equal(det.inpaint(frame, np.zeros(frame.shape, dtype=bool)), frame)
    strange = frame.assign(kind="never seen")
    assert set(det.inpaint(strange, mask[["count"]])["kind"]) == {"never seen"}


@pytest.mark.parametrize("form", ["pandas", "polars", "pyarrow", "numpy"])
def test_whole_numbers_that_no_double_holds_come_back(form):
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    rng = np.random.default_rng(0)
    columns = {"id": 2**60 + rng.integers(0, 1000, 60), "b": rng.integers(0, 9, 60)}
    columns["id"][:30] = 2**60 + 1 + 2 * np.arange(30)  # odd: none of them is a double
    make: Any = {
        "pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table,
        "numpy": lambda named: np.column_stack(list(named.values())),
    }[form]  # fmt: skip
    X, mask = make(columns), np.zeros((60, 2), dtype=bool)
    mask[40:] = True
    filled: Any = DefectDetector(epochs=1, random_state=0).fit(X).inpaint(X, mask)
    ids = filled[:, 0] if form == "numpy" else np.asarray(filled["id"])
    assert ids.dtype == np.int64
    np.testing.assert_array_equal(ids[:40], columns["id"][:40])
    assert (ids[40:] != columns["id"][40:]).any()


def test_bad_masks_of_a_table_are_refused(typed_frame):
    import pandas as pd

    frame, det = typed_frame
    for mask, message in [
        (np.zeros((300, 10), dtype=bool), r"the mask has shape \(300, 10\), the table \(300, 11\)"),
        (np.ones((300, 11), dtype=bool), "column.s. 'id' cannot be filled in: not known to the model"),
        (np.full((300, 11), 2.5), "the mask holds float64 values; give booleans"),
        (pd.DataFrame({"speed": [True] * 300}), "the mask has column.s. 'speed' that the table has not"),
        (pd.DataFrame({"count": [True] * 9}), "the mask has 9 rows, the table 300"),
        (pd.DataFrame({"count": [None, True] * 150}), "the mask holds object values; give booleans"),
        ([[True], [True, False]], "the mask is ragged"),
    ]:
        with pytest.raises(DataError, match=message):
            det.inpaint(frame, mask)


def test_a_missing_yes_or_no_is_no_error(typed_frame):
    frame, det = typed_frame
    assert np.isfinite(det.outlier_score(frame.assign(even=[None, *frame["even"][1:]]))).all()


@pytest.mark.parametrize("name", losses_of_kind(ReconstructionLoss))
def test_every_error_is_explained_by_column(name, mixed_frame):
    det = DefectDetector(losses=[name], epochs=1, random_state=0).fit(mixed_frame)
    explanation = det.explain(mixed_frame[:3])
    assert explanation.error.shape == (3, len(explanation.elements))
    assert set(explanation.to_frame(top=6)["element"]) == {*mixed_frame.columns, "load (missing)"}


def test_reconstructing_learnable_vectors_makes_them_collapse():
    import pandas as pd

    rng = np.random.default_rng(0)  # more categories than one number can carry
    frame = pd.DataFrame({name: rng.choice(list("uvwxyz"), 300) for name in "abc"})
    spread, loss, right = {}, {}, {}
    for name in ("typed", "embedded"):
        det = DefectDetector(
            backbone={"name": "mlp", "widths": [16]}, losses=[name], latent_dim=1, lr=1e-2, epochs=25, batch_size=30,
            scorer="reconstruction", random_state=0,
        ).fit(frame)  # fmt: skip
        vectors = det.fitted_.model.network.vectors or ()
        spread[name] = sorted(float(one.detach()[1:].std(dim=0).max()) for one in vectors)
        loss[name] = det.history_[-1].total
        right[name] = float((det.reconstruct(frame) == frame).to_numpy().mean())
    assert spread["embedded"][1] < 0.01  # in two of the three columns all categories have become one
    assert spread["typed"][0] > 0.3
    assert loss["embedded"] < 1e-4  # a perfect loss, and nothing learnt: chance is 0.17
    assert right["embedded"] < 0.3 < 0.4 < right["typed"]


@pytest.mark.parametrize("name", MODALITIES)
def test_explanations_name_elements_and_neighbours(name, splits, fitted):
    X = splits[name].X_test[-3:]
    explanation = fitted[name].explain(X)
    frame = explanation.to_frame(top=2)
    assert len(frame) == 6
    assert list(frame.columns) == [
        "row", "rank", "element", "error", "share", "seen", "expected", "nearest_defect", "nearest_normal",
        "fall", "together", "chances", "driver",
    ]  # fmt: skip
    assert (frame["error"] >= 0).all()
    n_train = len(splits[name].X_train)
    assert all(0 <= found < n_train for row in explanation.nearest_defects for found in row)
    assert all(splits[name].y_train[found] == "defect" for row in explanation.nearest_defects for found in row)


def test_an_explanation_points_at_the_wrong_column(table_split):
    det = DefectDetector(epochs=60, random_state=0).fit(table_split.X_train)
    row = table_split.X_test[:1].copy()
    row[0, 5] += 25
    assert det.explain(row).to_frame(top=1)["element"].tolist() == ["x5"]


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


def test_reconstructed_frames_keep_columns_and_categories(mixed_frame):
    det = DefectDetector(epochs=30, random_state=0).fit(mixed_frame)
    made = det.sample(50, random_state=0)
    assert list(made.columns) == list(mixed_frame.columns)
    assert set(made["kind"].dropna()) <= {"a", "b", "c"}
    assert made["hot"].dtype == bool


def test_unseen_categories_are_unusual_not_an_error(mixed_frame):
    det = DefectDetector(epochs=40, random_state=0).fit(mixed_frame)
    strange = mixed_frame.assign(kind="never seen")
    assert det.outlier_score(strange).median() > det.outlier_score(mixed_frame).median()


def test_columns_are_found_by_name(mixed_frame):
    det = DefectDetector(epochs=1, random_state=0).fit(mixed_frame)
    shuffled = mixed_frame[mixed_frame.columns[::-1]].assign(extra=1)
    np.testing.assert_array_equal(det.outlier_score(shuffled), det.outlier_score(mixed_frame))
    with pytest.raises(DataError, match="lacks 'load' of the 5 that the model was fitted on"):
        det.outlier_score(mixed_frame.drop(columns="load"))
    with pytest.raises(DataError, match="row 0, column 'speed': 'fast' is no number"):
        det.outlier_score(mixed_frame.assign(speed="fast"))


def test_images_of_many_sizes(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (1, 10 + i, 14), dtype=np.uint8) for i in range(12)]
    det = DefectDetector(epochs=1, random_state=0).fit(images)
    assert det.fitted_.model.modality.sample_shape == (1, 64, 64)
    assert det.outlier_score(images).shape == (12,)
    assert det.outlier_score([np.repeat(images[0], 3, axis=0)]).shape == (1,)


def test_the_device_is_kept_out_of_the_file(table_detector, tmp_path):
    table_detector.save(tmp_path / "m.blemish")
    assert load(tmp_path / "m.blemish", device="cpu").fitted_.model.device.type == "cpu"
    with pytest.raises(ConfigError, match="device 'abacus' is not available"):
        load(tmp_path / "m.blemish", device="abacus")


def test_names_of_columns_may_be_numbers(table_split):
    X = pd.DataFrame(np.asarray(table_split.X_train)[:60])
    det = DefectDetector(epochs=1, random_state=0).fit(X)
    assert det.outlier_score(X).shape == (60,)
    mask = np.zeros(X.shape, dtype=bool)
    mask[0, 1] = True
    made = det.inpaint(X, mask)
    assert made.columns.tolist() == X.columns.tolist()
    assert (made != X).to_numpy().sum() == 1


@pytest.mark.parametrize("kind", ["repeated", "yes or no"])
def test_a_repeated_rows_score_does_not_depend_on_its_batch(kind):
    rng = np.random.default_rng(0)
    repeated = np.repeat(rng.normal(size=(4, 20)), 50, axis=0)
    X = repeated if kind == "repeated" else rng.integers(0, 2, (200, 3)).astype(float)
    det = DefectDetector(epochs=2, random_state=0).fit(X)
    alone = np.concatenate([det.outlier_score(X[i : i + 1]) for i in range(0, 200, 20)])
    np.testing.assert_allclose(alone, det.outlier_score(X)[::20], rtol=1e-5)


def test_leaving_early_keeps_what_the_former_fit_was(table_split):
    X = np.asarray(table_split.X_train)
    det = DefectDetector(epochs=2, random_state=0).fit(X)
    before = (det.seed_, det.history_, det.n_features_in_)
    for _ in det.set_params(random_state=1).iter_fit(X[:, :2]):
        break
    assert (det.seed_, det.history_, det.n_features_in_) == before
