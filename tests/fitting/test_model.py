"""Parts put together: scores by any number of threads, weights of a file, and devices that are not there."""

import numpy as np
import pytest
import torch

from blemish import DefectDetector
from blemish.core.errors import ArtifactError, ConfigError, DataError
from blemish.core.state import Stored
from blemish.fitting import model
from blemish.fitting.model import JUDGED_ROWS, device_for
from blemish.modalities import fitted_tabular


@pytest.mark.parametrize("as_frame", [False, True])
def test_scores_have_the_same_bits_by_any_number_of_threads(table_detector, table_split, monkeypatch, as_frame):
    monkeypatch.setattr(model, "JUDGED_ROWS", 64)
    monkeypatch.setattr(fitted_tabular, "ENCODED_TOGETHER", 64)
    monkeypatch.setattr(fitted_tabular, "ENCODED_ROWS", 32)
    X = table_split.X_test
    X = {f"x{i}": column for i, column in enumerate(np.asarray(X, dtype=float).T)} if as_frame else X
    alone = table_detector.scores(X)
    torch.set_num_threads(2)
    try:
        shared = table_detector.scores(X)
    finally:
        torch.set_num_threads(1)
    for name, scores in alone.items():
        np.testing.assert_array_equal(shared[name], scores)


def test_an_array_is_prepared_in_parts_and_scores_as_the_whole_does(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    det = DefectDetector(epochs=1, scorer="reconstruction", random_state=0).fit(X)
    asked: list[int] = []
    prepare = type(det.fitted_.model.modality).to_tensor

    def spy(self, raw):
        asked.append(len(raw))
        return prepare(self, raw)

    monkeypatch.setattr(type(det.fitted_.model.modality), "to_tensor", spy)
    new = rng.normal(size=(JUDGED_ROWS + 5, 4))
    scores = det.outlier_score(new)
    assert sorted(asked) == [5, JUDGED_ROWS]
    whole = det.fitted_.outlier_score(det.fitted_.model.evidence(det.fitted_.model.to_tensor(new)))
    np.testing.assert_allclose(scores, whole, rtol=1e-5)
    new[JUDGED_ROWS + 2, 1] = np.inf
    with pytest.raises(DataError, match=f"row {JUDGED_ROWS + 2}, column 'x1' is infinity"):
        det.outlier_score(new)


def test_a_copy_has_weights_of_its_own(table_detector):
    ours = table_detector.fitted_.model
    copy = ours.copy()
    before = {name: weight.copy() for name, weight in ours.arrays().items()}
    with torch.no_grad():
        for weight in copy.network.parameters():
            weight += 1
    assert all(np.array_equal(weight, before[name]) for name, weight in ours.arrays().items())


def test_weights_of_a_file_are_checked(table_detector):
    copy = table_detector.fitted_.model.copy()
    arrays = copy.arrays()

    def stored(change):
        return Stored({name: change(weight) for name, weight in arrays.items()}).under("network")

    copy.load_weights(stored(lambda weight: weight + 1))
    assert all(np.array_equal(weight, arrays[name] + 1) for name, weight in copy.arrays().items())
    with pytest.raises(ArtifactError, match="holds float64, expected float32"):
        copy.load_weights(stored(lambda weight: weight.astype(np.float64)))
    with pytest.raises(ArtifactError, match="has shape .*, expected"):
        copy.load_weights(stored(lambda weight: weight[:1]))


def test_the_evidence_is_that_of_each_row(table_detector, table_split):
    ours = table_detector.fitted_.model
    x = ours.to_tensor(table_split.X_test)
    together, alone = ours.evidence(x), ours.evidence(x[7:8])
    np.testing.assert_allclose(alone.z[0], together.z[7], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(alone.error[0], together.error[7], rtol=1e-5)
    assert ours.error_map(x).shape == (len(x), len(ours.modality.blocks))


def test_a_device_that_is_not_there_is_refused():
    assert device_for("cpu").type == "cpu"
    for name in ("abacus", "cuda:99"):
        with pytest.raises(ConfigError, match=f"device '{name}' is not available here .*; use 'auto'"):
            device_for(name)
