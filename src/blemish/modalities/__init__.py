"""Kinds of data: raw samples ↔ one float tensor ↔ something a person can look at."""

from blemish.modalities.image import Image
from blemish.modalities.modality import FittedModality, Modality
from blemish.modalities.tabular import Tabular
from blemish.modalities.text import Text
from blemish.modalities.video import Video

MODALITIES = {
    "tabular": Tabular,
    "image": Image,
    "video": Video,
    "text": Text,
}

__all__ = ["MODALITIES", "FittedModality", "Modality"]
