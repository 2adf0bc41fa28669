"""From codes and errors to scores, probabilities, thresholds and p-values."""

from blemish.scoring.ensemble import Ensemble
from blemish.scoring.evidence import Evidence, Scorer, Scores
from blemish.scoring.latent import Latent
from blemish.scoring.reconstruction import ReconstructionOnly

SCORERS = {
    "ensemble": Ensemble,
    "latent": Latent,
    "reconstruction": ReconstructionOnly,
}

__all__ = ["SCORERS", "Evidence", "Scorer", "Scores"]
