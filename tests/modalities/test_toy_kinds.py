"""Two kinds of defect, with the signals of `toy_modality`, through every door."""

import sys

import numpy as np
import pandas as pd
import pytest

from blemish import DefectDetector, load
from blemish.cli import main
from blemish.core.errors import ConfigError, LabelError, NoDefectsError, QualityWarning
from blemish.modalities import MODALITIES
from blemish.review import answers
from blemish.review.catalogue import open_catalogue
from blemish.review.ledger import Ledger
from blemish.review.marks import Mark
from blemish.review.session import Review
from blemish.runtime import Runtime
from toy_modality import Signal, signal, waves

pytestmark = pytest.mark.usefixtures("signal", "few_trees")
assert signal
N = 100
KINDS = ("spike", "dip")


def drawn(n, n_each, seed):
    rng = np.random.default_rng(seed)
    dips = waves(n_each, rng)
    dips[:, 0, 3:6] -= 3
    return np.concatenate([waves(n, rng), waves(n_each, rng, spike=True), dips])


X = drawn(N, 8, 0)
WORDS = np.array([None] * N + ["spike"] * 8 + ["dip"] * 8, dtype=object)
FRESH = drawn(20, 5, 1)


@pytest.fixture(scope="module")
def fitted():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODALITIES, "signal", Signal)
        return DefectDetector("signal", epochs=3, random_state=0, defects=KINDS).fit(X, WORDS)


def test_scores_probabilities_and_names(fitted):
    assert fitted.classes_.tolist() == ["normal", "other", *KINDS]
    each = np.stack([fitted.defect_score(FRESH, kind=kind) for kind in KINDS])
    np.testing.assert_array_equal(fitted.defect_score(FRESH), each.max(axis=0))
    assert (each.argmax(axis=0)[20:] == np.repeat([0, 1], 5)).mean() >= 0.9
    p = fitted.predict_proba(FRESH)
    assert p.shape == (30, 4)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    names, cut = fitted.predict(FRESH), fitted.decision_function(FRESH)
    np.testing.assert_array_equal(np.isin(names, KINDS), cut > 0)
    np.testing.assert_array_equal(cut, fitted.defect_score(FRESH) - fitted.threshold_)
    with pytest.raises(ConfigError, match="kind='spikes' is not one of spike, dip; did you mean 'spike'"):
        fitted.defect_score(FRESH, kind="spikes")


def test_cuts_and_promises_per_kind(fitted, tmp_path):
    fitted.save(tmp_path / "m.blemish")
    det = load(tmp_path / "m.blemish")
    det.set_threshold(recall=0.7, kind="dip")
    assert det.promises_["dip"].n == 8
    assert det.thresholds_ == {"spike": det.threshold_, "dip": det.promises_["dip"].threshold}
    names, cut = det.predict(FRESH), det.decision_function(FRESH)
    np.testing.assert_array_equal(np.isin(names, KINDS), cut > 0)
    det.save(tmp_path / "n.blemish")
    again = load(tmp_path / "n.blemish")
    np.testing.assert_array_equal(again.predict(FRESH), names)
    np.testing.assert_array_equal(again.predict_proba(FRESH), fitted.predict_proba(FRESH))
    assert again.defects == KINDS
    assert again.promises_ == det.promises_
    det.set_prior(defect={"spike": 0.01, "dip": 0.2})
    assert det.predict_proba(FRESH)[:, 3].mean() > fitted.predict_proba(FRESH)[:, 3].mean()
    assert det.set_threshold(budget=3).promises_ == {}


def test_why_one_kind_rather_than_another(fitted):
    found = fitted.explain(FRESH[-2:])
    assert found.kind == ["dip", "dip"]
    assert found.rather_than == ["spike", "spike"]
    assert found.why_this_kind(0).startswith("dip rather than spike, ")
    assert "why_kind" in found.to_frame().columns


def test_the_label_report_has_a_confusion_and_each_kind(fitted):
    report = fitted.label_report()
    assert set(report.kinds) == set(KINDS)
    assert [(one.kind, one.n, sum(one.named.values())) for one in report.confusion] == [("spike", 8, 8), ("dip", 8, 8)]
    assert "spike: of 8 labelled" in str(report)
    assert "kind" in set(report.to_frame()["about"])


def test_an_export_gives_every_kind(fitted, tmp_path):
    fitted.export(tmp_path / "m.onnx", FRESH)
    runtime = Runtime(tmp_path / "m.onnx")
    found = runtime.scores(FRESH)
    assert runtime.facts["classes"] == ["normal", "other", *KINDS]
    np.testing.assert_allclose(found["kind_scores"][:, 1], fitted.defect_score(FRESH, kind="dip"), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["probabilities"], fitted.predict_proba(FRESH), atol=1e-4)
    assert found["label"].tolist() == fitted.predict(FRESH).tolist()


def test_kinds_are_added_at_a_refit():
    det = DefectDetector("signal", epochs=2, random_state=0, defects=("spike",))
    det.fit(X, [word if word == "spike" else None for word in WORDS])
    assert set(det.predict(FRESH)) <= {"normal", "other", "spike"}
    assert det.prior_ == {"normal": 0.9, "other": 0.07, "spike": 0.03}
    det.set_params(defects=KINDS).refit(X, WORDS)
    assert det.predict_proba(FRESH).shape == (30, 4)


def test_a_kind_without_labels_has_no_score_and_says_so():
    det = DefectDetector("signal", epochs=2, random_state=0, defects=(*KINDS, "dent"))
    with pytest.warns(QualityWarning, match="no row is labelled 'dent'"):
        det.fit(X, WORDS)
    assert (det.predict_proba(FRESH)[:, 4] == 0).all()
    with pytest.raises(NoDefectsError, match="no row was labelled 'dent'"):
        det.defect_score(FRESH, kind="dent")


