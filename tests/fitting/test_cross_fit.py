"""p-values without a held-out set: folds, each scored by a fit that has not seen it."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from blemish import DefectDetector, load
from blemish.calibration.conformal import conformal_p_values, cross_conformal_p_values
from blemish.core.errors import ConfigError, CutWarning, DataError, ReadingWarning
from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED
from blemish.data.dataset import take
from blemish.datasets import tiles
from blemish.fitting.cross_fit import deal_out
from blemish.modalities.tabular import Tabular

pytestmark = pytest.mark.usefixtures("few_trees")

QUICK = {"name": "ensemble", "experts": {"plain": ["linear"], "error": ["value"]}}
LEVELS = (0.02, 0.05, 0.1, 0.2, 0.25, 1 / 3, 0.5, 0.75, 0.9, 1.0)


def bound(level, n, folds):
    """What is certain, whatever is fitted."""
    return min(1.0, 2 * level + 2 * (1 - level) * (folds - 1) / (n + folds))


def mixed(n, rng):
    """Numbers, whole numbers, and names of which many occur once or twice."""
    names = [f"n{k}" for k in np.minimum(rng.zipf(1.6, n), 60)]
    return pd.DataFrame({"a": rng.normal(size=n).round(1), "b": rng.integers(0, 3, n) * 1.0, "c": names})


# The formula


def test_one_fold_is_a_held_out_set():
    rng = np.random.default_rng(0)
    held_out, new = rng.integers(0, 9, 40) * 1.0, rng.integers(0, 9, 30) * 1.0
    np.testing.assert_array_equal(cross_conformal_p_values([held_out], new[None]), conformal_p_values(held_out, new))


def test_it_counts_in_every_fold_the_rows_that_score_as_high_by_the_same_fit():
    rng = np.random.default_rng(1)
    folds = [rng.integers(0, 6, size) * 1.0 for size in (7, 7, 6)]
    scores = rng.integers(0, 6, (3, 50)) * 1.0
    by_hand = []
    for row in range(50):
        as_high = sum(c >= scores[k, row] for k, fold in enumerate(folds) for c in fold)
        by_hand.append((1 + as_high) / 21)
    p = cross_conformal_p_values(folds, scores)
    assert p.tolist() == by_hand
    assert ((p > 0) & (p <= 1)).all()


@pytest.mark.parametrize("where", ["fold", "scores"])
def test_a_score_that_is_none_is_refused(where):
    folds, scores = [np.ones(2), np.ones(3)], np.ones((2, 4))
    (folds[1] if where == "fold" else scores[1])[0] = np.nan
    with pytest.raises(DataError, match=r"1 of \d score\(s\) are NaN"):
        cross_conformal_p_values(folds, scores)


def of_means(seen, rows):
    return np.abs(rows - seen.mean()) / (seen.std() + 1e-9)


def of_neighbours(seen, rows):
    return np.abs(rows[:, None] - seen).min(axis=1)


def of_a_memory(seen, rows):
    return (~np.isin(rows, seen)).astype(float)


DRAWS = {
    "continuous": lambda rng, size: rng.normal(size=size),
    "heavy tails": lambda rng, size: rng.standard_cauchy(size=size),
    "few values": lambda rng, size: rng.integers(0, 4, size=size) * 1.0,
    "rounded": lambda rng, size: rng.normal(size=size).round(1),
    "rare words": lambda rng, size: np.minimum(rng.zipf(1.5, size=size), 1000) * 1.0,
}


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 30, 60, 95])
@pytest.mark.parametrize("fit", [of_means, of_neighbours, of_a_memory])
@pytest.mark.parametrize("kind", DRAWS)
def test_p_values_of_folds_keep_their_promise(kind, fit, n):
    """Never above the bound; and for these fits, which change little with a fold, not above the level either."""
    rng, times, n_folds, n_new = np.random.default_rng(n), 2000, 5, 5
    shares = np.zeros((times, len(LEVELS)))
    for draw in range(times):
        rows = DRAWS[kind](rng, n + n_new)
        old, new = rows[:n], rows[n:]
        fold = np.arange(n) % n_folds
        unseen = [fit(old[fold != k], old[fold == k]) for k in range(n_folds)]
        p = cross_conformal_p_values(unseen, np.stack([fit(old[fold != k], new) for k in range(n_folds)]))
        assert ((p > 0) & (p <= 1)).all()
        shares[draw] = [(p <= level + 1e-12).mean() for level in LEVELS]
    mean, error = shares.mean(axis=0), shares.std(axis=0) / np.sqrt(times)
    for level, share, sure in zip(LEVELS, mean, error, strict=True):
        assert share <= bound(level, n, n_folds) + 4 * sure
        assert level > 0.5 or share <= level + 4 * sure + 1e-9, level


@pytest.mark.slow
@pytest.mark.parametrize("labelled", [False, True])
def test_a_detectors_cross_fits_hold_over_many_fits(labelled):
    """The whole way with 40 rows, scaling and vocabulary included; false discoveries are watched, not proven."""
    rng, fits = np.random.default_rng(7), 25
    shares, false, found_any = [], [], 0
    for _ in range(fits):
        X = mixed(44, rng)
        X.loc[40:, "a"] += 9
        y = np.array([None] * 40 + ["defect"] * 4, dtype=object)
        X, y = (X, y) if labelled else (X[:40], None)
        det = DefectDetector(epochs=1, scorer=QUICK, random_state=int(rng.integers(2**31)))
        det.fit(X, y).cross_fit(X, y)
        far = mixed(50, rng)
        far["a"] += 9
        new = pd.concat([mixed(200, rng), far], ignore_index=True)
        p = det.p_values(new).to_numpy()
        assert ((p > 0) & (p <= 1)).all()
        shares.append([(p[:200] <= level).mean() for level in LEVELS])
        chosen = det.select(new, fdr=0.2).to_numpy()
        false.append(chosen[:200].sum() / max(1, chosen.sum()))
        found_any += chosen[200:].any()
    mean, error = np.mean(shares, axis=0), np.std(shares, axis=0, ddof=1) / np.sqrt(fits)
    assert all(
        share <= bound(level, 40, 5) + 4 * sure and (level > 0.5 or share <= level + 4 * sure)
        for level, share, sure in zip(LEVELS, mean, error, strict=True)
    )
    assert np.mean(false) <= 0.2 + 4 * np.std(false) / np.sqrt(fits)
    if labelled:
        assert found_any > fits / 4


# The folds


def test_folds_hold_every_ordinary_row_once_and_no_other():
    group = np.array([UNLABELLED] * 9 + [DEFECT, OTHER] + [NORMAL] * 4)
    folds = deal_out(group, 4, 0)
    assert sorted(np.concatenate(folds).tolist()) == [*range(9), 11, 12, 13, 14]
    assert sorted(map(len, folds)) == [3, 3, 3, 4]
    assert [f.tolist() for f in folds] == [f.tolist() for f in deal_out(group, 4, 0)]
    assert [f.tolist() for f in folds] != [f.tolist() for f in deal_out(group, 4, 1)]


@pytest.mark.parametrize(
    ("folds", "message"),
    [(1, "folds=1 must be"), (0, "folds=0 must be"), (2.5, "folds=2.5 must be"), (14, "folds=14 must be at most 13")],
)
def test_folds_that_cannot_be_are_refused(folds, message):
    with pytest.raises(ConfigError, match=message):
        deal_out(np.full(13, UNLABELLED), folds, 0)


def test_rows_are_taken_from_whatever_holds_them():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "z"]}, index=[7, 8, 9])
    some = take(frame, [2, 0])
    assert some.index.tolist() == [9, 7]
    for table in (
        some,
        take(pl.from_pandas(frame), [2, 0]),
        take(pa.table({"a": frame["a"], "b": frame["b"]}), [2, 0]),
    ):
        assert [list(map(str, row)) for row in zip(table["a"], table["b"], strict=True)] == [["3.0", "z"], ["1.0", "x"]]
    assert take(["p", "q", "r"], [2, 0]) == ["r", "p"]
    assert take(np.arange(3), [2, 0]).tolist() == [2, 0]
    assert take({"a": [1, 2, 3]}, [2, 0])["a"].tolist() == [3, 1]


@pytest.fixture(scope="module")
def few():
    X = mixed(46, np.random.default_rng(0))
    X.loc[40:, "a"] += 9
    y = np.array([None] * 38 + ["other"] * 2 + ["defect"] * 6, dtype=object)
    return X, y, DefectDetector(epochs=1, scorer=QUICK, random_state=0).fit(X, y)


def test_cross_fits_give_p_values_where_nothing_was_held_out(few, tmp_path):
    X, y, det = few
    with pytest.raises(DataError, match="or call cross_fit with the rows of the fit"):
        det.p_values(X)
    scores, cut = det.defect_score(X), det.threshold_
    assert det.cross_fit(X, y, folds=3) is det
    p = det.p_values(X)
    assert p.index.equals(X.index)
    assert set((p * 39).round(9)) <= set(range(1, 40))
    assert p[40:].max() < 0.06 < p[:38].median()
    assert det.select(X, fdr=0.2)[40:].all()
    np.testing.assert_array_equal(det.defect_score(X), scores)
    assert det.threshold_ == cut
    by_hand = [(fold.calibration.defect[:, None] >= fold.defect_score(fold.model.evidence(
        fold.model.to_tensor(X)))).sum(axis=0) for fold in det.folds_]  # fmt: skip
    np.testing.assert_array_equal(p, (1 + np.sum(by_hand, axis=0)) / 39)
    det.save(tmp_path / "m.blemish")
    again = load(tmp_path / "m.blemish")
    np.testing.assert_array_equal(again.p_values(X), p)
    np.testing.assert_array_equal(again.cross_fit(X, y, folds=3).p_values(X), p)
    det.refit(X, y)
    assert det.folds_ == []


def test_no_fold_was_seen_by_the_fit_that_it_calibrates(few):
    """Not even by the vocabulary: a name that only one fold holds is unknown to the fit without it."""
    X, y, _ = few
    numbers = np.arange(len(X))
    X = X.assign(c=[f"n{k}" for k in np.where(numbers < 26, numbers % 5, 5 + numbers // 3)])
    det = DefectDetector(epochs=1, scorer=QUICK, random_state=0).fit(X, y).cross_fit(X, y, folds=2)
    for fold in det.folds_:
        columns = fold.model.modality.columns  # pyright: ignore[reportAttributeAccessIssue]
        column = next(c for c in columns if c.name == "c")
        seen = X["c"].drop(index=fold.held_out)
        assert set(column.categories) == set(seen[seen.duplicated()])
    assert sorted(np.concatenate([fold.held_out for fold in det.folds_]).tolist()) == list(range(38))


def test_cross_fits_want_the_rows_of_the_fit(few):
    X, y, det = few
    with pytest.raises(DataError, match="cross_fit needs the rows and labels of the fit: these are"):
        det.cross_fit(X[1:], y[1:])
    with pytest.raises(DataError, match="cross_fit needs the rows and labels of the fit"):
        det.cross_fit(X)


@pytest.mark.parametrize("kind", ["image", "video", "text"])
def test_every_kind_of_data_can_be_cross_fitted(kind):
    rng = np.random.default_rng(0)
    X = {
        "image": list(rng.random((12, 1, 16, 16))),
        "video": rng.random((12, 3, 1, 16, 16)),
        "text": [f"some words {a} and {b} more" for a, b in rng.choice(["red", "blue", "green"], (12, 2))],
    }[kind]
    det = DefectDetector(modality=kind, epochs=1, scorer="latent", random_state=0).fit(X).cross_fit(X, folds=2)
    p = det.p_values(X)
    assert p.shape == (12,)
    assert ((p > 0) & (p <= 1)).all()


# The default cut of few rows


def rates_of_fresh_rows(n, draws, labelled, **arguments):
    """Fractions of 200 fresh rows above the cuts, and what the fits state."""
    rates, stated = [], []
    for draw in range(draws):
        rng = np.random.default_rng([n, draw])
        X, y = mixed(n + 6, rng), np.array([None] * n + ["defect"] * 6, dtype=object)
        X.loc[n:, "a"] += 5
        X, y = (X, y) if labelled else (X[:n], None)
        det = DefectDetector(random_state=draw, **arguments).fit(X, y)
        fresh = mixed(200, rng)
        rates.append(float((det.decision_function(fresh) > 0).mean()))
        stated.append(det.promise_)
    return rates, stated


@pytest.mark.parametrize("labelled", [False, True])
def test_the_default_cut_of_few_rows_keeps_its_rate(labelled):
    """Eight fits of 30 rows whose errors are memorised: without folds most fresh rows are reported."""
    rates, stated = rates_of_fresh_rows(30, 8, labelled, epochs=30, scorer="reconstruction", batch_size=16)
    assert {one.judged_on for one in stated} == {"out of fold"}
    a, b = 1, 30  # exceeded by as many as the highest of 30, on average 1 of 31
    error = np.sqrt(a * b / (a + b) ** 2 / (a + b + 1) / 8)
    assert np.mean(rates) <= stated[0].estimate + 3 * error


@pytest.mark.slow
@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("n", [20, 40, 60, 100, 300, 2000])
def test_the_default_cut_keeps_its_rate(n, labelled):
    rates, stated = rates_of_fresh_rows(n, 20, labelled)
    a = round(stated[0].estimate * (stated[0].n + 1))
    b = stated[0].n + 1 - a
    error = np.sqrt((a * b / (a + b) ** 2 / (a + b + 1) + stated[0].estimate / 200) / 20)
    assert np.mean(rates) <= stated[0].estimate + 3 * error


@pytest.fixture(scope="module")
def few_rows():
    rng = np.random.default_rng(3)
    X = mixed(30, rng)
    X.loc[24:, "a"] += 5
    y = np.array([None] * 24 + ["defect"] * 6, dtype=object)
    with pytest.warns(CutWarning, match="24 unlabelled or normal samples cannot support a rate of 1 %"):
        return DefectDetector(epochs=3, scorer=QUICK, random_state=0).fit(X, y), X, y


def test_a_rate_that_few_rows_cannot_support_is_said_by_fit_and_by_every_decision(few_rows):
    det, X, _ = few_rows
    (why,) = det.unsupported_
    assert why.startswith("the cut for 'defect': 24 unlabelled or normal samples cannot support a rate of 1 %; ")
    for decide in (det.predict, det.decision_function, det.scores):
        with pytest.warns(CutWarning, match="cannot support"):
            decide(X)
    assert det.outlier_threshold_ == det.fitted_.calibration.outlier[-1]


def test_what_folds_calibrated_is_stored_and_exported(few_rows, tmp_path):
    pytest.importorskip("onnxruntime")
    from blemish.onnx.runtime import Runtime

    det, X, _ = few_rows
    det.save(tmp_path / "m.blemish")
    again = load(tmp_path / "m.blemish")
    assert again.unsupported_ == det.unsupported_
    np.testing.assert_array_equal(again.predict_proba(X), det.predict_proba(X))
    det.export(tmp_path / "m.onnx", X)
    runtime = Runtime(tmp_path / "m.onnx")
    assert runtime.facts["unsupported"] == det.unsupported_
    np.testing.assert_allclose(runtime.scores(X)["probabilities"], det.predict_proba(X), atol=1e-5)


def test_a_refit_of_the_same_rows_keeps_the_folds_and_one_of_others_does_not(few_rows):
    det, X, y = few_rows
    folds = det.fitted_.folds
    assert len(folds) == 4
    assert sorted(row for fold in folds for row in fold.held_out) == list(range(24))
    more = y.copy()
    more[:2] = "other"
    again = DefectDetector(**det.get_params()).fit(X, y).refit(X, more)
    assert [fold.digest for fold in again.fitted_.folds] == [fold.digest for fold in folds]
    assert len(again.fitted_.calibration.outlier) == 22
    moved = X.copy()
    moved.loc[0, "a"] += 1.0
    assert again.refit(moved, more).fitted_.folds[0].digest != folds[0].digest


def test_a_fold_does_not_decide_anew_what_a_column_is():
    """Nineteen names in 40 rows are categories; in 30 of these rows they look like free text."""
    X = pd.DataFrame({"a": np.random.default_rng(0).normal(size=40), "c": [f"n{k % 19}" for k in range(40)]})
    det = DefectDetector(epochs=1, scorer=QUICK, random_state=0).fit(X)
    columns = det.fitted_.model.modality.names
    with pytest.warns(ReadingWarning, match="'c'"):
        assert Tabular().fit(X[:30]).names == ("a",)
    part = Tabular().fit_part(X[:30], det.fitted_.model.modality)
    assert part.names == columns == ("a", "c")
    assert part.columns[0] == Tabular().fit(X[["a"]][:30]).columns[0]
    assert len(part.columns[1].categories) == 11


@pytest.mark.parametrize(("n", "judged_on"), [(2, "training"), (3, "training"), (4, "out of fold")])
def test_with_hardly_any_rows_none_is_left_out(n, judged_on):
    X = np.random.default_rng(0).normal(size=(n, 2))
    det = DefectDetector(epochs=1, scorer="latent", random_state=0).fit(X)
    assert det.promise_.judged_on == judged_on
    assert ("judged on rows that trained the model" in det.unsupported_[0]) == (judged_on == "training")


@pytest.mark.parametrize(
    ("scorer", "own"),
    [
        ({"name": "ensemble", "experts": {"texture": ["linear", "isolation"]}, "far": ["texture"]}, [1, 0, 0, 0]),
        ({"name": "ensemble", "experts": {"texture": ["linear", "isolation"]}, "far": ["code"]}, [1, 1, 1, 1]),
        ("latent", [1, 1, 1, 1]),
        ("reconstruction", [1, 1, 1, 1]),
    ],
)
def test_only_a_network_that_the_scorer_does_not_read_is_shared_by_folds(scorer, own):
    split = tiles(n_normal=20, n_defects=2, n_test=2, side=16)
    det = DefectDetector(epochs=1, scorer=scorer, random_state=0).fit(split.X_train, split.y_train)
    assert [fold.own_network for fold in det.fitted_.folds] == own


# Groups


def exposures(n_parts=40, n_defects=6, copies=3, seed=0):
    """Parts with a few exposures each: rows, labels and groups."""
    rng = np.random.default_rng(seed)
    place = rng.normal(size=(n_parts, 4)) + 3.0 * (np.arange(n_parts) < n_defects)[:, None]
    X = np.repeat(place, copies, axis=0) + 0.01 * rng.normal(size=(n_parts * copies, 4))
    y = np.repeat(np.where(np.arange(n_parts) < n_defects, "defect", None), copies)
    return X, y, np.repeat([f"part {i}" for i in range(n_parts)], copies)


def test_folds_hold_one_row_of_each_group_and_none_leaves_out_all_defects():
    cluster = np.repeat(np.arange(30), 3)
    group = np.full(90, UNLABELLED)
    group[[0, 3]] = DEFECT  # each beside two unlabelled copies
    for seed in range(20):
        folds = deal_out(group, 4, seed, cluster)
        rows = np.concatenate(folds)
        assert sorted(cluster[rows]) == list(range(30))
        assert not (group[rows] == DEFECT).any()
        assert not any({0, 1} <= set(cluster[fold]) for fold in folds)
    group[3] = UNLABELLED  # the group of the only defect always trains
    assert sorted(cluster[np.concatenate(deal_out(group, 4, 0, cluster))]) == list(range(1, 30))
    with pytest.raises(ConfigError, match="folds=30 must be at most 29, the groups with unlabelled or normal rows"):
        deal_out(group, 30, 0, cluster)


def test_no_fold_of_a_fit_has_seen_a_copy_of_what_it_judges():
    X, y, groups = exposures()
    y[3] = None  # an unlabelled copy of a defect: its group judges, so its fold may not learn from that defect
    det = DefectDetector(epochs=1, random_state=0, scorer=QUICK).fit(X, y, groups=groups)
    fitted = det.fitted_
    assert len(fitted.folds) == 4
    judged = np.concatenate([fold.held_out for fold in fitted.folds])
    assert sorted(groups[judged]) == sorted({*groups[18:], "part 1"})
    assert len(fitted.calibration.ordinary) == 35
    assert fitted.calibration.counted.shape == (6,)
    assert det.training_["groups"] == 40
    assert "120 samples in 40 groups, at most 3 in one" in str(det.reading_.about("groups")[0])
    again = DefectDetector(epochs=1, random_state=0, scorer=QUICK).fit(X, y, groups=groups)
    assert np.array_equal(again.defect_score(X), det.defect_score(X))
    plain = DefectDetector(epochs=1, random_state=0, scorer=QUICK).fit(X, y)
    alone = DefectDetector(epochs=1, random_state=0, scorer=QUICK).fit(X, y, groups=range(len(X)))
    assert np.array_equal(alone.defect_score(X), plain.defect_score(X))


def test_promises_count_groups_and_say_so(tmp_path):
    X, y, groups = exposures(n_parts=130, n_defects=12)
    det = DefectDetector(epochs=1, random_state=0, scorer=QUICK).fit(X, y, groups=groups)
    assert len(det.fitted_.held_out) == len(set(groups[det.fitted_.held_out])) == 23
    assert det.set_threshold(recall=0.9).promise_.n == 12
    assert "(12 groups of labelled defects)" in det.promise_.text
    assert "(23 groups of held-out rows)" in det.set_threshold(false_positive_rate=0.1).promise_.text
    with pytest.raises(DataError, match="needs at least 19 groups of labelled defects, there are 12"):
        det.set_threshold(recall=0.95)
    with pytest.raises(DataError, match="needs at least 49 groups of held-out rows, there are 23"):
        det.set_threshold(false_positive_rate=0.02)
    assert len(np.unique(det.p_values(X))) <= 24
    det.save(tmp_path / "m.blemish")
    same = load(tmp_path / "m.blemish")
    assert same.promise_ == det.promise_
    assert same.set_threshold(recall=0.9).promise_ == det.set_threshold(recall=0.9).promise_
    report = str(same.label_report(X, y, groups=groups))
    assert "12 groups of labelled defects" in report
    assert "None on both sides of a split" in report
    det.cross_fit(X, y, groups=groups, folds=3).save(tmp_path / "m.blemish")
    assert [len(fold.calibration.ordinary) for fold in det.folds_] == [40, 39, 39]
    assert np.array_equal(load(tmp_path / "m.blemish").p_values(X), det.p_values(X))


def test_a_refit_keeps_groups_out_that_were_and_trains_on_a_labelled_one():
    X, y, groups = exposures(n_parts=130, n_defects=6)
    det = DefectDetector(epochs=1, random_state=0, scorer=QUICK).fit(X, y, groups=groups)
    before = det.fitted_.held_out
    y[before[0] + 1 if before[0] % 3 < 2 else before[0] - 1] = "other"
    det.refit(X, y, groups=groups)
    assert det.fitted_.held_out.tolist() == before[1:].tolist()


@pytest.mark.filterwarnings("ignore:only 3 unlabelled or normal group")
@pytest.mark.parametrize("spread", ["one group of defects", "every group", "three groups"])
def test_groups_that_leave_little_to_judge_by_still_fit(spread, tmp_path):
    X, y, groups = exposures()
    if spread == "one group of defects":
        groups[:18] = "tile"
    elif spread == "every group":
        y[::3] = np.where(y[::3] == "defect", "defect", "other")
    else:
        groups = np.array(["a", "b", "c"])[np.arange(len(X)) // 3 % 3]
    det = DefectDetector(epochs=1, random_state=0, scorer=QUICK).fit(X, y, groups=groups)
    assert np.isfinite(det.defect_score(X)).all()
    judged_on = {"one group of defects": "out of fold", "every group": "out of fold", "three groups": "training"}
    assert det.fitted_.judged_on == judged_on[spread]
    if spread == "one group of defects":
        assert not len(det.fitted_.calibration.out_of_fold)
        assert "Unknown with a single group of labelled defects" in str(det.label_report())
        with pytest.raises(DataError, match="groups of labelled defects"):
            det.set_threshold(recall=0.5)
    det.cross_fit(X, y, groups=groups, folds=2)
    det.save(tmp_path / "m.blemish")
    assert np.array_equal(load(tmp_path / "m.blemish").p_values(X), det.p_values(X))
    y[-1] = "defect"
    assert np.isfinite(det.refit(X, y, groups=groups).defect_score(X)).all()


def test_early_stopping_and_every_kind_of_label_take_groups():
    X, y, groups = exposures()
    y[-6:] = ["other", "normal"] * 3
    det = DefectDetector(epochs={"at_most": 3, "patience": 1}, random_state=0, scorer="latent")
    det.fit(X, y, groups=pd.Series(groups))
    assert len(det.fitted_.calibration.out_of_fold) == 18
    data = det.begin_fit(X, y, groups=groups).objective.data
    assert (len(data.held_out), len(data.x)) == (3, 120 - 3 * 3)  # one row of three groups, which train no more
