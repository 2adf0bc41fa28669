"""Labels and probabilities of several kinds in a graph, with a kind without labels and one with a single one."""

import numpy as np
import pytest

from blemish import DefectDetector
from blemish.onnx.decisions import NO_SCORE
from blemish.runtime import Runtime

PLAIN = {"name": "ensemble", "experts": {"plain": ["linear", "neighbours"]}}


def test_a_graph_decides_as_the_model_does(tmp_path):
    x = np.random.default_rng(0).normal(size=(150, 3))
    x[:20, 0] += 4
    x[20:40, 1] += 4
    y = [*["crack"] * 6, *[None] * 14, "dent", *[None] * 129]
    det = DefectDetector(scorer=PLAIN, epochs=1, random_state=0, defects=("crack", "dent", "hole"))
    with pytest.warns(UserWarning, match="no row is labelled 'hole'"):
        det.fit(x, y)
    det.set_threshold(contamination=0.1).set_threshold(recall=0.5, kind="crack")
    det.export(tmp_path / "m.onnx", x)
    found = Runtime(tmp_path / "m.onnx").scores(x)
    np.testing.assert_allclose(found["probabilities"], det.predict_proba(x), atol=1e-5)
    assert (found["label"] == det.predict(x)).mean() > 0.98
    assert (found["kind_scores"][:, 2] == NO_SCORE).all()
