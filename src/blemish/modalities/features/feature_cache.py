"""Feature sets of pictures, cached: a refit changes the network, not what is computed from a picture alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Features = dict[str, Tensor]
PARTS = "parts"  # the one feature set of what `FeatureCache.parts` keeps


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
        self._serve(owner)
        keys = [digest(row.contiguous().cpu().numpy()) for row in x]
        new = [at for at, key in enumerate(keys) if key not in self._rows]
        made = make(x[new]) if new else {}
        fresh = {keys[at]: {name: rows[i] for name, rows in made.items()} for i, at in enumerate(new)}
        found = [fresh.get(key) or self._rows[key] for key in keys]
        for key, row in fresh.items():
            self._keep(key, row)
        return {name: torch.stack([row[name] for row in found]) for name in found[0]}

    def parts(
        self, owner: object, make: Callable[[], Float[np.ndarray, "part feature"]], sample: np.ndarray
    ) -> Float[np.ndarray, "part feature"]:
        """What `make` computes of the parts of one sample, unless it is in the cache; see `features`."""
        self._serve(owner)
        key = digest(sample, str(sample.shape), str(sample.dtype))
        if key not in self._rows:
            made = make()
            self._keep(key, {PARTS: torch.from_numpy(made)})
            return made
        return self._rows[key][PARTS].numpy()

    def _serve(self, owner: object) -> None:
        if owner is not self._owner:
            self._owner, self._rows, self.n_bytes = owner, {}, 0

    def _keep(self, key: bytes, row: Features) -> None:
        size = sum(value.numel() * value.element_size() for value in row.values())
        if self.n_bytes + size <= self.max_bytes:
            self._rows[key] = {name: value.clone() for name, value in row.items()}
            self.n_bytes += size


def digest(values: np.ndarray, *facts: str) -> bytes:
    """A digest of an array's bytes, and of facts about it that these do not tell."""
    return blake2b("/".join(facts).encode() + np.ascontiguousarray(values).tobytes(), digest_size=16).digest()


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
