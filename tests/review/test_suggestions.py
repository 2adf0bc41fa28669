"""What to mark next: pure functions over scores."""

import numpy as np
import pytest

from blemish.review.suggestions import (
    NOISE,
    WIDTH,
    Choice,
    Snapshot,
    likely,
    misses,
    new,
    posterior_mean,
    suggest,
    typical,
    uncertain,
)


def view_of(outlier, places, defect=None, p=None):
    return Snapshot(outlier, defect, np.full((len(outlier), 3), 1 / 3) if p is None else p, places)


def labelled(n, **rows):
    """Labels as numbers: `labelled(9, defect=[3], other=[1, 2])`."""
    found = np.zeros(n, dtype=np.int8)
    for word, some in rows.items():
        found[some] = {"normal": 1, "other": 2, "defect": 3}[word]
    return found


def kinds(found):
    return [one.kind for one in found]


def test_with_a_defect_the_likely_come_first_and_now_and_then_another_where_they_miss():
    rng = np.random.default_rng(0)
    n = 200
    outlier, codes = rng.random(n), rng.normal(size=(n, 3))
    outlier[7], codes[7] = 2, [30, 0, 0]  # unusual, and far from all
    p = rng.dirichlet([5, 1, 1], n)
    p[11], codes[11] = [0.2, 0.4, 0.4], [-20, 0, 0]
    codes[[20, 30, 31, 32, 33]] = [0, 9, 0] + 0.01 * rng.normal(size=(5, 3))
    outlier[20] = np.nan
    labels = labelled(n, defect=[30, 31])
    view = view_of(outlier, codes, rng.random(n), p)
    found = suggest(view, labels)
    assert kinds(found) == [*["likely"] * 5, "new", *["likely"] * 4, "typical", "likely"]
    assert {one.row for one in found[:2]} == {32, 33}
    assert found[5].row == 7
    rows = [one.row for one in found]
    assert len(rows) == len(set(rows)) == 12
    assert not labels[rows].any()
    assert 20 not in rows
    border = suggest(view, labels, missed=15, most=3)
    assert kinds(border) == ["uncertain", "likely", "likely"]
    assert border[0].row == 11
    assert "defect 40 %, other 40 %" in border[0].reason


def test_how_many_marks_missed():
    assert misses([]) == misses(["other", "defect"]) == 0
    assert misses(["defect", "other", "normal"]) == misses(["other", "normal"]) == 2


def test_a_defect_makes_what_is_like_it_likely_before_the_model_has_learnt_it():
    codes = np.concatenate([np.linspace([0, 0], [9, 9], 50), np.random.default_rng(0).normal([30, 0], 0.1, (8, 2))])
    outlier = np.linspace(1, 0, 58)
    view = view_of(outlier, codes)
    assert kinds(suggest(view, labelled(58, other=[0]), most=2)) == ["new", "typical"]
    assert kinds(likely(Choice(view, labelled(58, other=[0])), 2)) == ["likely"] * 2
    found = suggest(view, labelled(58, other=[0], defect=[53]), most=3)
    assert kinds(found) == ["likely"] * 3
    assert all(one.row >= 50 for one in found)
    assert found[0].reason == "the closest match to your defects"


def test_what_is_like_a_rejected_sample_comes_later_whatever_the_model_says():
    rng = np.random.default_rng(0)
    codes = np.concatenate(
        [rng.normal([0, 0], 0.1, (20, 2)), rng.normal([1, 0], 0.1, (20, 2)), 50 * rng.random((60, 2)) + 5]
    )
    defect = np.linspace(1, 0, 100)
    view = view_of(np.full(100, 0.5), codes, defect)
    labels = labelled(100, defect=[20], other=[0])
    assert all(21 <= one.row < 40 for one in likely(Choice(view, labels), 10))
    turned = labelled(100, defect=[1], other=[20])
    assert all(one.row < 20 for one in likely(Choice(view, turned), 10))
    conflict = labels.copy()
    conflict[22] = 4
    assert 22 not in [one.row for one in likely(Choice(view, conflict), 99)]


