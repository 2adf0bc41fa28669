"""Damage, by chance: to bytes, to JSON values, to the arrays and the manifest of a model file."""

import json
from copy import deepcopy
from random import Random
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from blemish.core import store
from blemish.core.errors import ArtifactError

WORDS: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, -(2**31), 2**53, 2**63, 10**39, 10**400, 0.5, -0.0, 1e308, 5e-324, float("inf"),
    float("-inf"), float("nan"), "", "x", "0", "NaN", "\0", "\ud800", "é" * 70, "../../etc/passwd", "=1", "x" * 70_000,
    [], {}, [[]], [None], {"": None}, [0] * 5000,
)  # fmt: skip
PIECES = (
    b"", b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"\xff" * 8, b"\0" * 8, b"\0\0\0\0\0\0\0\x80", b"NaN",
    b"inf", b"-1", b"1e999", b"9" * 40, b'"', b"\n", b"\r", b",", b";", b"\t", b"{", b"[" * 50, b"&a", b"*a", b"!!int ",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"PK\x03\x04", b"ARROW1", b"PAR1",
)  # fmt: skip


def damaged(content: bytes, rng: Random) -> bytes:
    """Bytes with one to eight of: a bit flipped; a piece cut out, doubled, moved or replaced; an end cut off."""
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        at = rng.randrange(len(made) + 1)
        end = min(len(made), at + rng.choice((1, 2, 4, 8, 64, 1024)))
        match rng.randrange(8):
            case 0 | 1 | 2 if made:
                made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
            case 3:
                del made[at:end]
            case 4:
                made[at:at] = made[at:end]
            case 5:
                made[at:end] = rng.choice(PIECES)
            case 6:
                there = rng.randrange(len(made) + 1)
                made[at:end] = made[there : there + end - at]
            case 7 if rng.random() < 0.2:
                del made[at:]
            case _:
                made[at:at] = rng.choice(PIECES)
    return bytes(made)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the values within a JSON value are: keys and positions from the outside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in items for place in [(*path, key), *places(inner, (*path, key))]]


def edited(value: Any, rng: Random) -> Any:
    """A JSON value with one to three of the values within it replaced, left out, moved or wrapped."""
    made = json.loads(json.dumps(value))
    for _ in range(rng.choice((1, 1, 2, 3))):
        found = places(made)
        if not found:
            return deepcopy(rng.choice(WORDS))
        *way, last = rng.choice(found)
        inner = made
        for key in way:
            inner = inner[key]
        match rng.randrange(6):
            case 0:
                del inner[last]
            case 1 if isinstance(inner, dict):
                inner[rng.choice(("x", "", "name", "schema", *inner))] = inner.pop(last)
            case 2:
                inner[last] = [inner[last]]
            case 3 if isinstance(inner[last], int | float) and not isinstance(inner[last], bool):
                inner[last] = rng.choice((-inner[last], inner[last] + 1, inner[last] * 1000, str(inner[last])))
            case _:
                inner[last] = deepcopy(rng.choice(WORDS))
    return made


def nested(rng: Random) -> str:
    """JSON within JSON, thousands deep."""
    depth, opening, closing = rng.choice((10, 900, 1100, 100_000)), *rng.choice((("[", "]"), ('{"a":', "}")))
    return opening * depth + rng.choice(("1", "")) + closing * depth


def as_json(value: Any) -> str:
    """JSON as Python writes it, with NaN and halves of characters."""
    try:
        return json.dumps(value)
    except (ValueError, RecursionError):
        return "{}"


def _other_array(array: np.ndarray, rng: Random) -> np.ndarray:
    if not array.size:
        return np.zeros(3, array.dtype)
    made = array.copy()
    at = rng.randrange(made.size)
    match rng.randrange(9):
        case 0 if made.dtype.kind == "f":
            made.flat[at] = rng.choice((np.nan, np.inf, -np.inf, 1e308))
        case 0 | 1 | 2:
            limits = np.iinfo(made.dtype) if made.dtype.kind in "iu" else None
            words = (0, 1, -1, 7, made.size) if limits is None else (limits.min, limits.max, 0, 1, at)
            made.flat[at] = made.dtype.type(np.clip(rng.choice(words), 0 if made.dtype.kind == "u" else None, None))
        case 3:
            made.flat[at] = made.flat[rng.randrange(made.size)]
        case 4:
            made = made[: rng.randrange(len(made))] if made.ndim else made
        case 5:
            made = np.concatenate([made, made]) if made.ndim else made
        case 6:
            made = made.reshape(-1) if made.ndim > 1 or rng.random() < 0.1 else made
        case 7:
            made = made.astype(rng.choice(("f4", "f8", "i4", "i8", "u1")))
        case _:
            made = np.full_like(made, rng.choice((0, 1)))
    return made


def _with_header(data: bytes, rng: Random) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header = edited(json.loads(data[8 : 8 + length]), rng) if rng.random() < 0.7 else None
    text = as_json(header).encode() if header is not None else damaged(data[8 : 8 + length], rng)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def model_file(data: bytes, path: str, rng: Random) -> tuple[bytes, bool]:
    """A damaged model file, and whether its digest was made anew, so that the checks behind it are reached.

    Args:
        data: A model file's content.
        path: The file.
        rng: Chance.
    """
    if (kind := rng.randrange(10)) < 2:
        return damaged(data, rng), False
    if kind == 2:
        return sealed(_with_header(data, rng)), True
    with safe_open(path, framework="numpy") as file:
        metadata, arrays = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    text, n_arrays = metadata["blemish"], len(arrays)
    if kind < 6:
        text = nested(rng) if rng.random() < 0.02 else _manifest(text, rng)
    else:
        for _ in range(rng.choice((1, 1, 2))):
            name = rng.choice(sorted(arrays))
            match rng.randrange(8):
                case 0 if rng.random() < 0.5:  # a whole part
                    part = name[: rng.choice([at for at, letter in enumerate(f"{name}.") if letter == "."])]
                    arrays = {other: x for other, x in arrays.items() if not f"{other}.".startswith(f"{part}.")}
                case 0:
                    del arrays[name]
                case 1:
                    arrays[rng.choice((name + "x", "x", *arrays))] = arrays.pop(name)
                case _:
                    arrays[name] = _other_array(arrays[name], rng)
        if rng.random() < 0.8:  # so that the checks behind the number of arrays are reached
            text = text.replace(f'"n_arrays": {n_arrays}', f'"n_arrays": {len(arrays)}')
    return sealed(save({k: np.asarray(v, order="C") for k, v in arrays.items()}, {**metadata, "blemish": text})), True


def _manifest(text: str, rng: Random) -> str:
    before = json.loads(text)
    made = edited(before, rng)
    if isinstance(made, dict) and rng.random() < 0.95:  # else it would be refused for its place alone
        made |= {key: before[key] for key in ("SHA-256", "schema", "n_arrays") if key in before}
        return json.dumps(made, sort_keys=True)
    return as_json(made)


def sealed(data: bytes) -> bytes:
    """A model file with its digest computed anew; as it is where it has no place for one."""
    try:
        return store.sealed(data)  # pyright: ignore[reportAttributeAccessIssue]
    except (ArtifactError, AttributeError):
        return data
