"""A new kind of data is one file and one line: everything works with the signals of `toy_modality`."""

import sys
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from blemish import DefectDetector, load
from blemish.cli import main
from blemish.core.errors import DataError, ExportError
from blemish.modalities import MODALITIES
from blemish.modalities.modality import FittedModality
from blemish.review import answers
from blemish.review.catalogue import open_catalogue
from blemish.review.ledger import Ledger
from blemish.review.marks import Mark
from blemish.review.session import Review
from blemish.runtime import Runtime
from browser import visit
from served import TOKEN, guarded, served, wait_ready
from toy_modality import FittedSignal, Signal, signal, waves

pytestmark = pytest.mark.usefixtures("signal", "few_trees")
assert signal
N = 150
SPIKE = "1: 9-11"
"""The element that holds step 9 of channel 1."""


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = np.concatenate([waves(N, rng), waves(10, rng, spike=True)])
    return X, np.array([None] * N + ["defect"] * 10, dtype=object)


@pytest.fixture(scope="module")
def fresh():
    rng = np.random.default_rng(1)
    return np.concatenate([waves(20, rng), waves(5, rng, spike=True)])


@pytest.fixture(scope="module")
def fitted(data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODALITIES, "signal", Signal)
        return DefectDetector("signal", epochs=20, random_state=0).fit(*data)


@pytest.fixture(scope="module")
def files(data, fresh, tmp_path_factory):
    folder = tmp_path_factory.mktemp("signals")
    X, y = data
    np.savez(folder / "train.npz", X=X, kind=np.where(y == "defect", "spike", "fine"))
    np.savez(folder / "test.npz", X=fresh, kind=np.array(["fine"] * 20 + ["spike"] * 5))
    return folder


