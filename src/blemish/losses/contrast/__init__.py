"""Labelled defects close together, everything else far away: one loss per file."""
