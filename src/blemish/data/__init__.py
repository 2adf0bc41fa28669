"""Raw data → samples, with their keys, labels, and what was read and what was not."""
