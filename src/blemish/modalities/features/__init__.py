"""Features of a picture besides the code of the autoencoder."""

from blemish.modalities.features.feature_cache import FeatureCache, caching

__all__ = ["FeatureCache", "caching"]
