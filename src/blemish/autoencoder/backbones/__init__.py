"""Network families: functions `build(sample_shape, hidden_dim, latent_dim, blocks) -> Backbone(encoder, decoder)`."""

from blemish.core.parts import Parts

BACKBONES = Parts(
    {
        "linear": "blemish.autoencoder.backbones.linear:build",
        "mlp": "blemish.autoencoder.backbones.mlp:build",
        "conv": "blemish.autoencoder.backbones.conv:build",
        "conv_lstm": "blemish.autoencoder.backbones.conv_lstm:build",
    }
)

__all__ = ["BACKBONES"]
