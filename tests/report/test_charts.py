"""Charts: what they draw, that they escape every string, and the plane of a map."""

import json
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA

from blemish.core.errors import DataError, MissingExtraError
from blemish.report import curves, histograms, latent_map, principal_plane
from blemish.report.charts import SPARE_STYLES, STYLES, styles_of
from report_pieces import ATTACK, traces


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_histograms_show_shares_on_common_bins_in_the_given_order(rng):
    scores = {"normal": rng.normal(size=300), "defect": rng.normal(3, 1, 20), "other": rng.normal(size=50)}
    first, second, third = traces(histograms(scores, "title", "score"))
    assert [trace["name"] for trace in (first, second, third)] == ["normal (300)", "defect (20)", "other (50)"]
    assert "fill" in second
    assert "fill" not in first
    for trace in (first, second, third):
        assert sum(trace["y"]) == pytest.approx(100)
    steps = np.unique(np.round(np.diff(first["x"] + second["x"]), 9))
    assert (np.diff(first["x"]) > 0).all()
    assert steps[steps > 0].max() == pytest.approx(steps[steps > 0].min(), rel=1e-6)


def test_histograms_count_outlying_values_in_the_edge_bins(rng):
    values = np.append(rng.uniform(size=998), [1e9, -1e9])
    fragment = histograms({"normal": values}, "title", "score")
    (trace,) = traces(fragment)
    assert sum(trace["y"]) == pytest.approx(100)
    assert -0.2 < min(trace["x"]) < max(trace["x"]) < 1.2
    assert "10 values outside the axis" in fragment


@pytest.mark.parametrize(
    "values",
    [[], [2.0, 2.0], [0.0], [1e300, 1e300], [np.nan, np.inf, 1.0]],
    ids=["none", "equal", "zero", "huge", "nan"],
)
def test_histograms_take_degenerate_scores(values):
    (trace,) = traces(histograms({"defect": np.array(values)}, "title", "score"))
    assert sum(trace["y"]) == pytest.approx(100 if len(values) else 0)


def test_map_has_a_trace_a_group_with_its_own_symbol_and_the_defects_on_top():
    groups = ["defect", "normal", "line 3", "normal", "unlabelled"]
    points = np.arange(10.0).reshape(5, 2)
    shown = traces(latent_map(points, groups, [f"row {row}" for row in range(5)], "title"))
    assert [trace["name"] for trace in shown] == ["line 3 (1)", "unlabelled (1)", "normal (2)", "defect (1)"]
    assert len({trace["marker"]["symbol"] for trace in shown}) == 4
    assert len({trace["marker"]["color"] for trace in shown}) == 4
    assert shown[2]["x"] == [2.0, 6.0]
    assert shown[2]["text"] == ["row 1", "row 3"]


def test_map_asks_for_one_group_a_point():
    with pytest.raises(DataError, match="3 points, 2 groups and 3 hover texts"):
        latent_map(np.zeros((3, 2)), ["normal"] * 2, [""] * 3, "title")


@pytest.mark.parametrize(("losses", "scale"), [([3.0, 2.0, 1.0], "log"), ([3.0, -1.0], "linear")])
def test_curves_use_a_log_axis_where_they_can(losses, scale):
    fragment = curves({"total": losses, "kl": [1.0, float("nan")]}, "Training", "epoch", "loss")
    total, kl = traces(fragment)
    assert total["y"] == losses
    assert total["x"] == list(range(1, len(losses) + 1))
    assert kl["y"] == [1.0, None]
    assert total["line"]["dash"] != kl["line"]["dash"]
    assert f'"type":"{scale}"' in fragment


def test_charts_are_svg_only_and_bring_no_plotly_js(rng):
    points = rng.normal(size=(6, 2))
    for fragment in (
        histograms({"normal": points[:, 0]}, "t", "x"),
        latent_map(points, ["normal"] * 6, [""] * 6, "t"),
        curves({"total": [1.0]}, "t", "x", "y"),
    ):
        assert {trace["type"] for trace in traces(fragment)} == {"scatter"}
        assert len(fragment) < 10_000
        assert '"displaylogo": false' in fragment


def test_charts_escape_every_string():
    fragments = [
        histograms({ATTACK: np.ones(3)}, ATTACK, ATTACK),
        latent_map(np.zeros((1, 2)), [ATTACK], [ATTACK], ATTACK),
        curves({ATTACK: [1.0]}, ATTACK, ATTACK, ATTACK),
    ]
    for fragment in fragments:
        assert "alert(" in fragment
        assert "<script>alert" not in fragment
        assert "<a href" not in fragment
        texts = json.dumps(traces(fragment))  # decoded: what plotly would read as HTML
        assert "<script>" not in texts
        assert "<a " not in texts
    assert traces(fragments[1])[0]["text"][0].startswith("&lt;script&gt;")


# The plane


def test_principal_plane_equals_scikit_learns_up_to_sign(rng):
    z = rng.normal(size=(40, 5)) * [5, 1, 3, 1, 1]
    plane = principal_plane(z)
    assert np.abs(plane) == pytest.approx(np.abs(PCA(2).fit_transform(z)))
    assert principal_plane(z[::-1])[::-1] == pytest.approx(plane)


def test_principal_plane_of_few_dimensions_or_rows_is_padded_with_zeros():
    assert principal_plane(np.array([[1.0], [3.0]])).tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert principal_plane(np.ones((1, 4))).tolist() == [[0.0, 0.0]]
    assert principal_plane(np.ones((0, 4))).shape == (0, 2)


def test_known_groups_keep_their_style_and_others_take_turns():
    names = ["normal", *(f"line {n}" for n in range(9)), "defect"]
    found = styles_of(names)
    assert list(found) == names
    assert (found["normal"], found["defect"]) == (STYLES["normal"], STYLES["defect"])
    spare = [found[name] for name in names if name not in STYLES]
    assert set(spare) <= set(SPARE_STYLES)
    assert not {style.color for style in spare} & {STYLES["normal"].color, STYLES["defect"].color}
    assert spare[0] == spare[4]


# The extra


@pytest.mark.parametrize(
    "draw",
    [
        lambda: histograms({"normal": np.ones(2)}, "t", "x"),
        lambda: latent_map(np.zeros((1, 2)), ["normal"], [""], "t"),
        lambda: curves({"total": [1.0]}, "t", "x", "y"),
    ],
    ids=["histograms", "map", "curves"],
)
def test_without_plotly_the_error_names_the_extra(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(MissingExtraError, match=r"'plotly' is not installed.*blemish\[report\]"):
        draw()
