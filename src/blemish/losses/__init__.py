"""Loss terms: a pure function and a frozen dataclass with its weight, one file each."""

from blemish.losses.bce import Bce
from blemish.losses.cosine import Cosine
from blemish.losses.embedded import Embedded
from blemish.losses.huber import Huber
from blemish.losses.info_nce import InfoNce
from blemish.losses.kl import Kl
from blemish.losses.l2p import L2p
from blemish.losses.margin import Margin
from blemish.losses.mean_distance import MeanDistance
from blemish.losses.mse import Mse
from blemish.losses.n_pair import NPair
from blemish.losses.orthogonality import Orthogonality
from blemish.losses.pace import Pace
from blemish.losses.rsr import RsrLoss
from blemish.losses.subspace import Subspace
from blemish.losses.sum_of_squares import SumOfSquares
from blemish.losses.triplet import Triplet
from blemish.losses.typed import Typed

RECONSTRUCTIONS = {
    "mse": Mse,
    "bce": Bce,
    "huber": Huber,
    "l2p": L2p,
    "typed": Typed,
    "embedded": Embedded,
}
CONTRASTS = {
    "sum_of_squares": SumOfSquares,
    "mean_distance": MeanDistance,
    "margin": Margin,
    "triplet": Triplet,
    "n_pair": NPair,
    "info_nce": InfoNce,
    "cosine": Cosine,
}
LOSSES = {
    **RECONSTRUCTIONS,
    **CONTRASTS,
    "kl": Kl,
    "pace": Pace,
    "rsr": RsrLoss,
    "subspace": Subspace,
    "orthogonality": Orthogonality,
}

__all__ = ["CONTRASTS", "LOSSES", "RECONSTRUCTIONS"]
