"""Explanations by occlusion: what makes the score, against references; what drove it; what the page is told."""

import numpy as np
import pytest
import torch

from blemish import DefectDetector
from blemish.core.errors import ConfigError
from blemish.core.output import Block
from blemish.explain.occlusion import (
    drivers,
    falls,
    named_together,
    tail,
    typical_row,
    without_columns,
)


def test_falls_equal_replacing_by_hand():
    rng = np.random.default_rng(0)
    blocks = (Block(0, 1, "numeric"), Block(1, 4, "categorical"), Block(4, 5, "binary"))
    x, weights, typical = rng.normal(size=(3, 5)), rng.normal(size=5), rng.normal(size=5)

    def score(some):
        return np.tanh(some.numpy() @ weights)

    found = falls(
        score,
        torch.from_numpy(x),
        lambda s: without_columns(s, torch.from_numpy(typical), blocks),
        lambda _: [0, 1, 2],
        3,
    )
    for row in range(3):
        for at, (start, stop, _) in enumerate(blocks):
            other = x[row].copy()
            for feature in range(start, stop):
                other[feature] = typical[feature]
            by_hand = np.tanh((x[row] * weights).sum()) - np.tanh((other * weights).sum())
            assert found[row, at] == pytest.approx(by_hand)


def test_a_typical_row_has_medians_and_one_category():
    blocks = (Block(0, 1, "numeric"), Block(1, 4, "categorical"), Block(4, 5, "binary"))
    normals = torch.tensor([[1.0, 0.1, 0.7, 0.2, 0.9], [2.0, 0.2, 0.5, 0.3, 0.8], [9.0, 0.0, 0.1, 0.9, 0.1]])
    assert typical_row(normals, blocks).tolist() == [2.0, 0.0, 0.0, 1.0, 1.0]


def test_tail_counts_ties_and_itself():
    assert tail(np.array([1.0, 2.0, 2.0]), np.array([0.0, 2.0, 3.0])).tolist() == [1.0, 0.75, 0.25]


def test_drivers_name_what_is_rare():
    unusual, alike = np.array([0.001, 0.5, 0.01, 0.5, 0.0001]), np.array([0.9, 0.001, 0.01, 0.9, 0.04])
    assert drivers(unusual, alike) == ["unusual", "like your defect", "both", "neither", "unusual"]
    assert drivers(np.array([0.001, 0.9]), None) == ["unusual", "neither"]


def test_the_score_is_explained_by_the_column_that_makes_it(table_detector, table_split):
    hit = table_split.X_test[np.argmax(table_detector.defect_score(table_split.X_test))][None]
    explanation = table_detector.explain(hit)
    normal = np.median(table_split.X_train, axis=0)
    assert explanation.fall is not None
    worst, best = explanation.worst(0, 1)[0], int(explanation.fall[0].argmin())

    def without(column):
        row = hit.copy()
        row[0, column] = normal[column]
        return float(table_detector.defect_score(row)[0])

    assert without(worst) < without(best)
    assert explanation.driver[0] in ("like your defect", "both", "unusual")
    np.testing.assert_array_equal(explanation.unusual, table_detector.explain(hit).unusual)


def by_pairs(some):
    """High while the first two columns agree and the third is high, so alone each of the two counts for little."""
    a, b, c, d = some.numpy().T
    return np.maximum(a, b) * 3 + c + 0.1 * d


FOUR = tuple(Block(i, i + 1, "numeric") for i in range(4))


