"""Texture of a picture: statistics of local filters over all positions."""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

SCALES = (0.7, 1.4, 2.8)
"""Standard deviations of the filters, in pixels: each twice the one before."""
SURROUND = 4.0
"""Standard deviation of the neighbourhood that local contrast is measured in, in pixels."""
MIN_CONTRAST = 0.02
"""Contrast, as a fraction of the pixels' range, below which a neighbourhood counts as flat."""
LAGS = (1, 2)
"""Distances between the pixels that are compared, in pixels."""
MIN_VARIANCE = 1e-6  # of pixels, as a fraction of their range squared: a flat picture's neighbours do not go together
MAX_KURTOSIS = 50.0  # a single bright pixel in a flat picture would otherwise dwarf all other features


def texture(x: Float[Tensor, "row channel height width"]) -> Float[Tensor, "row feature"]:
    """Mean, spread, extremes, skewness and kurtosis over all positions of every filter's response.

    A small defect (a pinhole, a crack) moves the extremes and the kurtosis of a few filters, wherever it lies; a code
    of the whole picture misses it. The filters are derivatives of Gaussians, first and second, at three scales, on the
    picture and on the picture normalised by its local contrast.

    Args:
        x: Pictures in [0, 1].

    Returns:
        Shape (row, channel * 6 * 44), finite.

    Reference:
        Leung and Malik, "Representing and recognizing the visual appearance of materials using three-dimensional
        textons", 2001; local contrast after Jarrett et al., "What is the best multi-stage architecture for object
        recognition?", 2009.
    """
    maps = []
    for picture in (x, normalise_contrast(x)):
        maps.append(picture)
        for scale in SCALES:
            maps.extend(derivatives(picture, scale))
    return torch.cat([moments(one) for one in maps], dim=1)


def derivatives(x: Float[Tensor, "row channel height width"], scale: float) -> list[Tensor]:
    """Slopes, their length, and curvatures of the picture blurred by a Gaussian.

    Args:
        x: Pictures.
        scale: The Gaussian's standard deviation, in pixels; responses are multiplied by it (twice for curvatures), so
            that they do not fade as it grows.

    Returns:
        Seven maps: slopes down and across, their length, curvatures down, across and mixed, and the Laplacian.
    """
    smooth, slope, curve = _kernels(scale, x)
    rows = {name: _along(x, kernel, -2) for name, kernel in (("0", smooth), ("1", slope), ("2", curve))}
    down, across = _along(rows["1"], smooth, -1), _along(rows["0"], slope, -1)
    bend_down, bend_across = _along(rows["2"], smooth, -1), _along(rows["0"], curve, -1)
    mixed = _along(rows["1"], slope, -1)
    length = (down.square() + across.square()).sqrt()
    return [down, across, length, bend_down, bend_across, mixed, bend_down + bend_across]


@cache
def texture_width(channels: int) -> int:
    """Number of features of a picture, without one."""
    # Not on "meta": there these operations import half of PyTorch, which takes seconds.
    return texture(torch.zeros(1, channels, 8, 8, device="cpu")).shape[1]


def normalise_contrast(x: Float[Tensor, "row channel height width"]) -> Float[Tensor, "row channel height width"]:
    """Subtract the local mean, divide by the local spread: light and shadow go, small marks stay."""
    near, wide = _kernels(SURROUND, x)[0], _kernels(2 * SURROUND, x)[0]
    centred = x - _along(_along(x, near, -1), near, -2)
    variance = _along(_along(centred.square(), wide, -1), wide, -2)
    return centred / (variance.clamp_min(0).sqrt() + MIN_CONTRAST)


def moments(x: Float[Tensor, "row channel height width"]) -> Float[Tensor, "row feature"]:
    """Mean, standard deviation, minimum, maximum, skewness and kurtosis of each channel, shape (row, 6 * channel)."""
    flat = x.flatten(2)
    mean = flat.mean(dim=2)
    centred = flat - mean.unsqueeze(2)
    square = centred.square()
    spread = square.mean(dim=2).sqrt()
    skewness = (square * centred).mean(dim=2) / (spread**3 + 1e-9)
    kurtosis = square.square().mean(dim=2) / (spread**4 + 1e-9)
    parts = [mean, spread, flat.amin(dim=2), flat.amax(dim=2), skewness, kurtosis.clamp_max(MAX_KURTOSIS)]
    return torch.cat(parts, dim=1)


def neighbours(x: Float[Tensor, "row channel height width"]) -> Float[Tensor, "row feature"]:
    """Correlation of pixels with those one and two pixels away, down and across alike, of each channel.

    Whatever a camera sees is smooth, each kind in its own measure and whatever its light and contrast; noise, shuffled
    pixels and flat pictures are not.

    Args:
        x: Pictures in [0, 1].

    Returns:
        Shape (row, 2 * channel), 0 for a flat picture.
    """
    double = x.double()
    centred = double - double.mean(dim=(2, 3), keepdim=True)
    variance = centred.square().mean(dim=(2, 3)) + MIN_VARIANCE
    found = []
    for lag in LAGS:
        along = [(a * b).mean(dim=(2, 3)) for a, b in _pairs(centred, lag)]
        found.append(sum(along, torch.zeros_like(variance)) / max(1, len(along)) / variance)
    return torch.cat(found, dim=1).to(x.dtype)


def _pairs(x: Tensor, lag: int) -> list[tuple[Tensor, Tensor]]:
    """Every pixel and its neighbour, down and across, where a picture is as large."""
    sides = [(axis, x.shape[axis] - lag) for axis in (2, 3) if x.shape[axis] > lag]
    return [(x.narrow(axis, 0, length), x.narrow(axis, lag, length)) for axis, length in sides]


def _kernels(scale: float, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    reach = int(3 * scale + 0.5)
    t = torch.arange(-reach, reach + 1, dtype=like.dtype, device=like.device)
    smooth = torch.exp(-0.5 * (t / scale) ** 2)
    smooth = smooth / smooth.sum()
    return smooth, t / scale * smooth, ((t / scale) ** 2 - 1) * smooth


def _along(x: Tensor, kernel: Tensor, axis: int) -> Tensor:
    """Filter along one axis; pixels at an edge are repeated beyond it."""
    reach = len(kernel) // 2
    across = axis == -1
    maps = pad(x.flatten(0, 1).unsqueeze(1), (reach, reach, 0, 0) if across else (0, 0, reach, reach), mode="replicate")
    return conv2d(maps, kernel.reshape((1, 1, 1, -1) if across else (1, 1, -1, 1))).reshape(x.shape)
