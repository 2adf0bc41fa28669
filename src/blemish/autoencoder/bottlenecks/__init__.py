"""What happens between encoder and decoder: final modules h → z that fill some fields of `Output`."""

from blemish.core.parts import Parts

BOTTLENECKS = Parts(
    {
        "plain": "blemish.autoencoder.bottlenecks.plain:Plain",
        "variational": "blemish.autoencoder.bottlenecks.variational:Variational",
        "rsr": "blemish.autoencoder.bottlenecks.rsr:Rsr",
    }
)

__all__ = ["BOTTLENECKS"]
