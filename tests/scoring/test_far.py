"""What is far from all training data is an outlier, and not a defect unless such a defect was labelled."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import reference
from blemish import DefectDetector
from blemish.core.labels import DEFECT, UNLABELLED
from blemish.modalities import MODALITIES
from blemish.modalities.features.texture import neighbours
from blemish.modalities.tabular import Tabular
from blemish.onnx.runtime import Runtime
from blemish.scoring.far import MIN_ROWS, Far, beyond, fit_far
from blemish.scoring.scorer import Evidence
from far_samples import KINDS, N_FAR, far_rows, table

SOURCES = ("here",)


def evidence(x):
    return Evidence(np.zeros((len(x), 1)), np.ones(len(x)), {"here": np.asarray(x, dtype=float)})


def features_of(fitted, sources):
    """Samples → their evidence, of a kind of data alone."""

    def measured(raw):
        found = fitted.features(torch.from_numpy(fitted.to_tensor(raw)))
        return Evidence(np.zeros((len(raw), 1)), np.ones(len(raw)), {name: found[name].numpy() for name in sources})

    return measured


@pytest.fixture(scope="module")
def learnt():
    """Rows of two features that go together, six defects near each other, and what was learnt of them."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(300, 1))
    x = np.hstack([shared, shared + rng.normal(0, 0.1, (300, 1)), rng.normal(size=(300, 3))])
    defects = rng.normal([8, 8, 0, 0, 0], 0.3, (6, 5))
    group = np.repeat([UNLABELLED, DEFECT], [300, 6])
    state = fit_far(SOURCES, evidence(np.vstack([x, defects])), group, 0)
    return SimpleNamespace(x=x, defects=defects, state=state)


def test_it_is_0_among_the_training_rows_and_grows_without_bound_beyond(learnt):
    found = beyond(learnt.state, evidence(learnt.x), SOURCES).normal
    assert (found > 0).mean() < 0.01
    away = np.outer(np.geomspace(10, 1e12, 30), [1, -1, 1, 0, 0])
    further = beyond(learnt.state, evidence(away), SOURCES).normal
    assert (np.diff(further) > 0).all()
    assert further[0] > 10


def test_what_breaks_a_correlation_is_further_than_what_keeps_it(learnt):
    kept, broken = beyond(learnt.state, evidence(np.array([[2, 2, 0, 0, 0], [2, -2, 0, 0, 0]])), SOURCES).normal
    assert broken > kept + 10


def test_a_defect_like_the_labelled_ones_is_known_and_what_lies_elsewhere_or_far_behind_them_is_not(learnt):
    rows = np.array([[8.2, 7.9, 0.2, 0, 0.1], [-8, -8, 0, 0, 0], [0, 0, 0, 30, 0], [50, 50, 0, 0, 0]])
    found = beyond(learnt.state, evidence(rows), SOURCES)
    assert found.labelled[0] == 0
    assert (found.labelled[1:] > 10).all()
    assert (found.labelled <= found.normal).all()


def test_nats_beyond_equal_the_loops(learnt):
    own = {name.removeprefix("0."): array for name, array in learnt.state.arrays().items()}
    rows = np.random.default_rng(1).normal(0, 6, (20, 5))
    expected = [reference.nats_beyond(row, own) for row in rows]
    np.testing.assert_allclose(np.transpose(beyond(learnt.state, evidence(rows), SOURCES)), expected, rtol=1e-9)


def test_too_few_rows_show_no_range():
    x = np.random.default_rng(0).normal(size=(MIN_ROWS - 1, 2))
    assert fit_far(SOURCES, evidence(x), np.full(len(x), UNLABELLED), 0) == Far()
    assert not beyond(Far(), evidence(x + 100), SOURCES).normal.any()


def test_a_glitch_among_the_training_rows_does_not_hide_what_is_far():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5))
    x[:4, 0] = 1e6
    state = fit_far(SOURCES, evidence(x), np.full(400, UNLABELLED), 0)
    assert (beyond(state, evidence(np.eye(5)[1:] * 40), SOURCES).normal > 3).all()


@pytest.mark.parametrize("n_rows", [1, 2, 30])
def test_equal_rows_are_within_and_others_finite(n_rows):
    x = np.ones((n_rows, 3))
    state = fit_far(SOURCES, evidence(x), np.full(n_rows, UNLABELLED), 0)
    found = beyond(state, evidence(np.array([[1.0, 1, 1], [1, 1, 2]])), SOURCES).normal
    assert found[0] == 0
    assert np.isfinite(found).all()


