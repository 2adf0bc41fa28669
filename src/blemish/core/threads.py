"""Small networks run on one thread: a second one costs more than it brings, above all on a busy machine.

Several threads that each work on rows of their own do pay: none waits for another within a layer.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from typing import TypeVar

import torch
from threadpoolctl import ThreadpoolController, threadpool_limits
from torch import nn

Item = TypeVar("Item")
Found = TypeVar("Found")


def has_convolutions(network: nn.Module) -> bool:
    """Whether a layer of the network is large enough for several threads."""
    return any(isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) for module in network.modules())


@contextmanager
def fitting_threads(network: nn.Module) -> Iterator[None]:
    """Use one thread inside the block unless the network has convolutions; the former number is restored afterwards."""
    before = torch.get_num_threads()
    if before == 1 or has_convolutions(network):
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def numpy_on_one_thread() -> Iterator[None]:
    """NumPy's products use one thread inside the block, as PyTorch's do in `fitting_threads`."""
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """The loaded BLAS libraries; found once, as it takes four milliseconds."""
    return ThreadpoolController()


def in_order(work: Callable[[Item], Found], items: Sequence[Item], n_threads: int) -> Iterator[Found]:
    """`map` in order, by several threads, in each of which libraries use one.

    Args:
        work: Depends on its item alone.
        items: At most two per thread are worked on at a time.
        n_threads: >= 1.

    Example:
        >>> list(in_order(lambda n: n * n, range(4), 2))
        [0, 1, 4, 9]
    """
    n_threads = min(n_threads, len(items))
    if n_threads <= 1:
        yield from map(work, items)
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # also for the threads that are yet to start
    try:
        with ThreadPoolExecutor(n_threads) as pool, threadpool_limits(1, "blas"):
            pending: deque[Future[Found]] = deque()
            for item in items:
                if len(pending) == 2 * n_threads:
                    yield pending.popleft().result()
                pending.append(pool.submit(copy_context().run, work, item))
            while pending:
                yield pending.popleft().result()
    finally:
        torch.set_num_threads(before)
