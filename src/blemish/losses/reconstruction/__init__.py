"""How far a reconstruction is from its sample: one loss per file."""
