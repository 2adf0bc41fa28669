"""Feature sets of a picture, in addition to the code of the autoencoder."""
