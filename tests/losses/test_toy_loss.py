"""A loss is one class and one line in the dict: everything else finds it by its name."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

import reference
from blemish import DefectDetector, load
from blemish.losses import LOSSES
from blemish.losses.loss import ReconstructionLoss, losses_of_kind
from command_line import run

pytestmark = pytest.mark.usefixtures("few_trees")


@dataclass(frozen=True)
class LogCosh(ReconstructionLoss):
    """Quadratic near zero and linear far away, without a corner.

    Attributes:
        scale: Where quadratic turns linear, > 0.
    """

    scale: float = 1.0

    def error_map(self, x, x_hat, blocks=()):
        """Error of every element."""
        e = (x - x_hat) / self.scale
        return torch.nn.functional.softplus(-2 * e) + e - np.log(2)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(LOSSES, "toy", LogCosh)


@pytest.fixture
def table(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 3))
    np.savetxt(tmp_path / "t.csv", x, delimiter=",", header="a,b,c", comments="")
    return x, tmp_path / "t.csv"


def test_it_is_fitted_saved_and_loaded_by_its_name(table, tmp_path):
    x, _ = table
    det = DefectDetector(losses=[{"name": "toy", "scale": 0.5}], epochs=2, random_state=0).fit(x)
    assert det.fitted_.model.reconstruction == LogCosh(scale=0.5)
    assert set(det.history_[-1].terms) == {"LogCosh"}
    det.save(tmp_path / "toy.blemish")
    again = load(tmp_path / "toy.blemish")
    assert again.losses == [{"name": "toy", "scale": 0.5}]
    np.testing.assert_array_equal(again.outlier_score(x), det.outlier_score(x))


def test_a_fit_records_which_step_it_took(table):
    x, _ = table
    steps = {
        loss: DefectDetector(losses=loss, epochs=1, random_state=0).fit(x).history_[-1].step for loss in ("toy", "mse")
    }
    assert steps == {"toy": "autograd", "mse": "numpy"}


def test_it_is_a_reconstruction_without_being_listed_as_one():
    assert losses_of_kind(ReconstructionLoss)["toy"] is LogCosh


def test_without_a_reference_the_contract_says_what_to_write():
    with pytest.raises(AssertionError, match="loss 'toy' has no NumPy reference: write .* in tests/reference.py"):
        reference.of_loss("toy")
    with pytest.raises(AssertionError, match="loss 'toy' has no NumPy reference: write .* ERROR_MAPS"):
        reference.of_error_map("toy")


def test_the_command_line_takes_it(table, tmp_path, monkeypatch, capsys):
    _, path = table
    fit = ("fit", path, "-o", tmp_path / "m.blemish", "--epochs", 1)
    status, out, _ = run(monkeypatch, capsys, *fit, "--loss", "toy")
    assert (status, "fitted on 60 tabular samples" in out) == (0, True)
    assert load(tmp_path / "m.blemish").losses == ["toy"]
    status, _, err = run(monkeypatch, capsys, *fit, "--loss", "toi")
    assert (status, "loss 'toi' is unknown; did you mean 'toy'?" in err) == (2, True)
    status, _, err = run(monkeypatch, capsys, *fit, "--loss", "{name: toy, scal: 2}")
    assert "loss 'toy' has no option 'scal'; did you mean 'scale'?" in err
    assert status != 0
