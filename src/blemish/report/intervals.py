"""Points with an interval around each: a learning curve, or predicted against observed probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blemish.report.charts import styles_of
from blemish.report.figure import MUTED, Style, fragment, plain, trace

RANGE = [-0.03, 1.03]
"""Range of an axis of fractions, with room for markers at 0 and 1."""
IDEAL, THIN = Style(MUTED, "circle", "dot"), {"color": MUTED, "dash": "dot", "width": 1}


@dataclass(frozen=True)
class Point:
    """One point and its interval.

    Attributes:
        x: Horizontal position.
        y: Height.
        low: Lower end of the interval around y.
        high: Upper end.
        hover: Text shown under the pointer; a line break starts a new line.
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
    """Lines through points with a whisker each; heights are fractions from 0 to 1.

    Args:
        series: One sequence of points per line.
        title: Caption.
        x_title: Name of the horizontal axis.
        y_title: Name of the heights.
        diagonal: Draw the line where both axes are equal, and let the horizontal axis go from 0 to 1 as well.
        note: Plain text below the chart.
    """
    styles = styles_of(list(series))
    traces = [_whiskers(name, points, styles[name]) for name, points in series.items()]
    ticks = {"tickmode": "array", "tickvals": sorted({point.x for points in series.values() for point in points})}
    layout: dict[str, Any] = {
        "hovermode": "closest",
        "yaxis": {"title": {"text": plain(y_title)}, "range": RANGE, "tickformat": ".0%"},
        "xaxis": {"range": RANGE, "tickformat": ".0%"} if diagonal else {"rangemode": "tozero", **ticks},
    }
    if diagonal:
        traces.insert(0, {**trace("ideal", IDEAL, "lines", [0, 1], [0, 1]), "line": THIN, "hoverinfo": "skip"})
    return fragment(title, traces, layout, x_title, note)


def _whiskers(name: str, points: Sequence[Point], style: Style) -> dict[str, Any]:
    x, y, hover = [p.x for p in points], [p.y for p in points], [p.hover for p in points]
    whiskers = {
        "type": "data",
        "symmetric": False,
        "array": [point.high - point.y for point in points],
        "arrayminus": [point.y - point.low for point in points],
        "thickness": 1.5,
    }
    found = trace(name, style, "lines+markers", x, y, hover)
    found["marker"]["size"] = 8
    return {**found, "error_y": whiskers}
