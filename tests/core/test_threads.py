"""Rows shared out among threads."""

import time
from contextvars import ContextVar
from threading import get_ident

import numpy as np
import pytest
import torch

from blemish import DefectDetector
from blemish.core.errors import DataError
from blemish.core.threads import in_order
from blemish.fitting import model
from blemish.fitting.model import JUDGED_ROWS
from blemish.modalities import tabular

NAME: ContextVar[str] = ContextVar("name", default="nobody")


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(n_threads):
    def slow_at_first(n):
        time.sleep(0.02 if n == 0 else 0)
        return n * n

    assert list(in_order(slow_at_first, range(9), n_threads)) == [n * n for n in range(9)]
    assert list(in_order(slow_at_first, [], n_threads)) == []


def test_several_threads_work_each_on_one_of_pytorch_and_in_the_callers_context(two_threads):
    def facts(_):
        time.sleep(0.01)
        return get_ident(), torch.get_num_threads(), NAME.get()

    token = NAME.set("caller")
    found = list(in_order(facts, range(6), 2))
    NAME.reset(token)
    assert len({thread for thread, *_ in found} - {get_ident()}) == 2
    assert {(n, name) for _, n, name in found} == {(1, "caller")}
    assert torch.get_num_threads() == 2


def test_an_error_in_a_thread_is_the_callers_and_the_number_of_threads_comes_back(two_threads):
    def refuse(n):
        if n == 3:
            raise ValueError("three")
        return n

    with pytest.raises(ValueError, match="three"):
        list(in_order(refuse, range(8), 2))
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("as_frame", [False, True])
def test_scores_have_the_same_bits_by_any_number_of_threads(table_detector, table_split, monkeypatch, as_frame):
    monkeypatch.setattr(model, "JUDGED_ROWS", 64)
    monkeypatch.setattr(tabular, "ENCODED_TOGETHER", 64)
    monkeypatch.setattr(tabular, "ENCODED_ROWS", 32)
    X = table_split.X_test
    X = {f"x{i}": column for i, column in enumerate(np.asarray(X, dtype=float).T)} if as_frame else X
    alone = table_detector.scores(X)
    torch.set_num_threads(2)
    try:
        shared = table_detector.scores(X)
    finally:
        torch.set_num_threads(1)
    for name, scores in alone.items():
        np.testing.assert_array_equal(shared[name], scores)


def test_an_array_is_prepared_in_parts_and_scores_as_the_whole_does(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    det = DefectDetector(epochs=1, scorer="reconstruction", random_state=0).fit(X)
    asked: list[int] = []
    prepare = type(det.fitted_.model.modality).to_tensor

    def spy(self, raw):
        asked.append(len(raw))
        return prepare(self, raw)

    monkeypatch.setattr(type(det.fitted_.model.modality), "to_tensor", spy)
    new = rng.normal(size=(JUDGED_ROWS + 5, 4))
    scores = det.outlier_score(new)
    assert sorted(asked) == [5, JUDGED_ROWS]
    whole = det.fitted_.outlier_score(det.fitted_.model.evidence(det.fitted_.model.to_tensor(new)))
    np.testing.assert_allclose(scores, whole, rtol=1e-5)
    new[JUDGED_ROWS + 2, 1] = np.inf
    with pytest.raises(DataError, match=f"row {JUDGED_ROWS + 2}, column 'x1' is infinity"):
        det.outlier_score(new)
