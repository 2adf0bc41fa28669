"""The simulated reviewer: what it counts, and when a session ends."""

import numpy as np
import pytest

from labelling import RULES, Ours, kept, pool, reviewed, table

GROUP = np.array(["normal"] * 60 + ["other"] * 20 + ["defect"] * 20, dtype=object)


class InOrder:
    """Suggests rows in a given order and scores a row by what it learnt: nothing until it has seen a defect."""

    def __init__(self, order):
        self.order, self.learnt = order, []

    def next(self, y, said):
        assert len(said) == sum(label is not None for label in y)
        return next((row for row in self.order if y[row] is None), None)

    def learn(self, y):
        self.learnt.append(sum(label is not None for label in y))
        self.seen = (y == "defect").any()

    def score(self):
        return (GROUP == "defect").astype(float) if self.seen else np.zeros(len(GROUP))


def test_marks_are_counted_to_the_row_and_precision_after_the_refit():
    tool = InOrder([*range(60, 72), *range(80, 100), *range(60)])  # twelve others, then all defects
    found = reviewed(tool, GROUP, marks=100, batch=5)
    assert [found[f"marks to {name}"] for name in ("the first", "50%", "80%", "95%")] == [13, 22, 28, 31]
    assert [found[f"AP after {n}"] for n in (10, 20, 50)] == [pytest.approx(0.2), 1, 1]
    assert tool.learnt == list(range(5, 51, 5))  # it ends with the last count, for 95 % were found before


def test_what_was_not_found_is_infinite_and_a_first_session_ends_with_the_first():
    order = [*range(60), *range(80, 100)]
    assert reviewed(InOrder(order), GROUP, marks=20, batch=10)["marks to the first"] == float("inf")
    tool = InOrder(order)
    assert reviewed(tool, GROUP, marks=100, batch=10, first=True) == {
        "AP after 10": pytest.approx(0.2), "AP after 20": pytest.approx(0.2), "AP after 50": pytest.approx(0.2),
        "marks to the first": 61,
    }  # fmt: skip
    assert tool.learnt == [10, 20, 30, 40, 50, 60]


def test_a_pool_keeps_the_shares_and_enough_defects():
    group = np.array(["normal"] * 900 + ["other"] * 85 + ["defect"] * 15, dtype=object)
    X, some = pool(np.arange(1000), group, 200, seed=0)
    assert [int((some == name).sum()) for name in ("normal", "other", "defect")] == [180, 17, 10]
    assert group[X].tolist() == some.tolist()
    assert len(pool(np.arange(1000), group, 5000, seed=0)[1]) == 1000


@pytest.mark.parametrize("name", RULES)
def test_every_rule_marks_a_ring_and_never_a_row_twice(name):
    from blemish import DefectDetector
    from blemish.datasets import ring

    split = ring(n_normal=60, n_test=8)
    det = DefectDetector(epochs=1, scorer="reconstruction", random_state=0).fit(split.X_test)
    tool, y, said = Ours(split.X_test, det, RULES[name], 0), np.full(len(split.X_test), None, dtype=object), []
    for at in range(10):
        row = tool.next(y, said)
        assert y[row] is None
        y[row] = "other" if at else "defect"
        said.append(y[row])
        if at == 4:
            tool.learn(y)
    assert det.fitted_.n_defects == 0  # the first fit is left as it was, for the next rule


def test_the_table_has_medians_and_how_many_got_there():
    sessions = {
        "page": [
            {"marks to the first": 3.0, "AP after 10": 0.25},
            {"marks to the first": 5.0, "AP after 10": 0.5},
            {"marks to the first": float("inf"), "AP after 10": 0.75},
        ]
    }
    assert table(sessions).splitlines()[2] == "| page | 5 (2 of 3) | 0.500 |"
    assert table({"page": 2 * sessions["page"][2:]}).splitlines()[2] == "| page | ∞ (0 of 2) | 0.750 |"


def test_sessions_are_kept_in_a_file(tmp_path):
    assert kept(None) == kept(tmp_path / "no.jsonl") == {}
    (tmp_path / "s.jsonl").write_text('["a/b", 1, "page", {"marks to 50%": Infinity}]\n')
    assert kept(tmp_path / "s.jsonl") == {("a/b", 1, "page"): {"marks to 50%": float("inf")}}
