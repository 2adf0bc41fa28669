"""How text files are written: their encoding, how lines are cut into cells, and where the heading is."""
