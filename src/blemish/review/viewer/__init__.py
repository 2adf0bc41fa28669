"""One picture at its own size: its tiles, what people drew on it, and the map of the score over it."""
