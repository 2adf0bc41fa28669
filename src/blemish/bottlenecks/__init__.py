"""What happens between encoder and decoder: final modules h → z that fill some fields of `Output`."""

from blemish.bottlenecks.plain import Plain
from blemish.bottlenecks.rsr import Rsr
from blemish.bottlenecks.variational import Variational

BOTTLENECKS = {
    "plain": Plain,
    "variational": Variational,
    "rsr": Rsr,
}

__all__ = ["BOTTLENECKS"]
