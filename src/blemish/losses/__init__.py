"""Loss terms, by name: a pure function and a frozen dataclass with its weight, one file each."""

from blemish.core.parts import Parts

_RECONSTRUCTIONS = {
    "mse": "blemish.losses.reconstruction.mse:Mse",
    "bce": "blemish.losses.reconstruction.bce:Bce",
    "huber": "blemish.losses.reconstruction.huber:Huber",
    "l2p": "blemish.losses.reconstruction.l2p:L2p",
    "typed": "blemish.losses.reconstruction.typed:Typed",
    "embedded": "blemish.losses.reconstruction.embedded:Embedded",
}
_CONTRASTS = {
    "sum_of_squares": "blemish.losses.contrast.sum_of_squares:SumOfSquares",
    "mean_distance": "blemish.losses.contrast.mean_distance:MeanDistance",
    "margin": "blemish.losses.contrast.margin:Margin",
    "triplet": "blemish.losses.contrast.triplet:Triplet",
    "n_pair": "blemish.losses.contrast.n_pair:NPair",
    "info_nce": "blemish.losses.contrast.info_nce:InfoNce",
    "cosine": "blemish.losses.contrast.cosine:Cosine",
}
_OTHERS = {
    "kl": "blemish.losses.kl:Kl",
    "pace": "blemish.losses.pace:Pace",
    "rsr": "blemish.losses.rsr:RsrLoss",
    "subspace": "blemish.losses.subspace:Subspace",
    "orthogonality": "blemish.losses.orthogonality:Orthogonality",
}
LOSSES = Parts({**_RECONSTRUCTIONS, **_CONTRASTS, **_OTHERS})
RECONSTRUCTIONS, CONTRASTS = Parts(_RECONSTRUCTIONS), Parts(_CONTRASTS)

__all__ = ["CONTRASTS", "LOSSES", "RECONSTRUCTIONS"]
