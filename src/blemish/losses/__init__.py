"""Loss terms: a pure function and a frozen dataclass with its weight, one file each."""

from blemish.losses.contrast.cosine import Cosine
from blemish.losses.contrast.info_nce import InfoNce
from blemish.losses.contrast.margin import Margin
from blemish.losses.contrast.mean_distance import MeanDistance
from blemish.losses.contrast.n_pair import NPair
from blemish.losses.contrast.sum_of_squares import SumOfSquares
from blemish.losses.contrast.triplet import Triplet
from blemish.losses.kl import Kl
from blemish.losses.orthogonality import Orthogonality
from blemish.losses.pace import Pace
from blemish.losses.reconstruction.bce import Bce
from blemish.losses.reconstruction.embedded import Embedded
from blemish.losses.reconstruction.huber import Huber
from blemish.losses.reconstruction.l2p import L2p
from blemish.losses.reconstruction.mse import Mse
from blemish.losses.reconstruction.typed import Typed
from blemish.losses.rsr import RsrLoss
from blemish.losses.subspace import Subspace

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
