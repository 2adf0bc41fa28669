"""Every preset fits data of its kind and keeps the contract, whatever its parts."""

import re
import sys
from typing import Any

import numpy as np
import pytest
import torch

from blemish import DefectDetector
from blemish.cli import main
from blemish.core.errors import ConfigError
from blemish.presets import PRESETS, RENAMED
from conftest import modality_of

pytestmark = pytest.mark.usefixtures("few_trees")


def states():
    """Python's own generator is left out: beartype draws from it. tests/test_detector.py watches it without beartype."""
    numpys: Any = np.random.get_state()  # noqa: NPY002 (it must stay untouched)
    return numpys[1].tolist(), torch.get_rng_state().tolist()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_keep_the_contract(name, splits):
    split = splits[modality_of(name)]
    X, y = split.X_train[-60:], split.y_train[-60:]
    kept = X.copy()
    before = states()
    scorer = PRESETS[name].arguments.get("scorer", "latent")  # the experts have tests of their own
    det, again = (DefectDetector.from_preset(name, epochs=1, scorer=scorer, random_state=0).fit(X, y) for _ in "ab")
    assert states() == before, "global generators"
    rows = split.X_test[:40:2]
    for score in ("outlier_score", "defect_score"):
        scores = getattr(det, score)(rows)
        np.testing.assert_array_equal(scores, getattr(det, score)(rows))
        np.testing.assert_array_equal(scores, getattr(again, score)(rows))
        np.testing.assert_allclose(getattr(det, score)(rows[:3]), scores[:3], rtol=1e-5, atol=1e-7)
        assert np.isfinite(scores).all()
        assert len(np.unique(scores)) > len(rows) / 2
    np.testing.assert_allclose(det.predict_proba(rows).sum(axis=1), 1, rtol=1e-9)
    np.testing.assert_array_equal(X, kept)
    drawn = det.sample(3, random_state=0)
    assert drawn.shape == (3, *X.shape[1:])
    assert X.dtype == object or np.isfinite(drawn).all()
    np.testing.assert_array_equal(drawn, det.sample(3, random_state=0))
    assert det.decode(det.encode(rows[:2])).shape == rows[:2].shape


@pytest.mark.parametrize("name", PRESETS)
def test_presets_say_where_they_come_from(name):
    preset = PRESETS[name]
    assert preset.summary
    assert re.search(r"\b(19|20)\d\d\b|github\.com|docs/", preset.paper)


@pytest.mark.parametrize("former", RENAMED)
def test_a_former_name_is_refused_with_the_new_one(former):
    assert RENAMED[former] in PRESETS
    assert former not in PRESETS
    with pytest.raises(ConfigError, match=f"^preset '{former}' is now called '{RENAMED[former]}'; use that name$"):
        DefectDetector.from_preset(former)


@pytest.mark.parametrize("given", ["--preset", "--config"])
def test_the_command_line_names_the_new_name(given, tmp_path, monkeypatch, capsys):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    (tmp_path / "run.yaml").write_text("preset: transposed\n")
    value = "transposed" if given == "--preset" else "run.yaml"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["blemish", "fit", "t.csv", "-o", "m.blemish", given, value])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "preset 'transposed' is now called 'conv'; use that name" in capsys.readouterr().err


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_arguments(name):
    det = DefectDetector.from_preset(name, epochs=7)
    assert det.epochs == 7
    kept = {k: v for k, v in PRESETS[name].arguments.items() if k != "epochs"}
    assert {k: v for k, v in det.get_params().items() if k in kept} == kept


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(ConfigError, match="preset 'rsra' is unknown; did you mean 'rsrae'"):
        DefectDetector.from_preset("rsra")


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
