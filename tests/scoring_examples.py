"""Examples that the tests of scorers and experts share."""

import re
from typing import Any

import numpy as np
import pytest

from blemish.core.errors import ArtifactError
from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED
from blemish.core.state import Stored
from blemish.modalities.parts import Parts
from blemish.scoring.experts.parts import PartExpert
from blemish.scoring.scorer import Evidence


def island(n=300, n_defects=8, n_features=4, seed=0):
    """Ordinary rows around 0 and defects around 4 in two of the features."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + n_defects, n_features))
    x[n:, :2] += 4
    is_defect = np.arange(n + n_defects) >= n
    weight = np.where(is_defect, n / n_defects, 1.0)
    return x, is_defect, weight


MAKEUPS = {
    "all groups": (200, 8, 6),
    "no defects": (200, 0, 6),
    "one defect": (200, 1, 0),
    "many defects": (200, 60, 0),
    "one other": (200, 5, 1),
    "nothing labelled": (200, 0, 0),
    "one normal": (1, 1, 1),
    "two normals": (2, 2, 2),
    "one row": (1, 0, 0),
}
"""Numbers of normals, defects and others."""


def example(n_normal=200, n_defect=8, n_other=6, latent=3, seed=0):
    """Normals round the origin, defects at +6, others at -6; evidence and groups."""
    rng = np.random.default_rng(seed)
    centres = np.repeat([0.0, 6.0, -6.0], [n_normal, n_defect, n_other])
    group = np.repeat([UNLABELLED, DEFECT, OTHER], [n_normal, n_defect, n_other])
    group[: n_normal // 2] = NORMAL
    z = rng.normal(size=(len(group), latent)) + centres[:, None]
    return Evidence(z, np.exp(rng.normal(size=len(group)) * 0.3 + np.abs(centres) / 4)), group


def same_arrays(first, second):
    """Whether two states hold the same bits."""
    a, b = first.arrays(), second.arrays()
    return list(a) == list(b) and all(np.array_equal(a[name], b[name]) for name in a)


def check_stored(state, read):
    """A state comes back from its arrays to the bit; what is missing, more, of another type or shape, is refused."""
    arrays = state.arrays()
    stored = Stored(arrays)
    assert same_arrays(read(stored), state)
    stored.check_empty()
    for name, array in arrays.items():
        bad = [np.zeros(array.shape, np.float16), np.array("x"), np.zeros((*array.shape, 2), array.dtype)]
        if array.dtype.kind == "f" and array.size:
            bad += [np.full_like(array, np.nan), np.where(np.arange(array.size).reshape(array.shape), array, np.inf)]
        for other in bad:
            with pytest.raises(ArtifactError, match=f"^array '{re.escape(name)}' (holds|has shape)"):
                read(Stored({**arrays, name: other}))
        with pytest.raises(ArtifactError, match="is missing|belongs to no part"):
            whole(read, {other: x for other, x in arrays.items() if other != name})


def whole(read, arrays):
    """Read all arrays, and nothing less."""
    stored = Stored(arrays)
    read(stored)
    stored.check_empty()


def strangers():
    """Rows in every direction, near and far, and with any error."""
    rng = np.random.default_rng(1)
    z = np.concatenate([rng.normal(size=(20, 3)) * spread for spread in (1, 10, 1e3, 1e6)])
    return Evidence(z, np.concatenate([[0.0, 1e-30, 1e6, 1e12], np.exp(rng.normal(size=76))]))


def probabilities(scorer, state, evidence, labelled=True):
    """Of normal, other and defect."""
    return scorer.scores(state, evidence, labelled=labelled).probabilities


def pictures_of_parts(n=60, n_defects=6, n_parts=64, seed=0, marks="all", *, scratch=False, crack=True):
    """Rows of parts round the origin; in a row that is a defect three parts lie in one direction, the crack.

    Every row has an odd part, in a direction of its own, and with `scratch` every defect two in a second common one.
    Returns the parts (their distance from the origin last), which rows are defects, weights, and which parts hold it.
    """
    rng = np.random.default_rng(seed)
    is_defect = np.arange(n + n_defects) >= n
    rows, marked, holds = [], [], []
    for defect in is_defect:
        x = rng.normal(size=(n_parts, 6))
        places = rng.permutation(n_parts)
        x[places[:1]] += 6 * np.sign(rng.normal(size=6)) * [0, 0, 0, 1, 1, 0]
        cracked = np.zeros(n_parts, dtype=bool)
        if defect and crack:
            cracked[places[1:4]] = True
            x[cracked] += [5, 4, 0, 0, 0, 0]
        if defect and scratch:
            x[places[4:6]] += [0, 0, 9, 0, 0, 5]
        rows.append(np.column_stack([x, np.linalg.norm(x, axis=1)]).astype(np.float32))
        first = not any(mark is not None for mark in marked)
        marked.append(cracked if defect and cracked.any() and (marks == "all" or (marks == "one" and first)) else None)
        holds.append(cracked)
    return Parts.of(rows, marked), is_defect, np.where(is_defect, n / n_defects, 1.0), np.concatenate(holds)


def features_for(cls, n=300) -> Any:
    """Features that an expert of this class reads, which rows are defects, and weights."""
    return pictures_of_parts(marks="one")[:3] if issubclass(cls, PartExpert) else island(n)
