"""Feature sets of a picture, in addition to the code of the autoencoder."""

from blemish.modalities.features.feature_cache import FeatureCache, caching
from blemish.modalities.features.map_store import keeping_maps, users_store

__all__ = ["FeatureCache", "caching", "keeping_maps", "users_store"]
