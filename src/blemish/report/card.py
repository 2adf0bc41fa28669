"""A few facts and tables as a fragment for a notebook: no script, and no style that reaches beyond it."""

from collections.abc import Mapping, Sequence
from html import escape

from blemish.report.page import Table, table_html

_STYLE = (
    "<style>.blemish-card{max-width:62rem;font:0.9rem/1.45 system-ui,sans-serif}"
    ".blemish-card dl{display:flex;flex-wrap:wrap;gap:0.3rem 1.6rem;margin:0.4rem 0}"
    ".blemish-card dt{font-size:0.78rem;opacity:0.75}.blemish-card dd{margin:0;font-weight:600}"
    ".blemish-card .scroll{overflow-x:auto}.blemish-card table{margin:0.4rem 0}"
    ".blemish-card caption{text-align:left;font-weight:600}"
    ".blemish-card :is(th,td){text-align:left;vertical-align:baseline;white-space:normal}"
    ".blemish-card .number{text-align:right;font-variant-numeric:tabular-nums}</style>"
)


def card(title: str, facts: Mapping[str, str], tables: Sequence[Table]) -> str:
    """A titled fragment.

    Args:
        title: Plain text, as are all strings.
        facts: Short labels and values, shown in their order.
        tables: Shown below.

    Returns:
        HTML, everything escaped.

    Raises:
        DataError: If a table's row has not one cell a column.
        MissingExtraError: Without jinja2.
    """
    shown = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    below = "".join(table_html(table) for table in tables)
    return f'<div class="blemish-card">{_STYLE}<strong>{escape(title)}</strong><dl>{shown}</dl>{below}</div>'
