"""Points with the interval around each: a learning curve, or probabilities against what came true."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blemish.report.charts import styles_of
from blemish.report.figure import MUTED, fragment, plain


@dataclass(frozen=True)
class Point:
    """One point and how sure it is.

    Attributes:
        x: Place.
        y: Height.
        low: Lower end of the interval around y.
        high: Upper end.
        hover: What it shows under the pointer; a line break starts a new line.
    """

    x: float
    y: float
    low: float
    high: float
    hover: str


def intervals(
    series: Mapping[str, Sequence[Point]],
    title: str,
    x_title: str,
    y_title: str,
    *,
    diagonal: bool = False,
    note: str = "",
) -> str:
    """Lines through points with a whisker each; heights are shares from 0 to 1.

    Args:
        series: One sequence of points a line.
        title: Caption.
        x_title: What is on the horizontal axis.
        y_title: What the heights are.
        diagonal: Draw where both axes are equal, and let the horizontal one go from 0 to 1, too.
        note: Plain text under the chart.

    Returns:
        HTML, everything escaped.

    Raises:
        MissingExtraError: Without plotly.
    """
    looks, traces = styles_of(list(series)), []
    if diagonal:
        traces.append(
            {"type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "name": "as it should be",
             "line": {"color": MUTED, "dash": "dot", "width": 1}, "hoverinfo": "skip"}
        )  # fmt: skip
    for name, points in series.items():
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": plain(name),
                "x": [point.x for point in points],
                "y": [point.y for point in points],
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [point.high - point.y for point in points],
                    "arrayminus": [point.y - point.low for point in points],
                    "thickness": 1.5,
                },
                "text": [plain(point.hover) for point in points],
                "hovertemplate": "%{text}<extra></extra>",
                "line": {"color": looks[name].color, "dash": looks[name].dash, "width": 2},
                "marker": {"symbol": looks[name].symbol, "size": 8},
            }
        )
    ticks = {"tickmode": "array", "tickvals": sorted({point.x for points in series.values() for point in points})}
    layout: dict[str, Any] = {
        "hovermode": "closest",
        "yaxis": {"title": {"text": plain(y_title)}, "range": [-0.03, 1.03], "tickformat": ".0%"},
        "xaxis": {"range": [-0.03, 1.03], "tickformat": ".0%"} if diagonal else {"rangemode": "tozero", **ticks},
    }
    return fragment(title, traces, layout, x_title, note)
