"""Network families: functions `build(sample_shape, hidden_dim, latent_dim, blocks) -> Backbone(encoder, decoder)`."""

from blemish.autoencoder.backbones import conv, conv_lstm, linear, mlp

BACKBONES = {
    "linear": linear.build,
    "mlp": mlp.build,
    "conv": conv.build,
    "conv_lstm": conv_lstm.build,
}

__all__ = ["BACKBONES"]
