"""Named choices of parts: every system of the field that these parts can make, one line each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blemish.core.errors import ConfigError, nearest


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


_RSRAE = "Lai, Zou & Lerman 2019, arXiv:1904.00152, eq. (3), (4)"
_ORIGINAL = "github.com/Stancoo/contrastive_loss"

_IN_TURN: dict[str, Any] = {
    "bottleneck": {"name": "rsr", "unit_length": True},
    "losses": ["l2p", "subspace", "orthogonality"],
    "latent_dim": 10,
    "lr": {"name": "one_cycle", "lr": 3e-3},
    "scorer": "reconstruction",
}

PRESETS = {
    "default": Preset("what DefectDetector() is", "docs/decisions.md"),
    "linear": Preset(
        "linear autoencoder: principal components as a network",
        "Baldi & Hornik 1989, Neural Networks 2",
        {"backbone": "linear", "lr": {"name": "one_cycle", "lr": 1e-2, "weight_decay": 0.0}},
    ),
    "conv": Preset(
        "convolutions, upsampled by transposed convolution: the default for images",
        "Masci et al. 2011",
        {"backbone": "conv"},
    ),
    "conv_nearest": Preset(
        "convolutions, upsampled by nearest neighbour",
        "Odena et al. 2016",
        {"backbone": {"name": "conv", "upsampling": "nearest"}},
    ),
    "denoising": Preset(
        "reconstructs the clean row from a noisy one", "Vincent et al. 2010, section 3.2", {"corruption": "gaussian"}
    ),
    "inpainting": Preset(
        "learns with hidden pixels or columns, to fill in what is missing",
        "Vincent et al. 2010, section 3.2 (masking noise)",
        {"corruption": {"name": "mask", "share": 0.4}},
    ),
    "beta_vae": Preset(
        "variational autoencoder with a weighted KL term",
        "Kingma & Welling 2013, arXiv:1312.6114, section 2.4; Higgins et al. 2017, eq. (4)",
        {"bottleneck": "variational"},
    ),
    "tabular_beta_vae": Preset(
        "the original tabular prototype: entity embeddings, beta-VAE, warm restarts; categories by cross-entropy",
        "Kingma & Welling 2013, arXiv:1312.6114, section 2.4; Guo & Berkhahn 2016, arXiv:1604.06737",
        {
            "modality": "tabular",
            "backbone": {"name": "mlp", "widths": [64, 128, 256, 128, 64]},
            "bottleneck": {"name": "variational", "stdev": 0.1},
            # The original takes the mean over its 16 dimensions where our KL term takes the sum.
            "losses": ["typed", {"name": "kl", "weight": 0.05 / 16}],
            "latent_dim": 16,
            "epochs": 60,
            "batch_size": 128,
            "lr": {"name": "cosine_warm_restarts", "lr": 1e-3, "cycles": 2, "weight_decay": 1e-5, "eps": 1e-4},
            "scorer": "reconstruction",
        },
    ),
    "contrastive_vae": Preset(
        "variational autoencoder whose latent space keeps the defects apart",
        "Kingma & Welling 2013; Hadsell et al. 2006, eq. (4)",
        {
            "bottleneck": "variational",
            "losses": ["reconstruction", "kl", {"name": "margin", "miner": "distance_weighted"}],
        },
    ),
    "contrastive_vae_triplet": Preset(
        "the same with triplets, near negatives more often",
        "Schroff et al. 2015, arXiv:1503.03832, eq. (3)",
        {"bottleneck": "variational", "losses": ["reconstruction", "kl", "triplet"]},
    ),
    "contrastive_vae_n_pair": Preset(
        "the same with the N-pair loss on inner products",
        "Sohn 2016, eq. (3)",
        {"bottleneck": "variational", "losses": ["reconstruction", "kl", "n_pair"]},
    ),
    "contrastive_vae_info_nce": Preset(
        "the same with InfoNCE on angles",
        "van den Oord et al. 2018, arXiv:1807.03748, eq. (4); Khosla et al. 2020, eq. (2)",
        {"bottleneck": "variational", "losses": ["reconstruction", "kl", "info_nce"]},
    ),
    "contrastive_vae_cosine": Preset(
        "the same with a margin on angles",
        "Kingma & Welling 2013; torch.nn.CosineEmbeddingLoss",
        {"bottleneck": "variational", "losses": ["reconstruction", "kl", "cosine"]},
    ),
    "rsrae": Preset(
        "robust subspace recovery, reconstruction and subspace in turn",
        _RSRAE,
        _IN_TURN,
    ),
    "rsrae_image": Preset(
        "the same for pictures: a dark one's error counts as much as a bright one's, and training ends early",
        _RSRAE,
        {
            **_IN_TURN,
            "modality": "image",
            "losses": [{"name": "l2p", "relative_to": 0.5}, "subspace", "orthogonality"],
            # The authors' rate is 2.5e-4: a network that learns more than its
            # pictures share reconstructs outliers, too.
            "lr": {"name": "one_cycle", "lr": 3e-4},
            "epochs": 5,
            "batch_size": 64,
        },
    ),
    "rsrae_text": Preset(
        "the same for texts of one kind among others: rare words weigh a little more",
        _RSRAE,
        {**_IN_TURN, "modality": {"name": "text", "idf": 0.5, "max_terms": 2000}, "epochs": 40, "batch_size": 64},
    ),
    "rsrae_plus": Preset(
        "robust subspace recovery, all terms in one sum",
        _RSRAE,
        {"bottleneck": "rsr", "losses": ["l2p", "rsr"], "latent_dim": 10, "scorer": "reconstruction"},
    ),
    "spatio_temporal": Preset(
        "a ConvLSTM over the frames of a clip",
        "Chong & Tay 2017, arXiv:1701.01546",
        {"modality": "video", "backbone": "conv_lstm", "latent_dim": 256, "batch_size": 8},
    ),
    "contrastive_spatio_temporal": Preset(
        "the original prototype's recipe: unsquared mean distances, reconstruction error as the score",
        _ORIGINAL,
        {"losses": ["mse", "mean_distance"], "scorer": "reconstruction"},
    ),
    "contrastive_spatio_temporal_formula": Preset(
        "the original prototype's formula: sums of squared distances, reconstruction error as the score",
        _ORIGINAL,
        {"losses": ["mse", "sum_of_squares"], "scorer": "reconstruction"},
    ),
}


RENAMED = {
    "prototype": "contrastive_spatio_temporal",
    "prototype_formula": "contrastive_spatio_temporal_formula",
    "transposed": "conv",
    "nearest": "conv_nearest",
    "tabular_vae": "tabular_beta_vae",
}
"""Former names, for run files that still hold them: refused rather than translated, so that there is one name each."""


def of_preset(name: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a preset stands for, some overridden.

    Raises:
        ConfigError: If there is no such preset, or it has another name now.
    """
    if name in RENAMED:
        raise ConfigError(f"preset {name!r} is now called {RENAMED[name]!r}; use that name")
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is unknown; {nearest(name, PRESETS)}")
    return {**PRESETS[name].arguments, **overrides}
