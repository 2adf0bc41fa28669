"""Features of pictures are made once, and scores stay the same bits."""

import numpy as np
import torch

from blemish import DefectDetector
from blemish.fitting.model import filled
from blemish.modalities.features.feature_cache import FeatureCache, caching, current


def test_scores_in_one_pass_equal_the_single_ones(table_detector, table_split):
    found = table_detector.assess(table_split.X_test)
    assert np.array_equal(found.outlier, table_detector.outlier_score(table_split.X_test))
    assert np.array_equal(found.defect, table_detector.defect_score(table_split.X_test))
    assert np.array_equal(found.probabilities, table_detector.predict_proba(table_split.X_test))
    assert np.array_equal(found.codes, table_detector.encode(table_split.X_test))
    assert not found.views


def test_views_are_what_the_scorer_asks_for_and_only_on_request(table_detector, table_split):
    views = table_detector.assess(table_split.X_test, views=True).views
    model = table_detector.fitted_.model
    evidence = model.evidence(model.to_tensor(table_split.X_test))
    assert model.views == sorted(views)
    assert len(views) > 0
    assert all(np.array_equal(view, evidence.feature_set(name)) for name, view in views.items())


def test_a_scorer_that_joins_the_networks_own_views_asks_the_modality_for_nothing(table_split):
    scorer = {"name": "ensemble", "experts": {"code+error": ["linear", "isolation"]}}
    det = DefectDetector(epochs=1, random_state=0, scorer=scorer).fit(table_split.X_train, table_split.y_train)
    assert det.fitted_.model.views == []
    assert det.assess(table_split.X_test, views=True).views == {}


def test_a_refit_with_memory_gives_the_same_bits_and_makes_no_feature_again(image_split, monkeypatch):
    X, y = image_split.X_train[-24:], image_split.y_train[-24:]
    asked = []
    with caching(FeatureCache(2**30)) as memory:
        det = DefectDetector(epochs=1, random_state=0).fit(X)
        assert memory.n_bytes > 0
        kind = type(det.fitted_.model.modality)
        make = kind.features
        monkeypatch.setattr(kind, "features", lambda self, x: asked.append(len(x)) or make(self, x))
        again = det.refit(X, y).assess(X)
    assert asked == []
    assert current() is None
    plain = det.assess(X)
    assert sum(asked) == 24
    for name in ("outlier", "defect", "probabilities", "codes"):
        assert np.array_equal(getattr(plain, name), getattr(again, name))


def test_memory_has_an_end_and_forgets_for_another_owner():
    memory, asked = FeatureCache(8), []

    def make(x):
        asked.append(len(x))
        return {"sum": x.sum(dim=(1, 2, 3))[:, None]}

    x = torch.arange(4.0)[:, None, None, None]
    for owner, expected in [(1, [4]), (1, [4, 2]), (2, [4, 2, 4])]:  # two rows of four bytes are kept
        assert memory.features(owner, make, x)["sum"].flatten().tolist() == [0, 1, 2, 3]
        assert asked == expected
        assert memory.n_bytes == 8


def test_parts_fill_arrays_in_order():
    rows, error = torch.arange(10.0).reshape(5, 2), torch.arange(5, dtype=torch.float64)
    parts = ({"z": rows[at : at + 2], "error": error[at : at + 2]} for at in (0, 2, 4))
    found = filled(parts, 5)
    assert np.array_equal(found["z"], rows.numpy())
    assert np.array_equal(found["error"], error.numpy())
    assert found["error"].dtype == np.float64
    assert filled(iter([{"z": rows[:0]}]), 0)["z"].shape == (0, 2)
