"""What was said of pictures, remembered: a refit changes the network, not what else there is to say of a picture."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b

import torch
from jaxtyping import Float
from torch import Tensor

Features = dict[str, Tensor]


class Memory:
    """Features by picture, for one fitted modality at a time.

    Args:
        most_bytes: What is made after that many is not kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes, self.n_bytes = most_bytes, 0
        self._owner: object = None
        self._rows: dict[bytes, Features] = {}

    def features(
        self, owner: object, make: Callable[[Tensor], Features], x: Float[Tensor, "row *sample"]
    ) -> dict[str, Float[Tensor, "row feature"]]:
        """What `make` says of each row; only rows that were not seen before are given to it.

        Args:
            owner: What `make` depends on besides x; another one than before empties the memory.
            make: From rows to features by view, each row for itself.
            x: Rows.
        """
        if owner is not self._owner:
            self._owner, self._rows, self.n_bytes = owner, {}, 0
        keys = [blake2b(row.contiguous().cpu().numpy().tobytes(), digest_size=16).digest() for row in x]
        new = [at for at, key in enumerate(keys) if key not in self._rows]
        made = make(x[new]) if new else {}
        fresh = {keys[at]: {view: rows[i] for view, rows in made.items()} for i, at in enumerate(new)}
        found = [fresh.get(key) or self._rows[key] for key in keys]
        for key, row in fresh.items():
            size = sum(value.numel() * value.element_size() for value in row.values())
            if self.n_bytes + size <= self.most_bytes:
                self._rows[key] = {view: value.clone() for view, value in row.items()}
                self.n_bytes += size
        return {view: torch.stack([row[view] for row in found]) for view in found[0]}


_CURRENT: ContextVar[Memory | None] = ContextVar("memory", default=None)


def current() -> Memory | None:
    """The memory of the block that we are in."""
    return _CURRENT.get()


@contextmanager
def remembering(memory: Memory) -> Iterator[Memory]:
    """Inside the block of this thread features of pictures are looked up before they are made; scores stay the same."""
    token = _CURRENT.set(memory)
    try:
        yield memory
    finally:
        _CURRENT.reset(token)
