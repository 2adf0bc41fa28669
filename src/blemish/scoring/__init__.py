"""From codes and errors to scores, probabilities, thresholds and p-values."""

from blemish.scoring.evidence import Evidence, Scorer
from blemish.scoring.latent import Latent
from blemish.scoring.reconstruction import ReconstructionOnly

SCORERS = {
    "latent": Latent,
    "reconstruction": ReconstructionOnly,
}

__all__ = ["SCORERS", "Evidence", "Scorer"]
