"""Feature sets of pictures, cached: a refit changes the network, not what is computed from a picture alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b

import torch
from jaxtyping import Float
from torch import Tensor

Features = dict[str, Tensor]


class FeatureCache:
    """Features by picture, for one fitted modality at a time.

    Args:
        max_bytes: Once this many are held, new features are not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.n_bytes = max_bytes, 0
        self._owner: object = None
        self._rows: dict[bytes, Features] = {}

    def features(
        self, owner: object, make: Callable[[Tensor], Features], x: Float[Tensor, "row *sample"]
    ) -> dict[str, Float[Tensor, "row feature"]]:
        """What `make` computes from each row; only rows that are not in the cache are given to it.

        Args:
            owner: What `make` depends on besides x; another owner than before empties the cache.
            make: From rows to feature sets, each row by itself.
            x: Rows.
        """
        if owner is not self._owner:
            self._owner, self._rows, self.n_bytes = owner, {}, 0
        keys = [blake2b(row.contiguous().cpu().numpy().tobytes(), digest_size=16).digest() for row in x]
        new = [at for at, key in enumerate(keys) if key not in self._rows]
        made = make(x[new]) if new else {}
        fresh = {keys[at]: {name: rows[i] for name, rows in made.items()} for i, at in enumerate(new)}
        found = [fresh.get(key) or self._rows[key] for key in keys]
        for key, row in fresh.items():
            size = sum(value.numel() * value.element_size() for value in row.values())
            if self.n_bytes + size <= self.max_bytes:
                self._rows[key] = {name: value.clone() for name, value in row.items()}
                self.n_bytes += size
        return {name: torch.stack([row[name] for row in found]) for name in found[0]}


_CURRENT: ContextVar[FeatureCache | None] = ContextVar("feature cache", default=None)


def current() -> FeatureCache | None:
    """The cache of the block that we are in."""
    return _CURRENT.get()


@contextmanager
def caching(cache: FeatureCache) -> Iterator[FeatureCache]:
    """In this block and thread, features of pictures are looked up before they are computed."""
    token = _CURRENT.set(cache)
    try:
        yield cache
    finally:
        _CURRENT.reset(token)