def test_the_same_sample_under_two_kinds_is_a_contradiction():
    twice, words = np.concatenate([X, X[[N]]]), np.append(WORDS, "dip")
    report = DefectDetector("signal", epochs=1, random_state=0, defects=KINDS).fit(twice, words).label_report()
    assert [set(one.labels) for one in report.conflicts] == [set(KINDS)]


@pytest.mark.parametrize(
    ("defects", "says"),
    [
        (("normal",), "a kind 'normal'; a kind is a word"),
        (("Other", "x"), "a kind 'Other'"),
        (("unlabelled",), "a kind 'unlabelled'"),
        (("",), "a kind ''"),
        ((" x",), "a kind ' x'"),
        ((1,), "a kind 1"),
        ((), "must be a list of words"),
        ("crack", "must be a list of words"),
        (("a", "b", "A"), "the kind 'a' twice"),
        ([f"k{i}" for i in range(101)], "101 kinds; at most 100"),
    ],
)
def test_kinds_that_cannot_be(defects, says):
    with pytest.raises(ConfigError, match=says):
        DefectDetector("signal", defects=defects).fit(X, WORDS)


@pytest.mark.parametrize(("word", "near"), [("spikes", "spike"), ("Dip", "dip"), ("defect", None), (1, None)])
def test_a_word_that_is_no_kind_is_refused_with_the_nearest(word, near):
    says = (
        f"did you mean '{near}'" if near else "one kind of defect" if word == 1 else "is not one of 'normal', 'spike'"
    )
    with pytest.raises(LabelError, match=says):
        DefectDetector("signal", defects=KINDS).fit(X, np.append(WORDS[:-1], np.array([word], dtype=object)))


def test_forty_kinds_with_one_label_each():
    words = np.array([f"k{i}" if i < 40 else None for i in range(len(X))], dtype=object)
    det = DefectDetector("signal", epochs=1, random_state=0, defects=[f"k{i}" for i in range(40)]).fit(X, words)
    assert det.predict_proba(FRESH).shape == (30, 42)


# Doors ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def blemish(monkeypatch, capsys):
    def run(*arguments, fails=False):
        monkeypatch.setattr(sys, "argv", ["blemish", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        assert bool(end.value.code) == fails, err
        return err if fails else out

    return run


@pytest.fixture
def files(tmp_path):
    named = np.where(WORDS == None, "fine", WORDS).astype(str)  # noqa: E711
    np.savez(tmp_path / "train.npz", X=X, what=named)
    np.savez(tmp_path / "test.npz", X=FRESH, what=np.array(["fine"] * 20 + ["spike"] * 5 + ["dip"] * 5))
    return tmp_path


def test_the_command_line_fits_scores_cuts_and_evaluates_kinds(blemish, files):
    model, kinds = files / "m.blemish", ("--kind", "spike", "--kind", "dip")
    fit = ("fit", files / "train.npz", "--labels", "what", "-o", model, "--modality", "signal", "--epochs", 2)
    blemish(*fit, *kinds, "--normal", "fine", "--seed", 0)
    blemish("score", model, files / "test.npz", "-o", files / "s.csv")
    assert {"p_normal", "p_other", "p_spike", "p_dip", "label"} <= set(pd.read_csv(files / "s.csv").columns)
    assert "threshold of dip" in blemish("threshold", model, "--recall", 0.7, "--kind", "dip")
    assert "promise of dip" in blemish("info", model)
    assert "kind:\n- spike\n- dip" in blemish("info", model, "--config")
    table = blemish("evaluate", model, files / "test.npz", "--truth", "what", "--normal", "fine")
    assert "5 dip: dip: of 5 labelled" in " ".join(table.split())
    assert "kind=" not in blemish(*fit, *kinds, "--normal", "fine", "--defect", "spike", fails=True)
    assert "label 'fine' is not one of" in blemish(*fit, *kinds, fails=True)
    assert "no row has the label 'dent'" in blemish(*fit, *kinds, "--kind", "dent", "--normal", "fine", fails=True)
    assert "a kind 'normal'" in blemish(*fit, "--kind", "normal", fails=True)


def mark_of(row, review, label, at):
    sample, key = review.catalogue.digest(row), str(review.catalogue.keys[row])
    return Mark(f"mark{row:08d}{at}", sample, key, label, None, "me", "2026-12-01T00:00:00Z")


def test_the_page_marks_kinds_and_keeps_the_words_of_old_labels(files, tmp_path):
    catalogue = open_catalogue(str(files / "train.npz"), modality="signal")
    old = Review(catalogue, Ledger(tmp_path / "l.db"), start=False)
    old.write([mark_of(0, old, "defect", 0)])
    old.ledger.close()
    review = Review(catalogue, Ledger(tmp_path / "l.db"), start=False, kinds=KINDS)
    assert answers.state(review)["kinds"] == list(KINDS)
    review.write([mark_of(N, review, "spike", 1), mark_of(N + 8, review, "dip", 1)])
    assert review.counts() == {"normal": 0, "other": 0, "spike": 1, "conflict": 0, "dip": 1}
    assert review.labels([0, N, N + 8]) == [None, "spike", "dip"]
    assert answers.item(review, 0)["label"] == "defect"
    assert "1 say 'defect', which is not one of spike, dip" in review.strange
    assert answers.shown(review, "dip", "score").tolist() == [N + 8]
    review.ledger.close()
