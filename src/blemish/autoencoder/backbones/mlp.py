"""Fully connected layers; the default for tables."""

from math import prod

from torch import nn

from blemish.autoencoder.layers import CategoryEmbedding, Unfold, mlp
from blemish.core.output import Backbone, Blocks


def build(
    sample_shape: tuple[int, ...],
    hidden_dim: int,
    latent_dim: int,
    blocks: Blocks = (),
    *,
    widths: tuple[int, ...] = (128, 64),
) -> Backbone:
    """Build a fully connected encoder and its mirror image.

    Use for tables and short feature vectors; not for pictures, whose neighbourhoods it ignores.

    Args:
        sample_shape: Shape of one sample; flattened.
        hidden_dim: Width of `h`.
        latent_dim: Width of `z`.
        blocks: The columns of a table; categorical ones are embedded first.
        widths: Widths of the encoder's inner layers, first to last; the decoder has them reversed.

    Returns:
        Encoder (batch, *sample) → (batch, hidden), decoder (batch, latent) → (batch, *sample). The decoder ends in a
        linear layer, so that any value can be reconstructed.

    Example:
        >>> encoder, decoder = build((30,), 8, 8, widths=(16,))
        >>> len(encoder[-1])
        3

    Reference:
        Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006.
    """
    n = prod(sample_shape)
    widths = tuple(widths)
    embedding = CategoryEmbedding(n, blocks)
    encoder = nn.Sequential(nn.Flatten(), embedding, mlp((embedding.out_features, *widths, hidden_dim)))
    return Backbone(encoder, nn.Sequential(mlp((latent_dim, *widths[::-1], n)), Unfold(sample_shape)))
