"""Self-made outliers from the normals at hand, so that a region that nobody has seen does not count as "my defect".

Each function takes samples and gives samples of the same shape that are unlike the normals in some random way. They
train the contrastive terms as members of the group 'other' and are never reconstructed.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from blemish.core.output import Block, SelfMade
from blemish.losses.functional import column_mask


def swap_columns(
    x: Float[Tensor, "batch *feature"], generator: torch.Generator, blocks: tuple[Block, ...] = ()
) -> SelfMade:
    """Give each row a random share (10 to 60 %) of another row's columns: each value is usual, their company is not.

    Args:
        x: Rows of a table, shape (batch, feature); or any samples, whose elements are the columns.
        generator: Source of randomness, on the CPU.
        blocks: The columns; a category's features move together.

    Returns:
        Shape of `x`; no pace.
    """
    share = 0.1 + 0.5 * torch.rand(x.shape[0], 1, generator=generator)
    partner = torch.randperm(x.shape[0], generator=generator).to(x.device)
    return SelfMade(torch.where(column_mask(x, share, generator, blocks), x[partner], x))


def cut_paste(
    x: Float[Tensor, "batch channel height width"], generator: torch.Generator, blocks: tuple[Block, ...] = ()
) -> SelfMade:
    """Paste a random patch (2 to 30 % of the area) of another image somewhere else.

    Args:
        x: Images, shape (batch, channel, height, width).
        generator: Source of randomness, on the CPU.
        blocks: Not used; images have no columns.

    Returns:
        Shape of `x`; no pace.

    Reference:
        Li et al., "CutPaste", CVPR 2021, arXiv:2104.04015. The patch comes from another image.
    """
    result = x.clone()
    height, width = x.shape[-2:]
    partner = torch.randperm(x.shape[0], generator=generator)
    for row in range(x.shape[0]):
        u = torch.rand(6, generator=generator).tolist()
        area, ratio = (0.02 + 0.28 * u[0]) * height * width, 4 ** (2 * u[1] - 1)
        h = min(height, max(1, round((area * ratio) ** 0.5)))
        w = min(width, max(1, round((area / ratio) ** 0.5)))
        top, left = int(u[2] * (height - h + 1)), int(u[3] * (width - w + 1))
        from_top, from_left = int(u[4] * (height - h + 1)), int(u[5] * (width - w + 1))
        patch = x[int(partner[row]), ..., from_top : from_top + h, from_left : from_left + w]
        result[row, ..., top : top + h, left : left + w] = patch
    return SelfMade(result)


def time_warp(
    x: Float[Tensor, "batch frame channel height width"], generator: torch.Generator, blocks: tuple[Block, ...] = ()
) -> SelfMade:
    """Replay each clip along a random path through its own time, forwards or back, blending neighbouring frames.

    Half of the speeds lie near 1 (the hard ones: normal with a standard deviation of 0.3), half anywhere from -2 to 2;
    one clip in ten stands still. Half of the paths are even, half uneven, and 15 % take their frames at random. A path
    that leaves the clip is reflected back into it.

    Args:
        x: Clips, shape (batch, frame, channel, height, width).
        generator: Source of randomness, on the CPU.
        blocks: Not used; video has no columns.

    Returns:
        Shape of `x`, with the speed of even paths as the pace.
    """
    n, frames = x.shape[:2]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    speed = torch.where(uniform(n, 1) < 0.5, 1 + 0.3 * normal(n, 1), 4 * uniform(n, 1) - 2)
    speed = torch.where(uniform(n, 1) < 0.1, torch.zeros(n, 1), speed)
    unevenness = torch.where(uniform(n, 1) < 0.5, torch.zeros(n, 1), uniform(n, 1))
    steps = speed + unevenness * normal(n, frames)
    path = steps.cumsum(dim=1) - steps[:, :1] + (frames - 1) * (speed < 0)
    jumps = uniform(n, 1) < 0.15
    path = torch.where(jumps, (frames - 1) * uniform(n, frames), path)
    pace = torch.where(jumps | (unevenness > 0), torch.nan, speed)[:, 0]
    period = max(2 * (frames - 1), 1)
    path = path.remainder(period)
    path = torch.minimum(path, period - path).to(x.device)
    low = path.floor().long().clamp(0, max(frames - 2, 0))
    share = (path - low).clamp(0, 1).reshape(n, frames, 1, 1, 1).to(x.dtype)
    rows = torch.arange(n, device=x.device).unsqueeze(1)
    warped = torch.lerp(x[rows, low], x[rows, (low + 1).clamp_max(frames - 1)], share)
    return SelfMade(warped, pace.to(x.device, x.dtype))
