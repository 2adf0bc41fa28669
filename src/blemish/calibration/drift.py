"""Do new data look like the training data? Two-sample tests, column by column."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import binom, chi2_contingency, ks_2samp

LEVEL = 0.01  # probability of calling data of the same kind drifted
MIN_EFFECT = 0.1  # fraction of the rows: what is less may be real, but changes little
MIN_EXPECTED = 5  # rows in each cell of a chi-squared test
SHOWN = 3
NEVER = "never in training"


@dataclass(frozen=True)
class Shift:
    """One column, number of the code, or score, compared.

    Attributes:
        name: Of the column; 'code 3' for the latent space; 'outlier score'.
        effect: Fraction of the rows that would have to change, 0 to 1: the Kolmogorov-Smirnov distance of numbers, the
            total variation of words.
        p_value: Probability of a distance as large among data of the same kind, times the number of comparisons, at
            most 1.
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
    """New data compared with the rows that were held out from training.

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
        """The shifts that are significant and large enough to matter."""
        return tuple(s for s in self.shifts if s.p_value < LEVEL and s.effect >= MIN_EFFECT)

    @property
    def text(self) -> str:
        """One sentence."""
        if not self.found:
            return f"these data look like the training data ({self.n} rows compared)"
        some = "; ".join(
            f"{s.name}: {s.seen}, {s.expected if s.expected == NEVER else f'expected {s.expected}'}"
            for s in self.found[:SHOWN]
        )
        more = f"; and {len(self.found) - SHOWN} more" if len(self.found) > SHOWN else ""
        return (
            f"these data do not look like the training data ({self.n} rows compared; {some}{more}); "
            "scores may mislead: fit again"
        )


def mostly_reported(n_reported: int, n: int, rate: float) -> str:
    """One line where most samples are reported and normal ones would not be; else ''.

    A fit of few rows holds none out to compare with, and new data may be few: this takes the number of labels alone.

    Args:
        n_reported: Samples above a cut.
        n: All samples.
        rate: Fraction of normal samples above a cut, in (0, 1], as the model states it.

    Example:
        >>> mostly_reported(11, 12, 0.05)
        '11 of 12 samples are reported, of normal ones 1 in 20 would be: were they taken under other conditions?'
        >>> mostly_reported(1, 1, 0.05), mostly_reported(5, 12, 0.05)
        ('', '')
    """
    if 2 * n_reported <= n or binom.sf(n_reported - 1, n, rate) >= LEVEL:
        return ""
    return (
        f"{n_reported} of {n} samples are reported, of normal ones 1 in {1 / rate:.0f} would be: "
        "were they taken under other conditions?"
    )


def compare(
    reference: Mapping[str, Sequence[Any]], new: Mapping[str, Sequence[Any]], n_reference: int, n: int
) -> Drift:
    """Compare column by column: name → values of the held-out rows, and of the new ones; and how many rows these are.

    Reference:
        Rabanser, Günnemann and Lipton, "Failing loudly", 2019: univariate two-sample tests with Bonferroni's
        correction, on inputs and on a representation.
    """
    shifts = []
    for name, values in reference.items():
        gaps = _new_gaps(values, new[name])
        if gaps:
            effect, p_value = compare_words([False] * len(values), gaps)
            shifts.append(
                Shift(
                    name, effect, min(1.0, p_value * len(reference)), NEVER, f"missing in {sum(gaps) / len(gaps):.0%}"
                )
            )
            continue
        words = not isinstance(values[0], float)
        effect, p_value = (compare_words if words else compare_numbers)(values, new[name])
        seen, expected = (_describe(column, values, new[name], words) for column in (new[name], values))
        shifts.append(Shift(name, effect, min(1.0, p_value * len(reference)), expected, seen))
    return Drift(tuple(sorted(shifts, key=lambda s: -s.effect)), n, n_reference)


def _new_gaps(reference: Sequence[Any], new: Sequence[Any]) -> list[bool]:
    """Which new values are missing, where none of the reference is and that concerns many; else empty."""
    missing = [value is None or value != value for value in new]
    if sum(missing) < MIN_EFFECT * len(new) or any(value is None or value != value for value in reference):
        return []
    return missing


def compare_numbers(reference: Sequence[float], new: Sequence[float]) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance and its p-value; missing numbers are left out; (0, 1) where a side has no other."""
    first, second = (np.asarray(side, dtype=float) for side in (reference, new))
    first, second = first[~np.isnan(first)], second[~np.isnan(second)]
    if not len(first) or not len(second):
        return 0.0, 1.0
    found = ks_2samp(first, second)
    return float(found.statistic), float(found.pvalue)  # pyright: ignore[reportAttributeAccessIssue]


def compare_words(reference: Sequence[Any], new: Sequence[Any]) -> tuple[float, float]:
    """Total variation, half the sum of absolute differences of fractions, and the p-value of a chi-squared test.

    Words too rare for the test are counted as one.
    """
    words, sides = sorted({*reference, *new}, key=str), [Counter(side) for side in (reference, new)]
    counts = np.array([[side[word] for word in words] for side in sides])
    fractions = counts / counts.sum(axis=1, keepdims=True)
    expected = counts.sum(axis=0) * counts.sum(axis=1).min() / counts.sum()
    rare = expected < MIN_EXPECTED
    pooled = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    pooled = pooled[:, pooled.sum(axis=0) > 0]
    p_value = float(chi2_contingency(pooled).pvalue) if pooled.shape[1] > 1 else 1.0  # pyright: ignore[reportAttributeAccessIssue]
    return float(np.abs(fractions[0] - fractions[1]).sum() / 2), p_value


def code_columns(z: Float[np.ndarray, "row latent"]) -> dict[str, list[float]]:
    """The latent space, one column per dimension."""
    return {f"code {i}": column.tolist() for i, column in enumerate(z.T)}


def _describe(column: Sequence[Any], reference: Sequence[Any], new: Sequence[Any], words: bool) -> str:
    """Median, mean where both medians are equal, or fraction of the word whose fraction changed most."""
    if not words:
        numbers, *sides = (np.asarray(some, dtype=float) for some in (column, reference, new))
        alike = np.nanmedian(sides[0]) == np.nanmedian(sides[1])
        return f"mean {np.nanmean(numbers):.4g}" if alike else f"median {np.nanmedian(numbers):.4g}"
    before, now = (Counter(side) for side in (reference, new))
    changed = max(
        sorted({*before, *now}, key=str), key=lambda word: abs(before[word] / len(reference) - now[word] / len(new))
    )
    return f"{changed!r} in {list(column).count(changed) / len(column):.0%}"
