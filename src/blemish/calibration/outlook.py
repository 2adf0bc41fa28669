"""What to expect of the top of a ranking: how many of the highest rows are defects."""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from jaxtyping import Float

from blemish.calibration.thresholds import clopper_pearson
from blemish.core.errors import ConfigError

CONFIDENCE = 0.9


@dataclass(frozen=True)
class Outlook:
    """Fraction of defects to expect among the highest rows of a batch.

    Attributes:
        precision: That fraction, in [0, 1].
        low: Lower end of the exact 90 % interval that the number of labelled defects leaves.
        high: Upper end.
        recall: Fraction of unseen labelled defects that lie above the cut.
        n: Labelled defects that the estimate is based on.
    """

    precision: float
    low: float
    high: float
    recall: float
    n: int


def outlook(p_values: Float[np.ndarray, " defect"], prior: float, reported: float) -> Outlook:
    r"""What to expect if the highest rows are reported.

    A cut that a fraction :math:`f` of the ordinary rows and a fraction :math:`r(f)` of the defects exceed reports
    :math:`\pi r + (1 - \pi) f` of all rows. It is lowered until that is `reported`; then the precision is
    :math:`\pi r / (\pi r + (1 - \pi) f)`. Between two labelled defects r is a straight line. Defects that hide among
    the ordinary rows count as false alarms: the true precision is at least as high (decisions.md 34).

    Args:
        p_values: Fraction of ordinary rows that score as high as each labelled defect, by a scorer fitted without it,
            in (0, 1]; at least one.
        prior: Fraction of defects among the rows to score, in (0, 1).
        reported: Fraction of the rows to report, in (0, 1).

    Raises:
        ConfigError: If a fraction lies outside.

    Example:
        >>> found = outlook(np.array([0.001, 0.001, 0.5]), prior=0.1, reported=0.1)
        >>> round(found.precision, 2), round(found.recall, 2)
        (0.69, 0.69)
    """
    for name, value in (("prior", prior), ("reported", reported)):
        if not 0 < value < 1:
            raise ConfigError(f"{name}={value!r} must lie strictly between 0 and 1")
    n = len(p_values)
    alarms, last = np.unique(np.sort(p_values), return_index=True)
    above = np.append(last[1:], n)  # defects at or above each cut
    alarms, above = np.append(0.0, alarms), np.append(0.0, above / n)
    of_all = prior * above + (1 - prior) * alarms
    recall = float(np.interp(reported, np.append(of_all, 1.0), np.append(above, 1.0)))
    low, high = (
        clopper_pearson(floor(recall * n), n, CONFIDENCE)[0],
        clopper_pearson(ceil(recall * n), n, CONFIDENCE)[1],
    )
    precision, least, most = (min(1.0, prior * r / reported) for r in (recall, low, high))
    return Outlook(precision, least, most, recall, n)
