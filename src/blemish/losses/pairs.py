"""Codes in pairs: distances, directions, and sums and means over pairs of rows."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from blemish.core.labels import is_ordinary
from blemish.core.output import Codes, Groups, Scalar

First = Float[Tensor, "first latent"]
Second = Float[Tensor, "second latent"]
Pairs = Float[Tensor, "first second"]
Mask = Bool[Tensor, " batch"]

PAIRED_ROWS = 128  # whose distances from all later rows stay in the cache


def centre_of(z: Codes, mask: Mask) -> Float[Tensor, " latent"]:
    """Mean code of the masked rows, without gradient; the origin where the mask is empty.

    Distances are taken from here: closed forms of squared distances lose their digits far from the origin.
    """
    weight = mask.to(z.dtype)
    return (weight @ z.detach()) / weight.sum().clamp_min(1)


def squared_distances(a: First, b: Second) -> Pairs:
    """Squared Euclidean distance of every pair, shape (first, second), >= 0.

    By differences, not by the Gram matrix: exact near zero. Use it where one side is small.

    Example:
        >>> squared_distances(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor([[25.]])
    """
    return (a.unsqueeze(1) - b.unsqueeze(0)).square().sum(-1)


def distances(a: First, b: Second) -> Pairs:
    """Euclidean distance of every pair, shape (first, second); its gradient at distance 0 is 0."""
    return squared_distances(a, b).clamp_min(1e-12).sqrt()


def distances_to_many(a: First, b: Second) -> Pairs:
    r"""`distances` by one matrix product, for when one side has many rows; shape (first, second).

    .. math:: \lVert a_i - b_j \rVert^2 = \lVert a_i \rVert^2 + \lVert b_j \rVert^2 - 2 a_i \cdot b_j

    from the detached mean of b, so that an offset of all codes costs no digits. What is nothing but rounding counts as
    distance 0, and has no gradient.

    Example:
        >>> distances_to_many(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        tensor([[4.4721, 5.6569]])
    """
    if not len(a) or not len(b):
        return distances(a, b)
    return _DistancesToMany.apply(a, b)  # pyright: ignore[reportReturnType]


class _DistancesToMany(torch.autograd.Function):
    """One node with six kernels each way: by PyTorch's own rules a contrast takes half as long again."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        centre = b.mean(0)
        a, b = a - centre, b - centre
        of_a, of_b = (torch.linalg.vector_norm(x, dim=1).square_() for x in (a, b))
        lengths = of_a.unsqueeze(1) + of_b
        squared = torch.addmm(lengths, a, b.T, alpha=-2)
        rounding = lengths.mul_(8 * torch.finfo(a.dtype).eps).add_(1e-12)
        found = torch.maximum(squared, rounding).sqrt_()
        known = squared > rounding
        ctx.save_for_backward(a, b, found, known)
        return found * known

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        a, b, found, known = ctx.saved_tensors
        pull = (gradient / found).mul_(known)
        of_a = (a * pull.sum(1, keepdim=True)).addmm_(pull, b, alpha=-1)
        return of_a, (b * pull.sum(0).unsqueeze(1)).addmm_(pull.T, a, alpha=-1)


def distance_sum(z: Float[Tensor, "rows latent"]) -> Scalar:
    r"""Sum of the Euclidean distances over all unordered pairs of rows, \(\sum_{i<j} \lVert z_i - z_j \rVert\).

    The distances come from matrix products, from the mean of all rows, and so does the gradient, from the same inverse
    distances: a quarter of the time of `torch.pdist`. It can be differentiated once. Two equal rows count as
    0.001 of the farthest row's distance from the mean, and do not move.

    Example:
        >>> distance_sum(torch.tensor([[0.0], [1.0], [3.0]]))
        tensor(6.)
    """
    return _DistanceSum.apply(z)  # pyright: ignore[reportReturnType]


class _DistanceSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Float[Tensor, "rows latent"]) -> Scalar:
        if len(z) < 2:
            ctx.save_for_backward(torch.zeros_like(z))
            return z.new_zeros(())
        u = z - z.mean(0)
        lengths, one = u.square().sum(1, keepdim=True), torch.ones_like(u[:, :1])
        rounding = 8 * torch.finfo(z.dtype).eps * lengths.max() + torch.finfo(z.dtype).tiny
        left, right = torch.cat([u, lengths, one], 1), torch.cat([-2 * u, one, lengths], 1).T.contiguous()
        with_one = torch.cat([u, one], 1)
        total, pulled = z.new_zeros(()), torch.zeros_like(with_one)
        for start in range(0, len(u), PAIRED_ROWS):
            rows = slice(start, start + PAIRED_ROWS)
            squared = torch.mm(left[rows], right[:, start:]).clamp_min_(rounding)
            inverse = squared.rsqrt()
            inverse[:, : len(inverse)].triu_(1)  # two rows of this block are a pair once
            total += torch.dot(squared.flatten(), inverse.flatten())
            pulled[rows] += inverse @ with_one[start:]
            pulled[start:].addmm_(inverse.T, with_one[rows])
        ctx.save_for_backward(u * pulled[:, -1:] - pulled[:, :-1])
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Scalar) -> Float[Tensor, "rows latent"]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (of_sum,) = ctx.saved_tensors
        return gradient * of_sum


