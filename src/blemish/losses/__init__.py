"""Loss terms: a pure function and a frozen dataclass with its weight, one file each."""

from blemish.losses.bce import Bce
from blemish.losses.huber import Huber
from blemish.losses.kl import Kl
from blemish.losses.l2p import L2p
from blemish.losses.margin import Margin
from blemish.losses.mean_distance import MeanDistance
from blemish.losses.mse import Mse
from blemish.losses.orthogonality import Orthogonality
from blemish.losses.rsr import RsrLoss
from blemish.losses.subspace import Subspace
from blemish.losses.sum_of_squares import SumOfSquares
from blemish.losses.typed import Typed

RECONSTRUCTIONS = {
    "mse": Mse,
    "bce": Bce,
    "huber": Huber,
    "l2p": L2p,
    "typed": Typed,
}
CONTRASTS = {
    "sum_of_squares": SumOfSquares,
    "mean_distance": MeanDistance,
    "margin": Margin,
}
LOSSES = {
    **RECONSTRUCTIONS,
    **CONTRASTS,
    "kl": Kl,
    "rsr": RsrLoss,
    "subspace": Subspace,
    "orthogonality": Orthogonality,
}

__all__ = ["CONTRASTS", "LOSSES", "RECONSTRUCTIONS"]
