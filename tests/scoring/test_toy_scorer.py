"""A scorer is one class and one line in `SCORERS`; an ONNX graph is optional."""

from dataclasses import dataclass

import numpy as np
import pytest
from jaxtyping import Float64

from blemish import DefectDetector, load
from blemish.core.errors import ConfigError, ExportError
from blemish.core.labels import DEFECT
from blemish.core.state import State
from blemish.scoring import SCORERS
from blemish.scoring.scorer import Scorer, Scores

pytestmark = pytest.mark.usefixtures("few_trees")


@dataclass(frozen=True)
class Mean(State):
    """Of the labelled defects; far away without any."""

    mean: Float64[np.ndarray, " latent"]


@dataclass(frozen=True)
class Toy(Scorer[Mean]):
    """How near a code lies to the mean labelled defect; unusual is what lies far from 0."""

    steepness: float = 1.0
    state = Mean

    def fit(self, evidence, group, seed=0):
        defects = evidence.z[group == DEFECT]
        return Mean(defects.mean(axis=0) if len(defects) else np.full(evidence.z.shape[1], 1e6))

    def out_of_fold_scores(self, state, evidence, group):
        codes = evidence.z[group == DEFECT]
        means = [np.delete(codes, i, axis=0).mean(axis=0) for i in range(len(codes)) if len(codes) > 1]
        return np.array([-np.linalg.norm(code - mean) for code, mean in zip(codes, means, strict=False)])

    def scores(self, state, evidence, *, labelled):
        defect = -np.linalg.norm(evidence.z - state.mean, axis=1)
        p = np.exp(self.steepness * defect)
        probabilities = np.column_stack([0.9 * (1 - p), 0.1 * (1 - p), p])
        return Scores(np.linalg.norm(evidence.z, axis=1), defect if labelled else None, probabilities)


@pytest.fixture(autouse=True)
def _one_line(monkeypatch):
    monkeypatch.setitem(SCORERS, "toy", Toy)


@pytest.mark.parametrize("labelled", [True, False])
def test_a_toy_scorer_fits_scores_and_is_kept_in_a_model_file(table_split, tmp_path, labelled):
    y, new = table_split.y_train if labelled else None, table_split.X_test
    det = DefectDetector(epochs=1, scorer="toy", random_state=0).fit(table_split.X_train, y)
    np.testing.assert_allclose(det.predict_proba(new).sum(axis=1), 1)
    assert det.p_values(new).shape == (len(new),)
    det.save(tmp_path / "m.blemish")
    again = load(tmp_path / "m.blemish")
    for name, scores in det.scores(new).items():
        np.testing.assert_array_equal(again.scores(new)[name], scores)
    if labelled:
        assert det.set_threshold(recall=0.5).promise_.n == det.label_report().n_defects == 8
    with pytest.raises(ExportError, match=r"^the scorer 'toy' has no ONNX graph; score with the model file instead$"):
        again.export(tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_options_of_a_toy_scorer_are_checked(table_split):
    scorer = {"name": "toy", "steep": 1.0}
    with pytest.raises(ConfigError, match="scorer 'toy' has no option 'steep'; did you mean 'steepness'"):
        DefectDetector(epochs=1, scorer=scorer).fit(table_split.X_train)
