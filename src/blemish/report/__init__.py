"""Pieces of a report: one HTML file with charts, films and tables that opens offline.

Charts and the page need the extra `report` (plotly, jinja2); neither is imported before it is used.
"""

from blemish.report.charts import curves, histograms, latent_map, principal_plane
from blemish.report.intervals import Point, intervals
from blemish.report.page import Section, Table, check_extras, render, table_html, write_page
from blemish.report.pictures import film, film_pair, picture

__all__ = [
    "Point",
    "Section",
    "Table",
    "check_extras",
    "curves",
    "film",
    "film_pair",
    "histograms",
    "intervals",
    "latent_map",
    "picture",
    "principal_plane",
    "render",
    "table_html",
    "write_page",
]
