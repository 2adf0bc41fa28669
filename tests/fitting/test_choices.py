"""Choices that cannot work are refused, and the message says why."""

import pytest

from blemish import DefectDetector
from blemish.core.errors import ConfigError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": "conv"}, "backbone 'conv' needs images or video"),
        ({"backbone": "mpl"}, "backbone 'mpl' is unknown; did you mean 'mlp'"),
        ({"backbone": {"name": "mlp", "width": [4]}}, "has no option 'width'; did you mean 'widths'"),
        ({"backbone": {"name": "mlp", "widths": ["a"]}}, "option .widths.0.: Input should be a valid integer"),
        ({"backbone": {"name": "mlp", "widths": [-3]}}, "cannot be built for samples of shape"),
        ({"losses": ["margin"]}, "must hold exactly one that reconstructs"),
        ({"losses": ["mse", "huber"]}, "must hold exactly one that reconstructs"),
        ({"losses": ["mse", "kl"]}, "Kl needs 'mu'"),
        ({"losses": ["mse", {"name": "sum_of_squares", "cap": None}]}, "has no lower bound"),
        ({"epochs": 0}, "epochs=0 must be 'auto' or a whole number"),
        ({"corruption": {"name": "mask", "share": 7}}, "share=7.0 must lie between 0 and 1"),
        ({"corruption": {"name": "gaussian", "stdev": -1}}, "stdev=-1.0 must be a number of at least 0"),
        ({"scorer": {"name": "ensemble", "experts": {}}}, "name none; give feature sets with experts"),
        ({"epochs": {"at_most": 5, "patince": 1}}, "has no option 'patince'; did you mean 'patience'"),
        ({"batch_size": 1.5}, "batch_size=1.5 must be"),
        ({"latent_dim": "big"}, "latent_dim='big' must be"),
        ({"lr": -1}, "lr=-1 must be a learning rate"),
        ({"lr": {"name": "one_cycle", "lr": "fast"}}, "lr 'one_cycle', option 'lr'"),
        ({"device": "abacus"}, "device 'abacus' is not available"),
        ({"modality": "sound"}, "modality 'sound' is unknown"),
        ({"scorer": "best"}, "scorer 'best' is unknown"),
        ({"corruption": 3}, "corruption 3 is neither a name"),
    ],
)
def test_choices_that_cannot_work(arguments, message, table_split):
    with pytest.raises(ConfigError, match=message):
        DefectDetector(**{"epochs": 1, **arguments}).fit(table_split.X_train, table_split.y_train)
