"""Rows on training: a step, a whole fit, contrasts, distances, the coin."""

import time
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from blemish import DefectDetector
from blemish.autoencoder.autoencoder import Autoencoder
from blemish.autoencoder.backbones import BACKBONES
from blemish.autoencoder.bottlenecks import BOTTLENECKS
from blemish.core.labels import DEFECT
from blemish.core.output import Batch, Block, LossTerm
from blemish.losses import LOSSES
from blemish.losses.functional import mean_squared_distance_to, within_sum
from blemish.training.loop import run
from blemish.training.task import Plan, Task, TrainingData
from speeds.turns import Peer, Result, Variant, compare, peer

N_ROWS, WIDTH, BATCH = 20_000, 30, 128
BLOCKS = tuple(Block(i, i + 1, "numeric") for i in range(WIDTH))


def step(turns: int, *, quick: bool) -> Iterator[Result]:
    """A step of our loop in those of a loop written by hand, for squared error and for the default of tables.

    Ours is the NumPy step (`blemish.training.numpy_step`); a subclass of a loss is left to PyTorch's autograd.
    """
    x = torch.randn(N_ROWS // 10 if quick else N_ROWS, WIDTH, generator=torch.Generator().manual_seed(0))
    by_hand = {"mse": nn.functional.mse_loss, "typed": nn.functional.huber_loss}
    for loss, error in by_hand.items():
        term = LOSSES[loss]
        left_to_pytorch = type(term.__name__, (term,), {})
        for how, made, goal in (("NumPy step", term, "<= 0.45"), ("autograd", left_to_pytorch, "<= 1.05")):
            variants = {"ours": lambda made=made: ours(x, made()), "by hand": lambda error=error: bare(x, error)}
            yield compare(f"training step, {loss}, {how}: ours / bare loop with fused Adam", goal, variants, turns)


def ours(x: torch.Tensor, term: LossTerm, epochs: int = 4) -> float:
    """Seconds of our loop with all that it does besides: clipping, schedule, records."""
    group = torch.zeros(len(x), dtype=torch.int64)
    backbone = BACKBONES["mlp"]((WIDTH,), 16, 16, BLOCKS, widths=(64, 32))
    network = Autoencoder(backbone, BOTTLENECKS["plain"](16))
    plan, generator = Plan(epochs, BATCH), torch.Generator().manual_seed(0)
    task = Task(network, TrainingData(x, group, BLOCKS), [term], plan, generator)
    start = time.perf_counter()
    for _ in run(task):
        pass
    return time.perf_counter() - start


def bare(x: torch.Tensor, error: "nn.Module", epochs: int = 4) -> float:
    """Seconds of the shortest loop that trains the same layers."""
    widths = (WIDTH, 64, 32, 16, 32, 64, WIDTH)
    layers: list[nn.Module] = []
    for i in range(len(widths) - 1):
        layers += [nn.Linear(widths[i], widths[i + 1])] + ([nn.SiLU()] if i not in (2, 5) else [])
    network = nn.Sequential(*layers)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    start = time.perf_counter()
    for _ in range(epochs):
        for rows in x[torch.randperm(len(x))].split(BATCH):
            optimiser.zero_grad(set_to_none=True)
            error(network(rows), rows).backward()
            optimiser.step()
    return time.perf_counter() - start


def fit(turns: int, *, quick: bool) -> Iterator[Result]:
    """A whole `fit` in PyOD's `AutoEncoder.fit` with the same layers, rows, epochs and batches."""
    epochs = 1 if quick else 10
    x = np.random.default_rng(0).standard_normal((N_ROWS, WIDTH)).astype(np.float32)
    with peer(1) as pyod:
        for scorer in ("reconstruction", "ensemble"):
            variants = {"ours": _whole_fit(x, scorer, epochs), "PyOD": _peers(pyod, f"fit {epochs}")}
            goal = "<= 0.30" if scorer == "reconstruction" else ""
            yield compare(f"fit, scorer {scorer}: ours / PyOD's AutoEncoder", goal, variants, turns)


def _whole_fit(x: np.ndarray, scorer: str, epochs: int) -> Variant:
    def fit_once() -> float:
        det = DefectDetector(
            backbone={"name": "mlp", "widths": [64, 32]}, latent_dim=16, losses="mse", batch_size=BATCH,
            epochs=epochs, scorer=scorer, random_state=0,
        )  # fmt: skip
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            det.fit(x)
        return time.perf_counter() - start

    return fit_once


def _peers(pyod: Peer, work: str) -> Variant:
    return lambda: pyod(work)


def contrast(turns: int, *, quick: bool) -> Iterator[Result]:
    """A step with each contrast in the step without, on the same 1,024 normals and 16 defects with 64-d codes."""
    x = torch.randn(1040, 64, generator=torch.Generator().manual_seed(0))
    group = torch.cat([torch.zeros(1024, dtype=torch.int64), torch.full((16,), DEFECT)])
    repeats = 3 if quick else 30

    def steps(*names: str) -> float:
        network = Autoencoder(BACKBONES["mlp"]((64,), 64, 64, ()), BOTTLENECKS["plain"](64))
        terms, batch = [LOSSES[name]() for name in names], Batch(x, group)
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
        start = time.perf_counter()
        for _ in range(repeats):
            optimiser.zero_grad(set_to_none=True)
            out = network(x, None, 1024)
            values = [
                term(batch if term.needs_defects else batch.first(1024), out if term.needs_defects else out.first(1024))
                for term in terms
            ]
            torch.stack(values).sum().backward()
            optimiser.step()
        return time.perf_counter() - start

    for name in sorted(name for name, loss in LOSSES.items() if loss.needs_defects):
        variants = {"with": lambda name=name: steps("mse", name), "without": lambda: steps("mse")}
        yield compare(f"step with contrast {name} / without, n = 1024, 16 defects", "<= 1.3", variants, turns)
    floor = {"and products": lambda: steps("mse") + _half_of_all_pairs(repeats), "without": lambda: steps("mse")}
    yield compare(
        "floor of mean_distance: the step and three products of half of all pairs / the step", "", floor, turns
    )


def _half_of_all_pairs(repeats: int) -> float:
    """Seconds of the products that distances of half of 1,024² pairs and their gradient take; nothing else."""
    half, codes, pairs = torch.randn(512, 64), torch.randn(1024, 64), torch.randn(512, 1024)
    start = time.perf_counter()
    for _ in range(repeats):
        torch.mm(half, codes.T)
        torch.mm(pairs, codes)
        torch.mm(pairs.T, half)
    return time.perf_counter() - start


def bf16(turns: int, *, quick: bool) -> Iterator[Result]:
    """A step forth and back under bf16 autocast in the same in float32, by CPU time."""
    shapes = {"mlp": [(128, 30), (2048, 30)], "conv": [(32, 21, 1, 20, 20), (32, 3, 64, 64)]}
    for name, batches in shapes.items():
        for shape in batches:
            network = Autoencoder(BACKBONES[name](shape[1:], 32, 32, ()), BOTTLENECKS["plain"](32))
            x = torch.randn(*shape)

            def step(*, enabled: bool, network: Autoencoder = network, x: torch.Tensor = x) -> float:
                start = time.process_time()
                for _ in range(1 if quick else 5):
                    with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                        x_hat = network(x).x_hat
                    (x_hat.float() - x).square().mean().backward()
                return time.process_time() - start

            variants = {
                "bf16": lambda step=step: step(enabled=True),
                "float32": lambda step=step: step(enabled=False),
            }
            yield compare(f"bf16 autocast / float32, {name}, batch {shape}, CPU time", "< 1", variants, turns)


def distances(turns: int, *, quick: bool) -> Iterator[Result]:
    """Float32 error of the closed forms against float64, far from the origin, too; and how they grow."""
    for offset in (0.0, 1000.0):
        z = torch.randn(1040, 64, generator=torch.Generator().manual_seed(1)) + offset
        normal = torch.arange(1040) < 1024
        exact = _pair_sums(z.double(), normal)
        error = max(abs(float(ours) / float(true) - 1) for ours, true in zip(_pair_sums(z, normal), exact, strict=True))
        what = f"squared-distance terms, float32 error relative to float64, offset {offset:g}"
        yield Result(what, "<= 1e-6", error, error, error, "relative")
    n = 4096 if quick else 65_536

    def seconds(rows: int) -> Variant:
        z = torch.randn(rows, 64, generator=torch.Generator().manual_seed(1))
        normal = torch.arange(rows) < rows - 16

        def once() -> float:
            start = time.perf_counter()
            for _ in range(1 if rows > n else 8):
                _pair_sums(z, normal)
            return time.perf_counter() - start

        return once

    yield compare(
        f"squared-distance terms: {8 * n} rows once / {n} rows eight times",
        "about 1",
        {"large": seconds(8 * n), "small": seconds(n)},
        turns,
    )


def _pair_sums(z: torch.Tensor, normal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return within_sum(z, normal), mean_squared_distance_to(z, normal, z[~normal]).sum()
