"""The one network: encode → bottleneck → decode."""