def test_the_posterior_mean_is_that_of_scikit_learn():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RationalQuadratic

    rng = np.random.default_rng(0)
    rows, marks, y = rng.normal(size=(30, 4)), rng.normal(size=(9, 4)), rng.random(9)

    def squares(a, b):
        return np.square(a[:, None] - b).sum(axis=2)

    # ours 1 / (1 + d^2 / w), theirs (1 + d^2 / (2 alpha l^2))^-alpha
    kernel = RationalQuadratic(length_scale=np.sqrt(WIDTH / 2), alpha=1.0)
    peer = GaussianProcessRegressor(kernel, alpha=NOISE, optimizer=None)  # pyright: ignore[reportArgumentType]
    peer.fit(marks, y)
    assert posterior_mean(squares(rows, marks), squares(marks, marks), y) == pytest.approx(peer.predict(rows))


def test_before_the_first_defect_the_typical_of_a_group_and_the_new_take_turns():
    rng = np.random.default_rng(0)
    codes = np.concatenate([6 * rng.normal(size=(60, 2)), rng.normal([30, 0], 0.1, (15, 2)), [[0, 60]]])
    outlier = np.concatenate([rng.random(60), 1.5 + 0.1 * rng.random(15), [1.2]])
    view, labels = view_of(outlier, codes), labelled(76)
    found = suggest(view, labels, most=4)
    assert kinds(found) == ["typical", "new", "typical", "new"]
    assert sum(60 <= one.row < 75 for one in found) == 1  # one of the fifteen, and only one
    assert 75 in [one.row for one in found]
    asked = next(one.row for one in found if 60 <= one.row < 75)
    again = suggest(view, labelled(76, other=[asked]), most=4)
    assert kinds(again) == ["new", "typical", "new", "typical"]
    assert not any(60 <= one.row < 75 for one in again)  # that group has been asked about
    outlier[60:75] = 0.99  # no longer the most unusual: it still stands for many
    codes[60:75] = rng.normal([6, 0], 0.1, (15, 2))
    first = suggest(view_of(outlier, codes), labels, most=1)[0]
    assert 60 <= first.row < 75
    assert first.reason.startswith("represents ")


def test_of_very_many_samples_the_suggestions_still_know_the_most_unusual():
    rng = np.random.default_rng(0)
    codes, outlier = rng.normal(size=(30_000, 2)), rng.random(30_000)
    codes[:20], outlier[:20] = [50, 50], 3
    found = suggest(view_of(outlier, codes), labelled(30_000), most=4)
    assert sum(one.row < 20 for one in found) == 1
    near = suggest(view_of(outlier, codes), labelled(30_000, defect=[3]), most=4)
    assert sum(one.row < 20 for one in near[:3]) == 3


def test_with_everything_marked_there_is_nothing_to_suggest():
    n = 30
    outlier, codes = np.arange(n, dtype=float), np.eye(n)
    for defect in (None, outlier):
        view = view_of(outlier, codes, defect)
        for word in ("defect", "other"):
            assert suggest(view, labelled(n, **{word: range(n)})) == []
            labels = labelled(n, **{word: [row for row in range(n) if row not in (3, 4)]})
            assert sorted(one.row for one in suggest(view, labels)) == [3, 4]


@pytest.mark.parametrize("kind", [likely, uncertain, new, typical])
def test_no_kind_takes_what_is_taken_or_has_no_score(kind):
    rng = np.random.default_rng(0)
    outlier, codes = rng.random(40), rng.normal(size=(40, 2))
    outlier[3] = codes[3] = np.nan
    choice = Choice(view_of(outlier, codes, rng.random(40), rng.dirichlet([1, 1, 1], 40)), labelled(40, defect=[8]))
    first, second = kind(choice, 20), kind(choice, 40)
    rows = [one.row for one in (*first, *second)]
    assert len(rows) == len(set(rows)) == 38
    assert not {3, 8} & set(rows)
