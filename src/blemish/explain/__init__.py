"""Why a sample was flagged."""
