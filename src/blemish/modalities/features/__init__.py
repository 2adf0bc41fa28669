"""Features of a picture besides the code of the autoencoder."""
