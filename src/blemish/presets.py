"""Named choices of parts: every system of the field that these parts can make, one line each."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A model by name.

    Attributes:
        summary: One line for a list.
        paper: Where it comes from.
        arguments: What differs from `DefectDetector`'s defaults.
    """

    summary: str
    paper: str
    arguments: dict[str, Any] = field(default_factory=dict)


_RSRAE = "Lai, Zou & Lerman 2019, arXiv:1904.00152"
_SEED = "github.com/Stancoo/contrastive_loss"

PRESETS = {
    "default": Preset("what DefectDetector() is", "docs/decisions.md"),
    "linear": Preset(
        "linear autoencoder: principal components as a network", "Baldi & Hornik 1989", {"backbone": "linear"}
    ),
    "nearest": Preset(
        "convolutions, upsampled by nearest neighbour",
        "Odena et al. 2016",
        {"backbone": {"name": "conv", "upsampling": "nearest"}},
    ),
    "denoising": Preset(
        "reconstructs the clean row from a noisy one", "Vincent et al. 2010", {"corruption": "gaussian"}
    ),
    "beta_vae": Preset(
        "variational autoencoder with a weighted KL term",
        "Kingma & Welling 2013; Higgins et al. 2017",
        {"bottleneck": "variational"},
    ),
    "contrastive_vae": Preset(
        "variational autoencoder whose latent space keeps the defects apart",
        "Kingma & Welling 2013; Hadsell et al. 2006",
        {"bottleneck": "variational", "losses": ["reconstruction", "kl", "margin"]},
    ),
    "rsrae": Preset(
        "robust subspace recovery, reconstruction and subspace in turn",
        _RSRAE,
        {
            "bottleneck": {"name": "rsr", "unit_length": True},
            "losses": ["l2p", "subspace", "orthogonality"],
            "latent_dim": 10,
            "lr": {"name": "one_cycle", "lr": 1e-3},
            "scorer": "reconstruction",
        },
    ),
    "rsrae_plus": Preset(
        "robust subspace recovery, all terms in one sum",
        _RSRAE,
        {"bottleneck": "rsr", "losses": ["l2p", "rsr"], "latent_dim": 10, "scorer": "reconstruction"},
    ),
    "spatio_temporal": Preset(
        "a ConvLSTM over the frames of a clip",
        "Chong & Tay 2017, arXiv:1701.01546",
        {"modality": "video", "backbone": "conv_lstm"},
    ),
    "prototype": Preset(
        "the seed's recipe: unsquared mean distances, reconstruction error as the score",
        _SEED,
        {"losses": ["mse", "mean_distance"], "scorer": "reconstruction"},
    ),
    "prototype_formula": Preset(
        "the seed's formula: sums of squared distances, reconstruction error as the score",
        _SEED,
        {"losses": ["mse", "sum_of_squares"], "scorer": "reconstruction"},
    ),
}
