"""The one network: encode → bottleneck → decode.

A network family is a function `build(sample_shape, hidden_dim, latent_dim, blocks, *, options) -> Backbone`; a
bottleneck is a final module h → z that names the fields of `Output` that it fills.
"""

from blemish.core.parts import Parts

BACKBONES = Parts(
    {
        "linear": "blemish.autoencoder.backbones.linear:build",
        "mlp": "blemish.autoencoder.backbones.mlp:build",
        "conv": "blemish.autoencoder.backbones.conv:build",
        "conv_lstm": "blemish.autoencoder.backbones.conv_lstm:build",
    }
)
BOTTLENECKS = Parts(
    {
        "plain": "blemish.autoencoder.autoencoder:Plain",
        "variational": "blemish.autoencoder.autoencoder:Variational",
        "rsr": "blemish.autoencoder.autoencoder:Rsr",
    }
)

__all__ = ["BACKBONES", "BOTTLENECKS"]
