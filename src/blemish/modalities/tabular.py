"""Tables: numbers, yes/no columns and categories, any of them missing."""

import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from blemish.core.errors import DataError, ReadingWarning, nearest
from blemish.data.columns import CLOCK, MISSING, Columns, Style, to_categories, to_columns, to_texts
from blemish.modalities.column import HALF, NO_CATEGORY, Column, beyond, declared_categories, schema_of
from blemish.modalities.fitted_tabular import FittedTabular
from blemish.modalities.free_text import FreeText
from blemish.modalities.kinds import MIN_ROWS, Kind, kind_of
from blemish.modalities.modality import FittedModality, Modality, OnPage
from blemish.modalities.table_notes import LeftOut

MANY_TREES = {"name": "trees", "n_trees": 300}  # a hundred give too many ties among the highest scores


@dataclass(frozen=True)
class Tabular(Modality):
    """A mixed table.

    Numbers are centred on their median, divided by a robust spread and passed through arsinh, which is linear near 0
    and logarithmic in the tails. Categories become one-hot blocks that the network embeds. Columns that are empty, or
    would tell one row from another rather than what is usual (names, running numbers, times, free text), are left out
    with a warning; see `blemish.modalities.kinds`.

    Attributes:
        max_categories: How many of the most frequent values of a column are told apart.
        use: Columns to use though they would be left out; a time becomes hour of day and day of week.
        text: Columns to read as free text: topics of their words, and how many of these are unknown.
    """

    max_categories: int = 128
    use: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    loss: ClassVar[str] = "typed"
    batch_size: ClassVar[int] = 128
    on_page: ClassVar[OnPage] = OnPage("cells", max_fitted=20_000, at_once=20_000)
    experts: ClassVar[Mapping[str, list[Any]]] = {
        "plain": ["linear", {"name": "kernel", "width": 2.0}, MANY_TREES, "forest", "neighbours"],
        "scaled": ["isolation"],
        "error": ["value"],
    }
    far: ClassVar[tuple[str, ...]] = ("numbers",)

    def fit(self, raw: Any) -> "FittedTabular":
        """Learn medians, spreads and vocabularies of a frame, an Arrow table or a two-dimensional array.

        Raises:
            DataError: If it is not a table, holds an infinite number, has no usable column, or lacks a column that is
                named in `use` or `text`.
        """
        return self._fit(raw, None, frozenset())

    def fit_sample(self, raw: Any, n_rows: int, gaps: Collection[str]) -> "FittedTabular":
        """`fit` on a random part of the rows."""
        return self._fit(raw, n_rows, gaps)

    def fit_part(self, raw: Any, whole: FittedModality) -> FittedTabular:
        """The same columns, of the same kinds, with medians, spreads and vocabularies of these rows."""
        assert isinstance(whole, FittedTabular)
        given, _ = to_columns(raw)
        columns = [c if c.of in whole.texts else self._again(c, given[c.of]) for c in whole.columns]
        return FittedTabular(
            tuple(columns), whole.form, whole.n_columns, whole.schema, whole.texts, tuple(whole.left_out)
        )

    def _again(self, column: Column, cells: np.ndarray) -> Column:
        """A column learnt again from some of its cells."""
        if column.kind == "binary":
            return column
        values = column.values(cells)
        if column.kind == "categorical":
            return replace(column, categories=self._categories(values))
        return column if np.isnan(values).all() else _scaled(column, values, column.indicates_missing)

    def _fit(self, raw: Any, n_rows: int | None, gaps: Collection[str]) -> FittedTabular:
        given, form = to_columns(raw)
        self._check_names(given)
        texts = {name: FreeText.fit(name, to_texts(given[name]).tolist()) for name in self.text}
        columns: list[Column] = []
        left_out: list[LeftOut] = []
        declared = declared_categories(raw)
        for name, cells in given.items():
            if name in texts:
                columns += _of_text(name, cells, texts[name])
                continue
            kind = kind_of(name, cells, declared=name in declared, n_rows=n_rows)
            made = self._made_of(name, cells, kind, name in gaps)
            columns += made
            if not made:
                left_out.append(LeftOut(name, kind.kind, kind.why))
        _report(left_out, any_used=bool(columns))
        return FittedTabular(tuple(columns), form, len(given), schema_of(raw), texts, tuple(left_out))

    def _check_names(self, given: Columns) -> None:
        for option, names in (("use", self.use), ("text", self.text)):
            absent = next((name for name in names if name not in given), None)
            if absent is not None:
                raise DataError(f"{option} names column {absent!r}, which the table lacks; {nearest(absent, given)}")

    def _made_of(self, name: str, cells: np.ndarray, kind: Kind, gap: bool) -> list[Column]:
        """The columns of features that a column becomes; none where it is left out."""
        used = name in self.use
        if kind.kind == "numeric" or (kind.kind in ("order", "unclear") and used):
            style = Style(groups=",") if kind.kind == "unclear" else kind.style
            column = Column(name, "numeric", style=style)
            return [_scaled(column, column.values(cells), gap)]
        if kind.kind == "binary":
            return [Column(name, "binary", absent=0.0 if gap else HALF)]
        if kind.kind == "categorical" or (kind.kind == "text" and used):
            known = self._categories(cells)
            if not known and used:
                raise DataError(f"column {name!r} has a different text in every row; read it as text (text=…, --text)")
            absent = 0.0 if gap or MISSING in to_categories(cells, ()) else NO_CATEGORY
            return [Column(name, "categorical", categories=known, absent=absent)] if known else []
        if kind.kind == "time" and used:
            hour = Column(f"{name} (hour of day)", "numeric", source=name, part="hour of day", form=kind.form)
            hour = _scaled(hour, hour.values(cells), gap)
            day = Column(f"{name} (day of week)", "categorical", source=name, part="day of week", form=kind.form)
            days = self._categories(day.values(cells))
            return [hour] if kind.form == CLOCK else [hour, replace(day, categories=days)]
        return []

    def _categories(self, cells: np.ndarray) -> tuple[str, ...]:
        found = Counter(to_categories(cells, ())).most_common(self.max_categories)
        known = [text for text, count in found if count > 1 or len(cells) <= MIN_ROWS]
        return tuple(sorted(known)) if set(known) - {MISSING} else ()

    def latent_dim(self, sample_shape: tuple[int, ...]) -> int:
        """Half the features, between 2 and 16."""
        return max(2, min(16, sample_shape[0] // 2))


def _scaled(column: Column, numbers: Float[np.ndarray, " row"], gap: bool) -> Column:
    """A column of numbers with their median and spread; `gap`: one is missing elsewhere."""
    present = numbers[~np.isnan(numbers)]
    low, centre, high = np.quantile(present, [0.25, 0.5, 0.75])
    scale = (high - low) / 1.349 or float(present.std()) or abs(float(centre)) or 1.0
    missing = gap or len(present) < len(numbers)
    absent = 0.0 if missing else beyond(np.arcsinh((present - centre) / scale))
    return replace(column, centre=float(centre), scale=float(scale), indicates_missing=missing, absent=absent)


def _of_text(name: str, cells: np.ndarray, text: FreeText) -> list[Column]:
    numbers = text.features(to_texts(cells).tolist()).T
    named = [Column(f"{name} ({part})", "numeric", source=name, part=part) for part in text.parts]
    return [_scaled(column, of_part, gap=False) for column, of_part in zip(named, numbers, strict=True)]


def _report(left_out: list[LeftOut], *, any_used: bool) -> None:
    """Warn of columns that are left out; DataError if no other is there."""
    if not any_used:
        why = "; ".join(f"{one.name}: {one.why}" for one in left_out[:5])
        raise DataError(f"no column can be used ({why}); to use one all the same name it: use=…, --use COLUMN")
    if left_out:
        names, why = ", ".join(repr(one.name) for one in left_out), "; ".join(one.why for one in left_out)
        warnings.warn(f"left out column(s) {names}: {why}", ReadingWarning, stacklevel=4)


Tabular.fitted = FittedTabular
