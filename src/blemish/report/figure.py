"""One plotly figure as an HTML fragment in the house style; the only place that uses plotly's figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from blemish.core.errors import missing_extra

MUTED = "#7D838C"
"""A text colour readable on white and on black; the page's style sheet replaces it by one for light or dark."""

_GRID = "rgba(125, 131, 140, 0.25)"
_AXIS = {
    "automargin": True,
    "gridcolor": _GRID,
    "zerolinecolor": _GRID,
    "linecolor": MUTED,
    "showspikes": False,
    "title": {"standoff": 8, "font": {"size": 12}},
}
_LAYOUT = {
    "template": {},
    "height": 320,
    "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"family": "system-ui, sans-serif", "size": 12, "color": MUTED},
    "hoverlabel": {"bgcolor": "#23272E", "bordercolor": "#23272E", "font": {"color": "#FFFFFF"}},
    "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
    "showlegend": True,
    "dragmode": False,  # a finger on a chart scrolls the page
    "xaxis": _AXIS,
    "yaxis": _AXIS,
}
_TOOLS = [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]]  # all: one default uploads the chart


@dataclass(frozen=True)
class Style:
    """How a group or a curve looks in every chart."""

    color: str
    symbol: str
    dash: str


def fragment(
    title: str, traces: Sequence[dict[str, Any]], layout: dict[str, Any], x_title: str = "", note: str = ""
) -> str:
    """A captioned chart without plotly.js.

    Args:
        title: Caption, as plain text.
        traces: Plotly traces; their strings must have gone through `plain`.
        layout: Differences from the house style. With a `modebar`, the chart has buttons to zoom and pan.
        x_title: Plain text below the axis; in HTML, because plotly would cut it off on a phone.
        note: Plain text below the chart.

    Raises:
        MissingExtraError: Without plotly.
    """
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise missing_extra("plotly", "report") from None
    figure = go.Figure(data=list(traces), layout=_LAYOUT)
    figure.update_layout(layout)
    config = {"displaylogo": False, "responsive": True, "displayModeBar": "modebar" in layout, "modeBarButtons": _TOOLS}
    chart = figure.to_html(full_html=False, include_plotlyjs=False, config=config)
    lines = {"axis": x_title, "note": note}
    below = "".join(f'<p class="{role}">{escape(text)}</p>' for role, text in lines.items() if text)
    return f'<figure class="chart"><figcaption>{escape(title)}</figcaption>{chart}{below}</figure>'


def trace(name: str, style: Style, mode: str, x: Any, y: Any, hover: Sequence[str] = ()) -> dict[str, Any]:
    """A group or a curve as a plotly trace in its style, with a text per point to show under the pointer."""
    shown = {"text": [plain(text) for text in hover], "hovertemplate": "%{text}<extra></extra>"} if hover else {}
    return {
        "type": "scatter",
        "mode": mode,
        "name": plain(name),
        "x": np.asarray(x).tolist(),
        "y": np.asarray(y).tolist(),
        "line": {"color": style.color, "dash": style.dash, "width": 2},
        "marker": {"color": style.color, "symbol": style.symbol, "size": 6},
        **shown,
    }


def plain(text: str) -> str:
    """Escape text for plotly, which interprets some HTML in every string, tags and links included.

    Example:
        >>> plain("a < b")
        'a &lt; b'
    """
    return escape(text, quote=False).replace("\n", "<br>")
