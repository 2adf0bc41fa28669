"""Scores → decisions: thresholds and guarantees, probabilities, p-values, the report on labels."""