def rows_where(z: Codes, mask: Mask) -> Float[Tensor, "some latent"]:
    """The masked rows; as `z[mask]`, whose gradient takes ten times as long."""
    return z.index_select(0, mask.nonzero().squeeze(1))


def columns_where(pairs: Float[Tensor, "defect batch"], mask: Mask) -> Float[Tensor, "defect some"]:
    """The masked columns. To choose among pairs moves less memory than to choose among codes and pair those."""
    return pairs.index_select(1, mask.nonzero().squeeze(1))


def pair_mean(values: Float[Tensor, "rows rows"]) -> Scalar:
    """Mean over the ordered pairs of different rows; 0 for a single row."""
    n = values.shape[0]
    return (values.sum() - values.diagonal().sum()) / max(n * (n - 1), 1)


def partner_mean(values: Float[Tensor, "rows rows"]) -> Scalar:
    """Mean over the ordered pairs of different rows; a single row is its own partner."""
    return values.sum() if len(values) == 1 else pair_mean(values)


def from_normals(z: Codes, group: Groups) -> Codes:
    """Codes as seen from the mean normal, so that angles and inner products do not depend on the origin."""
    weight = is_ordinary(group).to(z.dtype)
    return z - weight @ z / weight.sum().clamp_min(1)


def directions(z: Codes, group: Groups) -> Codes:
    """Unit vectors from the mean normal to each code; a code that lies there has none, and gives 0."""
    f = from_normals(z, group)
    return f / (f.square().sum(1, keepdim=True) + 1e-12).sqrt()


def within_sum(z: Codes, mask: Mask) -> Scalar:
    r"""Sum of squared distances over all unordered pairs of masked rows, in time linear in their number.

    .. math:: \sum_{i<j} \lVert z_i - z_j \rVert^2 = n \sum_i \lVert u_i \rVert^2 - \lVert \sum_i u_i \rVert^2

    with u = z - the detached centre of the masked rows.
    """
    weight = mask.to(z.dtype).unsqueeze(1)
    centred = (z - centre_of(z, mask)) * weight
    return weight.sum() * centred.square().sum() - centred.sum(0).square().sum()


def mean_squared_distance_to(z: Codes, mask: Mask, points: Float[Tensor, "points latent"]) -> Float[Tensor, " points"]:
    r"""Mean squared distance of each point from the masked rows, linear in both numbers; shape (points,).

    .. math:: s_d = \lVert v_d - \bar u \rVert^2 + \frac1n \sum_i \lVert u_i - \bar u \rVert^2
    """
    weight = mask.to(z.dtype).unsqueeze(1)
    n = weight.sum().clamp_min(1)
    centre = centre_of(z, mask)
    mean = ((z - centre) * weight).sum(0) / n
    variance = (((z - centre) - mean) * weight).square().sum() / n
    return ((points - centre) - mean).square().sum(1) + variance
