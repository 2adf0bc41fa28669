"""Do new data look like the training data? A detector on a moving line is wrong quietly."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import chi2_contingency, ks_2samp

from blemish.core.errors import DataError
from blemish.fitting.fitted import HELD_OUT, LEAST_HELD_OUT, Fitted
from blemish.training.sparse import TensorRows

MOST_COMPARED = 1000  # rows, with the held-out ones
LEVEL = 0.01  # chance to call data of the same kind drifted
LEAST_EFFECT = 0.1  # share of the rows: what is less may be real, but changes little
LEAST_EXPECTED = 5  # rows in each cell of a chi-squared test
SHOWN = 3


@dataclass(frozen=True)
class Shift:
    """One column, number of the code, or score, compared.

    Attributes:
        name: Of the column; 'code 3' for the latent space; 'outlier score'.
        effect: Share of the rows that would have to change, 0 to 1: the Kolmogorov-Smirnov distance of numbers, the
            total variation of words.
        p_value: Chance of a distance as large among data of the same kind, times the number of comparisons, at most 1.
        expected: What the training data look like.
        seen: What the new data look like.
    """

    name: str
    effect: float
    p_value: float
    expected: str
    seen: str


@dataclass(frozen=True)
class Drift:
    """New data beside the rows that were held out from training.

    Attributes:
        shifts: All comparisons, the largest effect first.
        n: New rows that were compared.
        n_reference: Held-out rows that they were compared with.
    """

    shifts: tuple[Shift, ...]
    n: int
    n_reference: int

    @property
    def found(self) -> tuple[Shift, ...]:
        """The shifts that are neither chance nor small."""
        return tuple(s for s in self.shifts if s.p_value < LEVEL and s.effect >= LEAST_EFFECT)

    @property
    def text(self) -> str:
        """One sentence."""
        if not self.found:
            return f"these data look like the training data ({self.n} rows compared)"
        some = "; ".join(f"{s.name}: {s.seen}, expected {s.expected}" for s in self.found[:SHOWN])
        more = f"; and {len(self.found) - SHOWN} more" if len(self.found) > SHOWN else ""
        return (
            f"these data do not look like the training data ({self.n} rows compared; {some}{more}); "
            "scores may mislead: fit again"
        )


def drift_of(fitted: Fitted, x: TensorRows) -> Drift:
    """Compare new rows with the held-out ones: outlier score, code and, of tables, every column.

    Args:
        fitted: A fit.
        x: New rows, shape (row, *sample); an even sample of them is compared.

    Raises:
        DataError: If too few rows were fitted to hold some out.
    """
    if not len(fitted.held_out):
        raise DataError(
            f"drift needs held-out rows; fit on at least {round(LEAST_HELD_OUT / HELD_OUT)} unlabelled rows"
        )
    x = x[torch.arange(0, len(x), max(1, -(-len(x) // MOST_COMPARED)))]
    evidence, reference = fitted.model.evidence(x), fitted.reference
    seen = {"outlier score": fitted.blind.outlier_score(evidence).tolist(), **code_columns(evidence.z)}
    expected = {"outlier score": fitted.calibration["outlier"].tolist(), **code_columns(reference["z"])}
    if "x" in reference:
        seen |= _columns_of(fitted, x.to_dense().cpu().numpy())
        expected |= _columns_of(fitted, reference["x"])
    return compare(expected, seen, len(reference["z"]), len(x))


def _columns_of(fitted: Fitted, x: Float[np.ndarray, "row feature"]) -> dict[str, list[Any]]:
    modality: Any = fitted.model.modality
    return dict(zip(modality.elements, map(list, zip(*modality.describe(x), strict=True)), strict=True))


def compare(
    reference: Mapping[str, Sequence[Any]], new: Mapping[str, Sequence[Any]], n_reference: int, n: int
) -> Drift:
    """Compare column by column.

    Args:
        reference: Name → values of training rows that the model was not fitted on.
        new: The same names → values of new rows.
        n_reference: Rows of the former.
        n: Rows of the latter.

    Reference:
        Rabanser, Günnemann and Lipton, "Failing loudly", 2019: univariate two-sample tests with Bonferroni's
        correction, on inputs and on a representation.
    """
    shifts = []
    for name, values in reference.items():
        words = not isinstance(values[0], float)
        effect, p_value = (compare_words if words else compare_numbers)(values, new[name])
        seen, expected = (_describe(column, values, new[name], words) for column in (new[name], values))
        shifts.append(Shift(name, effect, min(1.0, p_value * len(reference)), expected, seen))
    return Drift(tuple(sorted(shifts, key=lambda s: -s.effect)), n, n_reference)


def compare_numbers(reference: Sequence[float], new: Sequence[float]) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance and its p-value; missing numbers are left out, (0, 1) where no other is there."""
    first, second = (np.asarray(side, dtype=float) for side in (reference, new))
    first, second = first[~np.isnan(first)], second[~np.isnan(second)]
    if not len(first) or not len(second):
        return 0.0, 1.0
    found = ks_2samp(first, second)
    return float(found.statistic), float(found.pvalue)  # pyright: ignore[reportAttributeAccessIssue]


def compare_words(reference: Sequence[Any], new: Sequence[Any]) -> tuple[float, float]:
    """Total variation, half the sum of absolute differences of shares, and the p-value of a chi-squared test.

    Words too rare for the test are counted as one.
    """
    words, sides = sorted({*reference, *new}, key=str), [Counter(side) for side in (reference, new)]
    counts = np.array([[side[word] for word in words] for side in sides])
    shares = counts / counts.sum(axis=1, keepdims=True)
    expected = counts.sum(axis=0) * counts.sum(axis=1).min() / counts.sum()
    rare = expected < LEAST_EXPECTED
    pooled = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    pooled = pooled[:, pooled.sum(axis=0) > 0]
    p_value = float(chi2_contingency(pooled).pvalue) if pooled.shape[1] > 1 else 1.0  # pyright: ignore[reportAttributeAccessIssue]
    return float(np.abs(shares[0] - shares[1]).sum() / 2), p_value


def code_columns(z: Float[np.ndarray, "row latent"]) -> dict[str, list[float]]:
    """The latent space, number by number."""
    return {f"code {i}": column.tolist() for i, column in enumerate(z.T)}


def _describe(column: Sequence[Any], reference: Sequence[Any], new: Sequence[Any], words: bool) -> str:
    """Median, mean where both medians are equal, or share of the word whose share changed most."""
    if not words:
        numbers, *sides = (np.asarray(some, dtype=float) for some in (column, reference, new))
        alike = np.nanmedian(sides[0]) == np.nanmedian(sides[1])
        return f"mean {np.nanmean(numbers):.4g}" if alike else f"median {np.nanmedian(numbers):.4g}"
    before, now = (Counter(side) for side in (reference, new))
    changed = max(
        sorted({*before, *now}, key=str), key=lambda word: abs(before[word] / len(reference) - now[word] / len(new))
    )
    return f"{changed!r} in {list(column).count(changed) / len(column):.0%}"
