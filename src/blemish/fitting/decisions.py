"""What is decided by scores: where to cut, what that promises, which rows to report, whether to label or fit again."""

from abc import abstractmethod
from typing import Any, TypeVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from blemish.calibration.conformal import discoveries
from blemish.calibration.drift import Drift
from blemish.calibration.label_report import LabelReport
from blemish.calibration.probabilities import prior_of
from blemish.calibration.thresholds import Promise
from blemish.core.errors import ConfigError, DataError
from blemish.core.labels import CLASSES, counts
from blemish.fitting.cross_fit import cross_fits, p_values_of
from blemish.fitting.drift import MAX_COMPARED, drift_of
from blemish.fitting.fitted import Fitted
from blemish.fitting.model import Arrays
from blemish.fitting.reading import ReadsSamples
from blemish.scoring.scorer import Evidence

Detector = TypeVar("Detector", bound="Decisions")  # not `Self`: the run-time type checker of the tests cannot read it


class Decisions(ReadsSamples):
    """The part of a detector that decides by its scores.

    Attributes:
        threshold_: Cut on the score of `decision_function`.
        outlier_threshold_: Cut on the outlier score.
        promise_: What the former promises.
        prior_: Assumed fractions of the groups.
        folds_: Fits without a fold each, of `cross_fit`.
        seed_: Of the fit.
        training_: Provenance.
    """

    threshold_: float
    outlier_threshold_: float
    promise_: Promise
    prior_: dict[str, float]
    folds_: list[Fitted]
    seed_: int
    training_: dict[str, Any]

    @abstractmethod
    def outlier_score(self, X: Any) -> Any:
        """How unusual is each row?"""

    @abstractmethod
    def defect_score(self, X: Any) -> Any:
        """How much is each row like the labelled defects?"""

    def decision_function(self, X: Any) -> Any:
        """The score that `predict` cuts, minus `threshold_`: positive = reported.

        The score is `defect_score` where defects were labelled, else `outlier_score`.
        """
        check_is_fitted(self, "threshold_")
        return (self.defect_score(X) if self.fitted_.n_defects else self.outlier_score(X)) - self.threshold_

    def predict(self, X: Any) -> Any:
        """The label of each row: 'normal', 'other' or 'defect'.

        'defect' above `threshold_`; of the rest, 'other' where the outlier score is above `outlier_threshold_`.
        """
        rows, (outlier, defect, _) = self._of_evidence(X, self._together)
        return rows.spread(self._words(outlier, defect), "label")

    def _together(self, evidence: Evidence) -> Arrays:
        scores = self.fitted_.scores(evidence, self.prior_)
        defect = np.full(len(evidence), np.nan) if scores.defect is None else scores.defect
        return scores.outlier, defect, scores.probabilities

    def _words(self, outlier: np.ndarray, defect: np.ndarray) -> np.ndarray:
        code = (outlier > self.outlier_threshold_).astype(np.intp)  # `take` is three times as fast as `where` on texts
        if self.fitted_.n_defects:
            code[defect > self.threshold_] = 2
        return np.array(CLASSES).take(code)

    def set_threshold(
        self: Detector,
        *,
        recall: float | None = None,
        precision: float | None = None,
        false_positive_rate: float | None = None,
        budget: int | None = None,
        contamination: float | None = None,
    ) -> Detector:
        """Choose where `predict` and `decision_function` cut, by what the cut should reach; nothing is refitted.

        `promise_` says what can be promised with the labels and rows at hand.

        Args:
            recall: Fraction of the defects to find, in (0, 1), by leave-one-out over the labelled ones.
            precision: Fraction of defects among what is reported, in (0, 1), on labelled rows.
            false_positive_rate: Fraction of ordinary rows that may be reported, in (0, 1), on held-out rows.
            budget: Rows to report in a batch as large as the held-out set.
            contamination: Fraction of rows like the training rows to report, in (0, 1), on held-out rows.

        Raises:
            ConfigError: If not exactly one target is given, or it makes no sense.
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
        self.promise_ = self.fitted_.promise(name, value)
        self.threshold_ = self.promise_.threshold
        if not self.fitted_.n_defects:
            self.outlier_threshold_ = self.threshold_
        return self

    def set_prior(self: Detector, *, defect: float, other: float | None = None) -> Detector:
        """Say which fraction of the rows to score are defects and other outliers; nothing is refitted.

        `predict_proba` and `label_report` use these fractions; scores, thresholds and `predict` do not.

        Args:
            defect: Expected fraction of defects, in (0, 1).
            other: Expected fraction of other outliers, in [0, 1); None: 7 of 97 of what is not a defect.

        Raises:
            ConfigError: If a fraction lies outside, or none is left for normal rows.
        """
        check_is_fitted(self, "threshold_")
        self.prior_ = prior_of(defect, other)
        return self

    def cross_fit(self: Detector, X: Any, y: Any = None, *, folds: int = 5) -> Detector:
        """Fit again without each fold of the ordinary rows, for `p_values` and `select` where few rows were fitted.

        All ordinary rows calibrate then, and none is held out for good. Scores and thresholds stay as they are. It
        takes `folds` times as long as the fit; the model file grows as much. See `cross_conformal_p_values` for what
        is promised.

        Args:
            X: The rows of the fit.
            y: Their labels.
            folds: Parts of the ordinary rows, >= 2; at most their number.

        Raises:
            ConfigError: If there cannot be this many folds.
            DataError: If X are not the rows of the fit.
        """
        rows = self._rows(X)
        group = self._groups(y, rows)
        found, fitted = counts(group), self.training_["rows"]
        if found != fitted:
            raise DataError(f"cross_fit needs the rows and labels of the fit: these are {found}, those were {fitted}")
        model = self.fitted_.model
        arguments = {**self._arguments(), **model.choices.spec(), "latent_dim": model.network.latent_dim}
        self.folds_ = list(cross_fits(arguments, rows, group, folds, self.seed_))
        return self

    def p_values(self, X: Any) -> Any:
        """Conformal p-value of each row, in (0, 1]: small = hardly any ordinary row scores as high.

        By the rows that were held out; after `cross_fit` by its folds.

        Raises:
            DataError: If too few rows were fitted to hold some out.
        """
        rows = self._rows(X)
        return rows.spread(p_values_of(self.fitted_, self.folds_, rows.X), "p_value")

    def select(self, X: Any, fdr: float = 0.1) -> Any:
        """Which rows to report so that at most a fraction `fdr` of them is expected to be ordinary; booleans (row,).

        Raises:
            ConfigError: If `fdr` is not between 0 and 1.
            DataError: If too few rows were fitted to hold some out.
        """
        if not 0 < fdr < 1:
            raise ConfigError(f"fdr={fdr!r} must lie strictly between 0 and 1")
        rows = self._rows(X)
        return rows.spread(discoveries(p_values_of(self.fitted_, self.folds_, rows.X), fdr), "selected")

    def label_report(self, X: Any = None, y: Any = None, *, budget: int | None = None) -> LabelReport:
        """Is more labelling worth it? What the labels at hand tell about themselves; see `LabelReport`.

        The learning curve fits the scorer about ten times, once: the curve is kept, also in the model file.

        Args:
            X: The rows of the fit, for a model from a file whose curve was not drawn; None where it was just fitted.
            y: Their labels.
            budget: Rows to look at in a batch of as many as were held out; None: as many as lie above `threshold_`.

        Raises:
            NoDefectsError: If the model was fitted without labelled defects.
            ConfigError: If the budget is not below the rows of the batch.
            DataError: If X are not the rows of the fit.
        """
        self._check_defects("label_report")
        if X is not None and not self.fitted_.has_learning_curve:
            rows, x = self._tensor(X)
            self.fitted_ = self.fitted_.with_training_rows(x, self._groups(y, rows), self.seed_)
        self.fitted_ = self.fitted_.with_learning_curve(self.seed_)
        return self.fitted_.label_report(self.prior_["defect"], budget, self.threshold_)

    def drift(self, X: Any) -> Drift:
        """Do these rows look like the training data? See `blemish.fitting.drift`.

        Compared are the outlier score, the latent space and, of tables, every column, on an even sample of 1,000 rows.

        Raises:
            DataError: If too few rows were fitted to hold some out.
        """
        check_is_fitted(self, "threshold_")
        if isinstance(X, (list, np.ndarray)):
            X = X[:: max(1, -(-len(X) // MAX_COMPARED))]  # pictures need not be read to be left out
        return drift_of(self.fitted_, self._tensor(X)[1])