def test_a_rare_category_does_not_hide_what_is_far():
    rng = np.random.default_rng(0)
    frame = table(60, rng).assign(
        alarm=[True] + [False] * 59, recipe=rng.choice(["a", "b", "c"], 60, p=[0.9, 0.05, 0.05])
    )
    fitted = Tabular().fit(frame)
    here = features_of(fitted, Tabular.far)
    state = fit_far(Tabular.far, here(frame), np.full(60, UNLABELLED), 0)
    assert (beyond(state, here(frame), Tabular.far).normal > 0).mean() < 0.05
    new = frame[10:14]
    gaps = {
        name: new.assign(**{name: pd.Series([None] * 4, index=new.index, dtype=object)}) for name in ("alarm", "shift")
    }
    for name, far in (far_rows(new, rng) | gaps).items():
        assert beyond(state, here(far), Tabular.far).normal.min() > 1, name


def test_pictures_that_are_none_are_far_from_any_texture():
    rng = np.random.default_rng(0)
    grain = rng.normal(size=(80, 1, 35, 35))
    smooth = sum(grain[..., i : i + 32, j : j + 32] for i in range(4) for j in range(4)) / 4
    x = 0.5 + smooth * rng.uniform(0.03, 0.15, (80, 1, 1, 1)) + rng.normal(0, 0.1, (80, 1, 1, 1))
    state = fit_far(SOURCES, evidence(neighbours(torch.from_numpy(x[:60]))), np.full(60, UNLABELLED), 0)
    shuffled = rng.permuted(x[60:].reshape(20, -1), axis=1).reshape(20, 1, 32, 32)
    for none in (shuffled, rng.random(shuffled.shape), np.full_like(shuffled, 0.5)):
        assert beyond(state, evidence(neighbours(torch.from_numpy(none))), SOURCES).normal.min() > 5
    assert (beyond(state, evidence(neighbours(torch.from_numpy(x[60:]))), SOURCES).normal > 0).mean() <= 0.1


def joined(first, second):
    if isinstance(first, pd.DataFrame):
        return pd.concat([first, second], ignore_index=True)
    return first + second if isinstance(first, list) else np.concatenate([first, second])


def check(kind, n, n_defects, seed=0, path=None, **options):
    """Every far sample scores above the 99th percentile of fresh normals and is not called a defect.

    Where there is a path, the exported model gives the same score.
    """
    rng = np.random.default_rng(seed)
    normal, defect, far = KINDS[kind]
    X, y = normal(n, rng), np.full(n, None, dtype=object)
    if n_defects:
        X, y = joined(X, defect(n_defects, rng)), np.append(y, ["defect"] * n_defects)
    det = DefectDetector(modality=kind, random_state=seed, **options).fit(X, y if n_defects else None)
    if path is not None:
        det.export(path)
    usual = np.quantile(det.outlier_score(normal(100, rng)), 0.99)
    for name, samples in far(normal(N_FAR, rng), rng).items():
        assert np.min(det.outlier_score(samples)) > usual, name
        if path is not None:
            np.testing.assert_allclose(Runtime(path).scores(samples)["outlier_score"], det.outlier_score(samples), 1e-5)
        p = np.asarray(det.predict_proba(samples))
        assert p[:, 0].max() < 0.5, name
        if n_defects:
            assert np.max(p[:, 2]) < 0.5, name
            assert (np.asarray(det.predict(samples)) != "defect").all(), name


def test_every_kind_of_data_has_far_samples():
    assert set(KINDS) == set(MODALITIES)


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize("n_defects", [0, 6])
@pytest.mark.parametrize("kind", MODALITIES)
def test_what_is_far_from_all_training_data_is_an_outlier(kind, n_defects, tmp_path):
    # Tracing a picture's features for an export takes a minute.
    path = tmp_path / "m.onnx" if n_defects and kind != "image" else None
    check(kind, 60, n_defects, path=path, epochs=3)


@pytest.mark.slow
@pytest.mark.all_trees
@pytest.mark.parametrize("n_defects", [0, 1, 8])
@pytest.mark.parametrize("n", [40, 120, 1000])
@pytest.mark.parametrize("kind", MODALITIES)
def test_what_is_far_is_an_outlier_with_few_and_many_rows(kind, n, n_defects):
    check(kind, n, n_defects, seed=1)
