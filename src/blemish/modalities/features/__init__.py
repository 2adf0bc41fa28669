"""Feature sets of a picture, in addition to the code of the autoencoder."""

from blemish.modalities.features.feature_cache import FeatureCache, caching

__all__ = ["FeatureCache", "caching"]