@pytest.fixture
def blemish(monkeypatch, capsys):
    """The command line in this process, because another process would not know the signals."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["blemish", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        assert not end.value.code, err
        return out

    return run


class Graphless(FittedModality):
    """The scaling of signals without a graph."""

    __init__: Any = FittedSignal.__init__
    stored = FittedSignal.stored
    from_state: Any = FittedSignal.from_state
    to_tensor, to_raw, state = FittedSignal.to_tensor, FittedSignal.to_raw, FittedSignal.state


# Python --------------------------------------------------------------------------------------------------------------


def test_it_scores_and_gives_probabilities(fitted, fresh):
    defect, outlier = fitted.defect_score(fresh), fitted.outlier_score(fresh)
    assert defect[20:].min() > np.median(defect[:20])
    assert outlier.shape == defect.shape == (25,)
    assert np.allclose(fitted.predict_proba(fresh).sum(axis=1), 1)
    assert set(fitted.predict(fresh)) <= {"normal", "other", "defect"}
    assert fitted.reconstruct(fresh).shape == fresh.shape
    assert ((fitted.p_values(fresh) > 0) & (fitted.p_values(fresh) <= 1)).all()


def test_it_trains_a_contrast_with_synthetic_outliers(data, fresh):
    det = DefectDetector(Signal(), scorer="latent", epochs=2, random_state=0).fit(*data)
    assert np.isfinite(det.defect_score(fresh)).all()


def test_it_explains_by_segments_of_each_channel(fitted, fresh):
    found = fitted.explain(fresh[20:])
    assert len(found.elements) == 16
    assert [found.elements[found.worst(row, 1)[0]] for row in range(5)] == [SPIKE] * 5
    assert fitted.explain(fresh[:2], by="error").to_frame(top=1).shape[0] == 2


def test_drift_is_measured(fitted, fresh):
    assert not fitted.drift(fresh[:20]).found or fitted.drift(fresh[:20] + 5).found
    assert fitted.drift(fresh[:20] + 5).found


def test_it_is_saved_loaded_and_refitted(data, fitted, fresh, tmp_path):
    fitted.save(tmp_path / "m.blemish")
    loaded = load(tmp_path / "m.blemish")
    assert np.array_equal(loaded.defect_score(fresh), fitted.defect_score(fresh))
    X, y = data
    again = loaded.refit(np.concatenate([X, fresh]), np.array([*y, *[None] * 20, *["defect"] * 5], dtype=object))
    assert again.training_["rows"]["defect"] == 15


def test_it_is_exported_for_onnx_runtime(fitted, fresh, tmp_path):
    fitted.export(tmp_path / "m.onnx")
    found = Runtime(tmp_path / "m.onnx").scores(fresh)
    assert np.allclose(found["defect_score"], fitted.defect_score(fresh), rtol=1e-4, atol=1e-4)


def test_without_a_graph_export_says_so_in_one_line(data, monkeypatch, tmp_path):
    det = DefectDetector("signal", epochs=1, random_state=0).fit(*data)
    monkeypatch.setattr(det.fitted_.model.modality, "__class__", Graphless)
    with pytest.raises(
        ExportError, match="^the modality 'signal' has no ONNX graph; score with the model file instead$"
    ):
        det.export(tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_data_that_do_not_fit_are_refused_by_the_modality_itself(fitted):
    with pytest.raises(DataError, match=r"the signals have shape \(2, 9\)"):
        fitted.outlier_score(np.zeros((3, 2, 9)))
    with pytest.raises(DataError, match="no cells or pixels to mask"):
        fitted.inpaint(np.zeros((3, 2, 24)), np.ones((2, 24), dtype=bool))


# The command line ----------------------------------------------------------------------------------------------------


def test_the_command_line_works(files, blemish, tmp_path):
    model, labels = tmp_path / "m.blemish", ("--labels", "kind", "--defect", "spike")
    out = blemish("fit", files / "train.npz", *labels, "--modality", "signal", "--seed", 0, "--epochs", 20, "-o", model)
    assert "fitted on 160 signal samples (150 unlabelled, 10 defect)" in out
    assert "signal" in blemish("info", model)
    assert "scored 25 samples" in blemish("score", model, files / "test.npz", "-o", tmp_path / "s.csv")
    truth = ("--truth", "kind", "--defect", "spike")
    assert "average precision" in blemish("evaluate", model, files / "test.npz", *truth)
    assert SPIKE in blemish("explain", model, files / "test.npz", "--json")
    blemish("report", model, files / "test.npz", *labels, "-o", tmp_path / "r.html")
    assert SPIKE in (tmp_path / "r.html").read_text()
    blemish("export", model, "-o", tmp_path / "m.onnx")
    assert "scored 25 samples" in blemish("score", tmp_path / "m.onnx", files / "test.npz", "-o", tmp_path / "o.csv")
    scores, again = (np.genfromtxt(tmp_path / name, delimiter=",", names=True) for name in ("s.csv", "o.csv"))
    assert np.allclose(scores["defect_score"], again["defect_score"], rtol=1e-4, atol=1e-4)


# The page ------------------------------------------------------------------------------------------------------------


def test_the_page_ranks_explains_suggests_and_refits(files, tmp_path):
    review = Review(open_catalogue(files / "test.npz", modality="signal"), Ledger(tmp_path / "labels.db"))
    wait_ready(review)
    try:
        assert review.ranking is not None
        assert review.ranking.scored == 25
        state = answers.state(review)
        assert (state["modality"], state["shown_as"], state["frames"]) == ("signal", "curve", 0)
        assert state["suggestions"]
        detail = answers.detail(review, 24)
        assert detail["reasons"]["elements"]
        assert detail["whole"] is None
        for row in (22, 23, 24):
            digest = review.catalogue.digest(row)
            review.write(
                [Mark(f"mark-{row:04d}", digest, f"row {row}", "defect", None, "ann", "2026-11-24T12:00:00+00:00")]
            )
        assert review.refit()
        wait_ready(review)
        assert review.ranking.snapshot.defect is not None
        client = TestClient(guarded(review, tmp_path / "cache"), base_url="http://127.0.0.1:8765")
        client.get(f"/?token={TOKEN}")
        drawn = client.get(f"/picture/{review.catalogue.digest(24)}?side=512")
        assert drawn.headers["content-type"] == "image/jpeg"
        assert client.get(f"/heat/{review.catalogue.digest(24)}").status_code == 404
    finally:
        review.stop()


def test_the_page_draws_a_curve_and_its_reconstruction_and_says_where(browser, fitted, files, tmp_path):
    review = Review(open_catalogue(files / "test.npz", modality="signal"), Ledger(tmp_path / "labels.db"), fitted)
    with served(review, tmp_path / "cache") as link:
        wait_ready(review)
        with visit(browser, link) as seen:
            page = seen.page
            page.locator("#pictures img").nth(1).wait_for(timeout=60_000)
            assert page.locator("#pictures img").count() == 2
            page.locator("#reasons", has_text=SPIKE).wait_for(timeout=20_000)
            drawn = page.locator(".cell img").first
            drawn.evaluate("image => image.decode()")
            assert drawn.evaluate("image => image.naturalWidth") > 0
            assert seen.problems == []
