"""Evidence → scores of samples: scorers, by name."""

from blemish.core.parts import Parts

SCORERS = Parts(
    {
        "ensemble": "blemish.scoring.ensemble:Ensemble",
        "latent": "blemish.scoring.latent:Latent",
        "reconstruction": "blemish.scoring.latent:ReconstructionOnly",
    }
)

__all__ = ["SCORERS"]
