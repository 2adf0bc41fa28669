"""Contracts of every expert, found in the dict."""

from copy import deepcopy
from dataclasses import fields

import numpy as np
import pytest

from blemish.scoring.experts import EXPERTS
from blemish.scoring.experts.expert import Expert
from scoring_examples import check_stored, features_for, island, same_arrays


@pytest.mark.parametrize("cls", EXPERTS.values(), ids=EXPERTS)
def test_experts_keep_their_promises(cls):
    x, is_defect, weight = features_for(cls)
    before = deepcopy(x)
    expert = cls()
    assert isinstance(expert, Expert)
    state = expert.fit(x, is_defect, weight, 0)
    again = expert.fit(x, is_defect, weight, 0)
    assert same_arrays(state, again)
    score = expert.score(state, x)
    assert score.shape == (len(x),)
    assert all(np.array_equal(one, same) for one, same in zip(x, before, strict=True))
    np.testing.assert_allclose(expert.score(state, x[np.array([5])]), score[[5]], rtol=1e-9)
    assert expert.score(state, x[:0]).shape == (0,)
    if expert.uses_labels:
        assert np.median(score[is_defect]) > np.quantile(score[~is_defect], 0.99)


@pytest.mark.parametrize("cls", EXPERTS.values(), ids=EXPERTS)
def test_what_was_learnt_is_read_again_and_nothing_else(cls):
    x, is_defect, weight = features_for(cls, n=60)
    width = next(iter(x)).shape[-1]
    for options in ({}, {"standardise": False}) if "standardise" in {one.name for one in fields(cls)} else ({},):
        expert = cls(**options)
        check_stored(expert.fit(x, is_defect, weight, 0), lambda stored, expert=expert: expert.read(stored, width))


def test_an_expert_that_does_not_say_what_it_learns_cannot_be_defined():
    with pytest.raises(TypeError, match="^Bare needs a class attribute 'state', the State that its fit learns$"):
        type("Bare", (Expert,), {"fit": lambda *_: {}})


@pytest.mark.parametrize("cls", [e for e in EXPERTS.values() if not e.uses_labels], ids=lambda e: e.__name__)
def test_experts_without_labels_do_not_learn_from_labelled_defects(cls):
    x, is_defect, weight = island()
    moved = np.where(is_defect[:, None], x + 50, x)
    first, second = cls().fit(x, is_defect, weight, 0), cls().fit(moved, is_defect, weight, 0)
    assert same_arrays(first, second)
