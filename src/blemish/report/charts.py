"""Charts as HTML fragments, everything escaped; each raises MissingExtraError without plotly.

SVG traces only: plotly's WebGL ones need `unsafe-eval` and link to another host. A fragment contains no plotly.js;
`blemish.report.page.render` adds it once per page. Colours are Okabe and Ito's, which colour-blind people can tell
apart, and every group also has its own marker symbol and dash.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from blemish.core.errors import DataError
from blemish.report.figure import MUTED, Style, fragment, plain, trace

STYLES = {
    "unlabelled": Style("#8A8F98", "circle-open", "dot"),
    "normal": Style("#0072B2", "circle", "solid"),
    "other": Style("#E69F00", "diamond", "dash"),
    "defect": Style("#D55E00", "x", "solid"),
}
"""Styles of the known groups, in drawing order: defects come last and lie on top."""

SPARE_STYLES = (
    Style("#0072B2", "circle", "solid"),
    Style("#D55E00", "square", "dash"),
    Style("#009E73", "triangle-up", "dot"),
    Style("#CC79A7", "cross", "dashdot"),
    Style("#E69F00", "diamond", "longdash"),
    Style("#56B4E9", "star", "longdashdot"),
)
"""Styles of other names, taken in turn."""


def histograms(scores: Mapping[str, Float[np.ndarray, " _"]], title: str, x_title: str) -> str:
    """Outlines of one histogram per group over common bins, as percentages of the group; the group `defect` is filled.

    Percentages and not counts, because ten defects next to ten thousand normal rows would vanish. The bins reach from
    the 0.5th to the 99.5th percentile of all values; the outermost bins also count the values beyond, and a note says
    how many. Values that are not finite are left out.

    Args:
        scores: One array per group, of any length; the legend keeps their order.
        title: Caption.
        x_title: Name of the values.
    """
    groups = {name: values[np.isfinite(values)] for name, values in scores.items()}
    every = np.concatenate([np.zeros(0), *groups.values()])
    edges = _bin_edges(every)
    styles = styles_of(list(groups))
    traces = [_outline(name, values, edges, styles[name]) for name, values in groups.items()]
    beyond = int(((every < edges[0]) | (every > edges[-1])).sum())
    layout = {
        "hovermode": "x unified",
        "xaxis": {"hoverformat": ".3g"},
        "yaxis": {"title": {"text": "percentage of the group"}, "ticksuffix": " %", "rangemode": "tozero"},
    }
    note = f"{beyond} values outside the axis are counted in the first and last bar." if beyond else ""
    return fragment(title, traces, layout, x_title, note)


def latent_map(points: Float[np.ndarray, "row 2"], groups: Sequence[str], hover: Sequence[str], title: str) -> str:
    """One point per row, coloured and shaped by group.

    Args:
        points: Shape (row, 2), for example from `principal_plane`. An SVG chart: thousands of rows, not millions.
        groups: The group of each row.
        hover: Text shown under the pointer for each row; a line break starts a new line.
        title: Caption.

    Raises:
        DataError: If there is not one group and one hover text per row.
    """
    if not len(points) == len(groups) == len(hover):
        lengths = f"{len(points)} points, {len(groups)} groups and {len(hover)} hover texts"
        raise DataError(f"the map got {lengths}; give one group and one hover text per point")
    known = [name for name in STYLES if name in groups]
    others = [name for name in dict.fromkeys(groups) if name not in STYLES]
    of_row, texts = np.asarray(groups, dtype=object), np.asarray(hover, dtype=object)
    traces = [
        _points(name, points[of_row == name], texts[of_row == name].tolist(), style)
        for name, style in styles_of([*others, *known]).items()
    ]
    layout = {
        "height": 460,
        "hovermode": "closest",
        "legend": {"itemsizing": "constant", "yref": "container", "y": 0, "yanchor": "bottom"},
        "margin": {"t": 32},  # room for the row of buttons
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": STYLES["defect"].color},
    }
    return fragment(title, traces, layout)


def curves(series: Mapping[str, Sequence[float]], title: str, x_title: str, y_title: str) -> str:
    """Lines over 1, 2, 3, …, for example losses over epochs; the axis is logarithmic if all values are positive.

    Args:
        series: One sequence per curve, of any length; a value that is not finite makes a gap.
        title: Caption.
        x_title: What is counted.
        y_title: Name of the values.
    """
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in series.items()}
    every = np.concatenate([np.zeros(0), *arrays.values()])
    positive = bool((every[np.isfinite(every)] > 0).all())
    styles = styles_of(list(arrays))
    traces = [_line(name, values, styles[name]) for name, values in arrays.items()]
    layout = {
        "hovermode": "x unified",
        "xaxis": {"tick0": 1, "dtick": max(1, -(-max(map(len, arrays.values()), default=1) // 6)), "tickformat": "d"},
        "yaxis": {
            "title": {"text": plain(y_title)},
            "type": "log" if positive else "linear",
            "exponentformat": "power",
            "hoverformat": ".4g",
        },
    }
    return fragment(title, traces, layout, x_title)


def principal_plane(z: Float[np.ndarray, "row latent"]) -> Float[np.ndarray, "row 2"]:
    """Coordinates in the plane of largest variance.

    Args:
        z: Latent codes, shape (row, latent), finite.

    Returns:
        Shape (row, 2), centred, in the units of `z`. The sign is fixed by making the largest entry of each direction
        positive. Directions that do not exist (`latent` = 1, a single row) give zeros.

    Example:
        >>> principal_plane(np.array([[1.0, 0.0], [3.0, 0.0], [5.0, 0.0]])).tolist()
        [[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]]
    """
    plane = np.zeros((len(z), 2))
    if z.size == 0:
        return plane
    centred = z - z.mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:2]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1, keepdims=True), axis=1)
    plane[:, : len(directions)] = centred @ (directions * np.sign(largest)).T
    return plane


def _bin_edges(values: Float[np.ndarray, " row"]) -> Float[np.ndarray, " edge"]:
    if len(values) == 0:
        return np.linspace(0.0, 1.0, 13)
    low, high = np.percentile(values, [0.5, 99.5])
    if high - low <= 1e-9 * abs(low):
        low, high = low - 0.5 - 0.01 * abs(low), high + 0.5 + 0.01 * abs(high)
    bins = int(np.clip(2 * len(values) ** (1 / 3), 12, 60))
    return np.linspace(low, high, bins + 1)


def _counts(values: Float[np.ndarray, " row"], edges: Float[np.ndarray, " edge"]) -> Int[np.ndarray, " bin"]:
    return np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]


def _outline(
    name: str, values: Float[np.ndarray, " row"], edges: Float[np.ndarray, " edge"], style: Style
) -> dict[str, Any]:
    width = edges[1] - edges[0]
    centres = np.concatenate([[edges[0] - width / 2], (edges[:-1] + edges[1:]) / 2, [edges[-1] + width / 2]])
    counts = np.pad(_counts(values, edges), 1)  # an empty bin at each end brings the outline down to the axis
    drawn = slice(max(filled[0] - 1, 0), filled[-1] + 2) if len(filled := np.flatnonzero(counts)) else slice(0)
    centres, counts = centres[drawn], counts[drawn]
    percentages = 100 * counts / max(len(values), 1)
    found = trace(f"{name} ({len(values)})", style, "lines", centres, percentages)
    found["line"]["shape"] = "hvh"
    texts = [f"{count} rows, {part:.1f} %" for count, part in zip(counts, percentages, strict=True)]
    emphasis = {"fill": "tozeroy", "fillcolor": f"{style.color}55"} if name == "defect" else {}
    return {**found, "text": texts, "hovertemplate": "%{text}", **emphasis}  # one box names all groups


def _points(name: str, points: Float[np.ndarray, "row 2"], hover: list[str], style: Style) -> dict[str, Any]:
    found = trace(f"{name} ({len(points)})", style, "markers", points[:, 0], points[:, 1], hover)
    found["marker"] |= {"size": 10, "opacity": 1.0} if style is STYLES["defect"] else {"size": 7, "opacity": 0.85}
    return found


def _line(name: str, values: Float[np.ndarray, " step"], style: Style) -> dict[str, Any]:
    heights = [value if np.isfinite(value) else None for value in values.tolist()]
    mode = "lines+markers" if len(values) <= 30 else "lines"
    return trace(name, style, mode, range(1, len(values) + 1), heights)


def styles_of(names: Sequence[str]) -> dict[str, Style]:
    """A style for each name: the known groups have their own, others take turns."""
    taken = [STYLES[name] for name in names if name in STYLES]
    spare = [style for style in SPARE_STYLES if style.color not in {known.color for known in taken}]
    others = [name for name in names if name not in STYLES]
    turns = {name: spare[turn % len(spare)] for turn, name in enumerate(others)}
    return {name: STYLES.get(name) or turns[name] for name in names}
