"""Where a fitted detector cuts its scores, what it promises there, and which fractions it assumes."""

import warnings
from abc import ABC
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from sklearn.utils.validation import check_is_fitted

from blemish.calibration.probabilities import prior_of
from blemish.calibration.thresholds import DEFAULT_CONTAMINATION, Promise, unsupported
from blemish.core.errors import ConfigError, CutWarning, NoDefectsError
from blemish.fitting.fitted import Fitted

Detector = TypeVar("Detector", bound="Cuts")  # not `Self`: the run-time type checker of the tests cannot read it


class Cuts(ABC):
    """The cuts of a fitted detector; see `Verbs`."""

    fitted_: Fitted
    classes_: np.ndarray
    threshold_: float
    outlier_threshold_: float
    promise_: Promise
    promises_: dict[str, Promise]
    prior_: dict[str, float]

    def _check_defects(self, what: str) -> None:
        check_is_fitted(self, "threshold_")
        if not self.fitted_.n_defects:
            raise NoDefectsError(
                f"{what} needs labelled defects, and the model was fitted without any; label some as "
                f"{self.fitted_.kinds[0]!r} and fit again, or use outlier_score"
            )

    @property
    def thresholds_(self) -> dict[str, float]:
        """The cut on the score of each kind of defect."""
        own = {kind: one.threshold for kind, one in self.promises_.items()}
        return {kind: own.get(kind, self.threshold_) for kind in self.fitted_.kinds}

    @property
    def unsupported_(self) -> list[str]:
        """One sentence on the cuts that there are too few samples for, and what to expect of them; else nothing."""
        cuts = {"other": self.promise_}
        if self.fitted_.n_defects:
            cuts = {self.fitted_.word: self.promise_, "other": self.fitted_.outlier_promise(DEFAULT_CONTAMINATION)}
            cuts |= self.promises_
        return unsupported(cuts)

    def _warn_of_cut(self) -> None:
        for sentence in self.unsupported_:
            warnings.warn(sentence, CutWarning, stacklevel=3)

    def _words(self, outlier: np.ndarray, kinds: Float[np.ndarray, "row kind"]) -> np.ndarray:
        code = (outlier > self.outlier_threshold_).astype(np.intp)  # `take` is three times as fast as `where` on texts
        if self.fitted_.n_defects:
            above = kinds - np.array(list(self.thresholds_.values()))
            code = np.where(above.max(axis=1) > 0, 2 + above.argmax(axis=1), code)
        return self.classes_.take(code)

    def set_threshold(
        self: Detector,
        *,
        recall: float | None = None,
        precision: float | None = None,
        false_positive_rate: float | None = None,
        budget: int | None = None,
        contamination: float | None = None,
        kind: str | None = None,
    ) -> Detector:
        """Choose where `predict` and `decision_function` cut, by what the cut should reach; nothing is refitted.

        `promise_` says what can be promised with the labels and rows at hand; with `kind`, `promises_[kind]` does.

        Args:
            recall: Fraction of the defects to find, in (0, 1), by leave-one-out over the labelled ones.
            precision: Fraction of defects among what is reported, in (0, 1), on labelled rows.
            false_positive_rate: Fraction of ordinary rows that may be reported, in (0, 1), on held-out rows.
            budget: Rows to report in a batch as large as the held-out set.
            contamination: Fraction of rows like the training rows to report, in (0, 1), on held-out rows.
            kind: Cut the score of this kind of defect alone; None: one cut for all, in place of any of their own.

        Raises:
            ConfigError: If not exactly one target is given, or it makes no sense, or there is no such kind.
            NoDefectsError: If recall or precision is given and the model has no labelled defects.
            DataError: If the labels or rows at hand cannot support the target.
        """
        check_is_fitted(self, "threshold_")
        targets = {
            "recall": recall,
            "precision": precision,
            "false_positive_rate": false_positive_rate,
            "budget": budget,
            "contamination": contamination,
        }
        given = {name: value for name, value in targets.items() if value is not None}
        if len(given) != 1:
            raise ConfigError(f"give exactly one of {', '.join(targets)}, got {', '.join(given) or 'none'}")
        name, value = next(iter(given.items()))
        if name in ("recall", "precision"):
            self._check_defects(name)
        if kind is not None:
            self._check_defects("kind")
            alone = self.fitted_.alone(kind)
            if alone is not self.fitted_:
                self.promises_ = {**self.promises_, kind: alone.promise(name, value)}
                return self
        self.promises_ = {}
        self.promise_ = self.fitted_.promise(name, value)
        self.threshold_ = self.promise_.threshold
        if not self.fitted_.n_defects:
            self.outlier_threshold_ = self.threshold_
        return self

    def set_prior(self: Detector, *, defect: float | Mapping[str, float], other: float | None = None) -> Detector:
        """Say which fraction of the rows to score are defects and other outliers; nothing is refitted.

        `predict_proba` and `label_report` use these fractions; scores, thresholds and `predict` do not.

        Args:
            defect: Expected fraction of defects, in (0, 1), the same of each kind; or a fraction for each kind.
            other: Expected fraction of other outliers, in [0, 1); None: 7 of 97 of what is not a defect.

        Raises:
            ConfigError: If a fraction lies outside, or none is left for normal rows.
        """
        check_is_fitted(self, "threshold_")
        self.prior_ = prior_of(defect, other, self.fitted_.kinds)
        return self
