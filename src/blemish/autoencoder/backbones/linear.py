"""One linear layer each way: the network form of principal component analysis."""

from math import prod

from torch import nn

from blemish.autoencoder.layers import CategoryEmbedding, Unfold
from blemish.core.output import Backbone, Blocks


def build(sample_shape: tuple[int, ...], hidden_dim: int, latent_dim: int, blocks: Blocks = ()) -> Backbone:
    """Build a linear encoder and decoder.

    Use when the normals lie near a plane, or as the yardstick for deeper networks; not when normals form several
    clusters. With a plain bottleneck and squared error the optimum spans the leading principal components.

    Args:
        sample_shape: Shape of one sample; flattened.
        hidden_dim: Width of `h`.
        latent_dim: Width of `z`.
        blocks: The columns of a table; categorical ones are embedded first.

    Returns:
        Encoder (batch, *sample) → (batch, hidden), decoder (batch, latent) → (batch, *sample).

    Example:
        >>> encoder, decoder = build((784,), 32, 32)
        >>> sum(p.numel() for p in encoder.parameters())
        25120

    Reference:
        Baldi and Hornik, "Neural networks and principal component analysis", Neural Networks 2, 1989.
    """
    n = prod(sample_shape)
    embedding = CategoryEmbedding(n, blocks)
    encoder = nn.Sequential(nn.Flatten(), embedding, nn.Linear(embedding.out_features, hidden_dim))
    return Backbone(encoder, nn.Sequential(nn.Linear(latent_dim, n), Unfold(sample_shape)))
