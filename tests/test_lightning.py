"""A Trainer makes the same losses as our own loop, on the same batches."""

import importlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from blemish import PRESETS, DefectDetector
from blemish.core.errors import ConfigError, MissingExtraError, TrainingError
from conftest import modality_of

lightning = pytest.importorskip("lightning", reason="the extra 'lightning' is not installed", exc_type=ImportError)

from blemish.lightning import DefectModule  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),  # Lightning's own
    pytest.mark.filterwarnings("ignore:.*lr_scheduler.step:UserWarning"),
]


class Recorder(lightning.pytorch.callbacks.Checkpoint):
    """What was logged, a dictionary an epoch; a checkpoint, because those are called after the module."""

    def __init__(self):
        self.epochs = []

    def on_train_epoch_end(self, trainer, module):
        self.epochs.append({name: float(value) for name, value in trainer.callback_metrics.items()})


def detector(preset="default", **arguments):
    quick = {"epochs": 2, "latent_dim": 4, "scorer": "reconstruction"}
    return DefectDetector.from_preset(preset, **{**quick, "random_state": 0, **arguments})


def train(module, **arguments):
    """Train quietly; what was logged."""
    recorder = Recorder()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    arguments = {"max_epochs": module.epochs, "accelerator": "cpu", **quiet, **arguments}
    lightning.Trainer(callbacks=[recorder], **arguments).fit(module)
    return recorder.epochs


@pytest.mark.parametrize("preset", PRESETS)
def test_the_losses_are_those_of_our_loop(preset, splits):
    split = splits[modality_of(preset)]
    X, y = split.X_train[-48:], split.y_train[-48:]  # the labelled ones come last
    ours = detector(preset).fit(X, y)
    module = DefectModule(detector(preset), X, y)
    logged = train(module)
    assert len(logged) == len(ours.history_) == 2
    for epoch, record in zip(logged, ours.history_, strict=True):
        assert epoch == pytest.approx({**record.terms, "total": record.total}, rel=1e-6, abs=1e-6)
    theirs = module.fitted()
    assert np.allclose(theirs.outlier_score(X), ours.outlier_score(X), rtol=1e-5)


def test_a_warm_start_goes_on_from_the_weights(table_split):
    X, y = table_split.X_train, table_split.y_train
    ours = detector("contrastive_spatio_temporal", epochs=4).fit(X).refit(X, y)
    logged = train(DefectModule(detector("contrastive_spatio_temporal", epochs=4).fit(X), X, y, warm_start=True))
    assert [epoch["total"] for epoch in logged] == pytest.approx([r.total for r in ours.history_], rel=1e-6)


def test_the_loss_on_held_out_rows_is_logged_for_early_stopping(table_split):
    stopping = {"at_most": 2, "patience": 2}
    ours = detector(epochs=stopping).fit(table_split.X_train)
    logged = train(DefectModule(detector(epochs=stopping), table_split.X_train))
    assert [epoch["validation"] for epoch in logged] == pytest.approx([r.validation for r in ours.history_], rel=1e-6)


def test_a_trainer_without_an_end_is_refused(table_split):
    with pytest.raises(ConfigError, match="the Trainer has no end.*give it max_epochs=module.epochs"):
        train(DefectModule(detector(), table_split.X_train), max_epochs=-1)


def test_several_devices_are_refused(table_split):
    module = DefectModule(detector(), table_split.X_train)
    setattr(module, "_trainer", SimpleNamespace(world_size=2))  # noqa: B010 (no Trainer, only its count)
    with pytest.raises(ConfigError, match="the Trainer has 2 devices; give it devices=1"):
        module.configure_optimizers()


def test_a_nan_names_its_term(table_split):
    module = DefectModule(detector(), table_split.X_train)
    next(module.network.parameters()).data.fill_(float("nan"))
    with pytest.raises(TrainingError, match="loss Typed became NaN or infinite in epoch 1"):
        train(module)


def test_without_lightning_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning", None)
    monkeypatch.delitem(sys.modules, "blemish.lightning")
    with pytest.raises(MissingExtraError, match=r"'lightning' is not installed.*pip install 'blemish\[lightning\]'"):
        importlib.import_module("blemish.lightning")
