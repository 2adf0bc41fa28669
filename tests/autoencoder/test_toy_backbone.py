"""A network family is one function and one line in the dict: everything else finds it by its name."""

from math import prod

import numpy as np
import pytest
from torch import nn

from blemish import DefectDetector, load
from blemish.autoencoder import BACKBONES
from blemish.autoencoder.layers import Unfold
from blemish.core.output import Backbone
from command_line import run
from options import options_of

pytestmark = pytest.mark.usefixtures("few_trees")


def build(sample_shape, hidden_dim, latent_dim, blocks=(), *, width: int = 8, gated: bool = False):
    """One hidden layer each way, with a gate if you like."""
    n = prod(sample_shape)

    def half(inside, outside):
        bend = nn.Sequential(nn.Linear(width, 2 * width), nn.GLU()) if gated else nn.ReLU()
        return [nn.Linear(inside, width), bend, nn.Linear(width, outside)]

    encoder = nn.Sequential(nn.Flatten(), *half(n, hidden_dim))
    return Backbone(encoder, nn.Sequential(*half(latent_dim, n), Unfold(sample_shape)))


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(BACKBONES, "toy", build)


@pytest.fixture
def table(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 3))
    np.savetxt(tmp_path / "t.csv", x, delimiter=",", header="a,b,c", comments="")
    return x, tmp_path / "t.csv"


def test_it_is_fitted_saved_and_loaded_by_its_name(table, tmp_path):
    x, _ = table
    det = DefectDetector(backbone={"name": "toy", "width": 5}, epochs=2, random_state=0).fit(x)
    assert det.fitted_.model.network.get_parameter("encoder.1.weight").shape == (5, 3)
    assert det.history_[-1].step == "autograd"  # the NumPy step does not know its layers, and the records say so
    det.save(tmp_path / "toy.blemish")
    again = load(tmp_path / "toy.blemish")
    assert again.backbone == {"name": "toy", "width": 5}
    np.testing.assert_array_equal(again.outlier_score(x), det.outlier_score(x))


def test_the_contracts_find_its_options():
    assert options_of(BACKBONES["toy"]) == {"width": [9], "gated": [True]}


def test_the_command_line_takes_it(table, tmp_path, monkeypatch, capsys):
    _, path = table
    fit = ("fit", path, "-o", tmp_path / "m.blemish", "--epochs", 1)
    status, out, _ = run(monkeypatch, capsys, *fit, "--backbone", "{name: toy, gated: true}")
    assert (status, "fitted on 60 tabular samples" in out) == (0, True)
    assert load(tmp_path / "m.blemish").backbone == {"name": "toy", "gated": True}
    status, _, err = run(monkeypatch, capsys, *fit, "--backbone", "toi")
    assert (status, "backbone 'toi' is unknown; did you mean 'toy'?" in err) == (2, True)
    status, _, err = run(monkeypatch, capsys, *fit, "--backbone", "{name: toy, widht: 5}")
    assert "backbone 'toy' has no option 'widht'; did you mean 'width'?" in err
    assert status != 0
