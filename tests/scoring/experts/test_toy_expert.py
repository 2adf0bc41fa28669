"""An expert is one class and one line in `EXPERTS`; an ONNX graph is optional."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from jaxtyping import Float64

from blemish import DefectDetector, load
from blemish.core.errors import ConfigError, ExportError
from blemish.core.state import State
from blemish.scoring.experts import EXPERTS
from blemish.scoring.experts.expert import Expert


@dataclass(frozen=True)
class Median(State):
    """Of each feature."""

    median: Float64[np.ndarray, " feature"]


@dataclass(frozen=True)
class Toy(Expert[Median]):
    """Distance from the median row, in any norm."""

    power: float = 2.0
    state = Median
    uses_labels: ClassVar[bool] = False

    def fit(self, x, is_defect, weight, seed):
        return Median(np.median(x[~is_defect], axis=0).astype(np.float64))

    def score(self, state, x):
        return (np.abs(x - state.median) ** self.power).sum(axis=1)


SCORER = {"name": "ensemble", "experts": {"plain": [{"name": "toy", "power": 1.0}, "linear"]}}


@pytest.fixture(autouse=True)
def _one_line(monkeypatch):
    monkeypatch.setitem(EXPERTS, "toy", Toy)


def test_a_toy_expert_fits_scores_and_is_kept_in_a_model_file(table_split, tmp_path):
    det = DefectDetector(epochs=1, scorer=SCORER, random_state=0).fit(table_split.X_train, table_split.y_train)
    new = table_split.X_test
    np.testing.assert_allclose(det.predict_proba(new).sum(axis=1), 1)
    assert det.label_report().n_defects == 8
    scorer: Any = det.fitted_.scorer
    found = scorer.expert_scores(det.fitted_.scorer_state, det.fitted_.model.evidence(det.fitted_.model.to_tensor(new)))
    assert list(found) == ["0 toy of plain", "1 linear of plain"]
    det.save(tmp_path / "m.blemish")
    again = load(tmp_path / "m.blemish")
    for name, scores in det.scores(new).items():
        np.testing.assert_array_equal(again.scores(new)[name], scores)
    with pytest.raises(
        ExportError, match=r"^the expert 'toy' has no ONNX graph; leave it out .*, or score with the model file instead"
    ):
        again.export(tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_options_of_a_toy_expert_are_checked(table_split):
    experts = {"plain": [{"name": "toy", "powr": 1.0}]}
    with pytest.raises(ConfigError, match="expert 'toy' has no option 'powr'; did you mean 'power'"):
        DefectDetector(epochs=1, scorer={"name": "ensemble", "experts": experts}).fit(table_split.X_train)
