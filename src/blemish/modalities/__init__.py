"""Kinds of data by name: samples ↔ one float tensor ↔ what a person sees. Adding one is one file and one line here."""

from blemish.core.parts import Parts

MODALITIES = Parts(
    {
        "tabular": "blemish.modalities.tabular:Tabular",
        "image": "blemish.modalities.image:Image",
        "video": "blemish.modalities.video:Video",
        "text": "blemish.modalities.text:Text",
    }
)

__all__ = ["MODALITIES"]
