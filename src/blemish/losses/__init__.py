"""Loss terms, by name: a pure function and a frozen dataclass with its weight, one file each."""

from blemish.core.parts import Parts

LOSSES = Parts(
    {
        "mse": "blemish.losses.reconstruction.mse:Mse",
        "bce": "blemish.losses.reconstruction.bce:Bce",
        "huber": "blemish.losses.reconstruction.huber:Huber",
        "l2p": "blemish.losses.reconstruction.l2p:L2p",
        "typed": "blemish.losses.reconstruction.typed:Typed",
        "embedded": "blemish.losses.reconstruction.embedded:Embedded",
        "sum_of_squares": "blemish.losses.contrast.sum_of_squares:SumOfSquares",
        "mean_distance": "blemish.losses.contrast.mean_distance:MeanDistance",
        "margin": "blemish.losses.contrast.margin:Margin",
        "triplet": "blemish.losses.contrast.triplet:Triplet",
        "n_pair": "blemish.losses.contrast.n_pair:NPair",
        "info_nce": "blemish.losses.contrast.info_nce:InfoNce",
        "cosine": "blemish.losses.contrast.cosine:Cosine",
        "kl": "blemish.losses.kl:Kl",
        "pace": "blemish.losses.playback_speed:PlaybackSpeed",
        "rsr": "blemish.losses.rsr:RsrLoss",
        "subspace": "blemish.losses.rsr:Subspace",
        "orthogonality": "blemish.losses.rsr:Orthogonality",
    }
)

__all__ = ["LOSSES"]
