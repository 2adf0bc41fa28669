"""How much of normal samples lies above a cut on a map: what the cut of `regions` rests on."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from blemish.core.errors import ConfigError, DataError
from blemish.core.state import State, need

FALSE_ALARM_AREA = 0.001
AREAS = np.geomspace(0.5, 1e-6, 200)
"""Fractions of the area of normal samples for which the score that they exceed is kept."""


@dataclass(frozen=True)
class AreaLevels(State):
    """Scores that fractions of the parts of ordinary samples exceed.

    Attributes:
        levels: For each of the first of `AREAS` the score; there are too few parts for the fractions that follow.
    """

    levels: Float64[np.ndarray, " area"]

    def check(self) -> None:
        """See `State`."""
        need(len(self.levels) <= len(AREAS), f"there are more than {len(AREAS)} levels of a map")
        need((np.diff(self.levels) >= 0).all(), "the levels of a map do not ascend")

    @property
    def smallest(self) -> float:
        """The smallest fraction that can be promised."""
        return float(AREAS[: len(self.levels)][-1])

    def area(self, wanted: float | None) -> float:
        """The fraction that is wanted; None: `FALSE_ALARM_AREA`, or the smallest that can be promised."""
        return max(FALSE_ALARM_AREA, self.smallest) if wanted is None else wanted

    def cut(self, area: float) -> float:
        """The score that at most this fraction of the area of normal samples exceeds.

        Raises:
            ConfigError: If the fraction is not between 0 and a half.
            DataError: If too few normal samples were fitted for so small a fraction.
        """
        if not 0 < area <= AREAS[0]:
            raise ConfigError(f"false_alarm_area={area!r} must be above 0 and at most {AREAS[0]:g}, a fraction")
        kept = AREAS[: len(self.levels)]
        if area * (1 + 1e-9) < self.smallest:
            raise DataError(
                f"false_alarm_area={area:g} cannot be promised with the normal samples at hand; give at least "
                f"{self.smallest:.1g}"
            )
        return float(self.levels[np.flatnonzero(area * (1 + 1e-9) >= kept)[0]])


def area_levels(scores: Float[np.ndarray, " part"]) -> AreaLevels:
    """From the scores of the parts of ordinary samples, which the scorer should not have seen.

    The k-th highest of n is exceeded by the fraction k / (n + 1) of new parts, in the mean. Where rows have more parts
    than are kept for a fit, the kept ones are the most unusual: the cut is then too high rather than too low.

    Example:
        >>> area_levels(np.arange(1000.0)).cut(0.01)
        991.0
    """
    found = np.sort(scores)[::-1]
    places = np.floor(AREAS * (len(found) + 1)).astype(int)
    return AreaLevels(found[places[places > 0] - 1].astype(np.float64))
