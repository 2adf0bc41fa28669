"""Network families, one file each; their names stand in `blemish.autoencoder`."""
