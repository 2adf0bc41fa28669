"""Rows shared out among threads."""

import time
from contextvars import ContextVar
from threading import get_ident

import pytest
import torch

from blemish.core.threads import in_order

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
