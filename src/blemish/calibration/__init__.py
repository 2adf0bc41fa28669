"""Scores → decisions: thresholds and guarantees, probabilities, p-values, the report on labels."""

from blemish.calibration.drift import mostly_reported

__all__ = ["mostly_reported"]