def test_columns_that_repeat_each_other_are_named_together():
    x, typical = torch.ones(2, 4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    fall = falls(by_pairs, x, lambda s: without_columns(s, typical, FOUR), lambda _: [0, 1, 2, 3], 4)
    assert fall[0].argsort()[::-1][:2].tolist() == [2, 3]  # one by one neither of the pair counts
    order, together = named_together(by_pairs, x, typical, FOUR, fall)
    assert order[0].tolist() == [2, 3, 0]
    order, together = named_together(by_pairs, x, typical, FOUR, fall, 4)
    assert set(order[0, 2:].tolist()) == {0, 1}
    np.testing.assert_allclose(together[0], [1.0, 1.1, 1.1, 4.1])


def test_a_set_of_columns_is_chosen_as_by_hand():
    rng = np.random.default_rng(0)
    x, typical = torch.from_numpy(rng.normal(size=(4, 4))), torch.from_numpy(rng.normal(size=4))
    pairs = rng.normal(size=(4, 4))

    def score(some):
        values = some.numpy()
        return np.tanh(np.einsum("ri,ij,rj->r", values, pairs, values))

    fall = falls(score, x, lambda s: without_columns(s, typical, FOUR), lambda _: [0, 1, 2, 3], 4)
    order, together = named_together(score, x, typical, FOUR, fall, 3)
    for row in range(4):
        chosen: list[int] = []
        for at in range(3):
            drops = {}
            for column in set(range(4)) - set(chosen):
                copy = x[row].clone()
                copy[[*chosen, column]] = typical[[*chosen, column]]
                drops[column] = float(score(x[row][None])[0] - score(copy[None])[0])
            best = max(drops, key=lambda column: drops[column])
            assert order[row, at] == best
            assert together[row, at] == pytest.approx(drops[best])
            chosen.append(best)


def test_fewer_columns_than_a_set_holds_are_all_named():
    x, one = torch.ones(1, 1), (Block(0, 1, "numeric"),)
    order, together = named_together(lambda some: some.numpy()[:, 0], x, torch.zeros(1), one, np.array([[1.0]]))
    assert (order.tolist(), together.tolist()) == ([[0]], [[1.0]])


def test_a_set_comes_first_and_says_what_it_costs(table_detector, table_split):
    explanation = table_detector.explain(table_split.X_test[-3:])
    assert explanation.named is not None
    frame = explanation.to_frame(top=5)
    for row, lines in frame.groupby("row"):
        first = [explanation.elements.index(name) for name in lines["element"][:2]]
        assert first == explanation.named[row][: len(first)].tolist()
        hit = table_split.X_test[-3:][[row]].copy()
        before = float(table_detector.defect_score(hit)[0])
        assert lines["together"].iloc[0] == pytest.approx(lines["fall"].iloc[0])
        assert before - lines["together"].iloc[1] < before + 1e-9


def test_explaining_by_error_asks_no_score(table_detector, table_split):
    explanation = table_detector.explain(table_split.X_test[:2], by="error")
    assert explanation.fall is None
    assert "fall" not in explanation.to_frame()
    with pytest.raises(ConfigError, match="by is 'shap'; explain by 'score' or by 'error'"):
        table_detector.explain(table_split.X_test[:2], by="shap")


def test_categories_are_expected_with_their_chances(mixed_frame):
    det = DefectDetector(epochs=2, random_state=0).fit(mixed_frame)
    explanation = det.explain(mixed_frame[:2])
    kind = explanation.elements.index("kind")
    assert explanation.chances is not None
    chances = explanation.chances[0][kind]
    assert chances is not None
    assert set(chances) <= {"a", "b", "c", "(missing)", "(any other)"}
    assert list(chances.values()) == sorted(chances.values(), reverse=True)
    assert explanation.chances[0][explanation.elements.index("speed")] is None
    frame = explanation.to_frame(top=6)
    assert "%" in frame[frame["element"] == "kind"]["chances"].iloc[0]


def test_an_explanation_shows_itself_in_a_notebook(mixed_frame):
    frame = mixed_frame.rename(columns={"speed": "<script>alert(1)</script>"})
    det = DefectDetector(epochs=1, random_state=0).fit(frame)
    shown = det.explain(frame[:1]).to_frame(top=9)
    assert "<script>alert(1)</script>" in set(shown["element"])
    html = det.explain(frame[:1])._repr_html_()
    assert "nearest_normal" in html
    assert "<script>" not in html
