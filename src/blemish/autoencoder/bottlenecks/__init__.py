"""What happens between encoder and decoder: final modules h → z that fill some fields of `Output`."""

from blemish.autoencoder.bottlenecks.plain import Plain
from blemish.autoencoder.bottlenecks.rsr import Rsr
from blemish.autoencoder.bottlenecks.variational import Variational

BOTTLENECKS = {
    "plain": Plain,
    "variational": Variational,
    "rsr": Rsr,
}

__all__ = ["BOTTLENECKS"]
