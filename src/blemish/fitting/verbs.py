"""What a fitted detector does besides fitting: reads samples, scores, encodes and draws them, and decides."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from blemish.calibration.conformal import discoveries
from blemish.calibration.drift import Drift
from blemish.calibration.label_report import LabelReport
from blemish.core.errors import ConfigError, DataError
from blemish.core.groups import to_clusters
from blemish.core.labels import MIN_ORDINARY, check_trainable, counts, to_groups
from blemish.data.dataset import Dataset, Reading
from blemish.data.read import to_dataset
from blemish.fitting.choices import seed_of, whole_number
from blemish.fitting.cross_fit import cross_fits, p_values_of
from blemish.fitting.cuts import Cuts
from blemish.fitting.fitted import MAX_COMPARED, Fitted
from blemish.fitting.map_verbs import MapVerbs
from blemish.fitting.model import Arrays
from blemish.scoring.scorer import Evidence
from blemish.training.rows import TensorRows

Detector = TypeVar("Detector", bound="Verbs")  # not `Self`: the run-time type checker of the tests cannot read it


class Verbs(MapVerbs, Cuts):
    """The verbs of a fitted detector; `DefectDetector` adds the constructor, the fit and the files.

    Its attributes are those of `DefectDetector`, and `outlier_threshold_`, the cut on the outlier score.
    """

    modality: Any
    fitted_: Fitted
    folds_: list[Fitted]
    seed_: int
    training_: dict[str, Any]
    reading_: Reading

    @abstractmethod
    def _arguments(self) -> dict[str, Any]:
        """The constructor's arguments, by name."""

    def _rows(self, X: Any) -> Dataset:
        check_is_fitted(self, "threshold_")
        rows = self._read(X, self.fitted_.model.choices.modality.name, as_fitted=True)
        if not rows.n_given:
            raise DataError("X holds no sample, at least one is needed")
        return rows

    def _read(self, X: Any, modality: str, *, as_fitted: bool) -> Dataset:
        model = self.fitted_.model if as_fitted else None
        frames = self._modality_option("frames") if model is None else model.modality.n_frames
        return to_dataset(X, modality, frames, self._modality_option("column"))

    def _with_groups(self, rows: Dataset, groups: Any) -> Dataset:
        """The same samples with the groups of those that were read; without `groups` with those they came with."""
        if groups is not None and to_clusters(groups, rows.n_given) is not None:
            return replace(rows, groups=[value for value, kept in zip(groups, rows.kept, strict=True) if kept])
        return rows

    def _groups(self, y: Any, rows: Dataset, kinds: tuple[str, ...]) -> Int[np.ndarray, " row"]:
        if not rows.n_given:
            raise DataError(f"found 0 sample(s); a minimum of {MIN_ORDINARY} is required to fit")
        group = to_groups(y, rows.n_given, kinds)[rows.kept]
        check_trainable(group)
        return group

    def _modality_option(self, name: str) -> Any:
        given = self.modality if isinstance(self.modality, dict) else getattr(self.modality, "__dict__", {})
        return given.get(name)

    def _tensor(self, X: Any) -> tuple[Dataset, TensorRows]:
        rows = self._rows(X)
        return rows, self.fitted_.model.to_tensor(rows.X)

    def _of_evidence(self, X: Any, work: Callable[[Evidence], Arrays]) -> tuple[Dataset, Arrays]:
        rows = self._rows(X)
        return rows, self.fitted_.model.of_evidence(rows.X, work)

    # Codes and samples --------------------------------------------------------------------------------------------

    def encode(self, X: Any) -> Any:
        """Codes, shape (row, latent), float64."""
        rows, (z,) = self._of_evidence(X, lambda evidence: (evidence.z,))
        return rows.spread(z, [f"z{i}" for i in range(z.shape[1])])

    def decode(self, Z: ArrayLike) -> Any:
        """What codes (row, latent) decode to, in the units and form of the training data.

        Raises:
            DataError: If the codes have another width than the model's.
        """
        check_is_fitted(self, "threshold_")
        z = np.asarray(Z, dtype=np.float64)
        width = self.fitted_.model.network.latent_dim
        if z.ndim != 2 or z.shape[1] != width:
            raise DataError(f"codes have shape {z.shape}, the model's are (row, {width})")
        return self.fitted_.model.modality.to_raw(self.fitted_.model.decode(z).cpu().numpy())

    def reconstruct(self, X: Any) -> Any:
        """What the autoencoder makes of each row, in the units and form of the training data."""
        rows, x = self._tensor(X)
        return rows.label(self.fitted_.model.modality.to_raw(self.fitted_.model.reconstruct(x).cpu().numpy()))

    def denoise(self, X: Any) -> Any:
        """Each row without what the model does not know: its reconstruction. Train with `corruption` for this."""
        return self.reconstruct(X)

    def inpaint(self, X: Any, mask: Any, n_rounds: int = 20) -> Any:
        """Fill in what is masked, by reconstructing repeatedly with the known part held fixed.

        Train with `corruption="mask"` for this: a network that has never seen gaps repeats what stands in them.

        Args:
            X: Samples; what stands under the mask does not matter, but must be readable (NaN in a table is fine).
            mask: True where to fill in. Tables: (row, column) of X, or a frame with some of its columns. Images and
                video: the shape of X, with or without the channel axis; one sample's mask serves for all.
            n_rounds: Rounds, >= 1.

        Returns:
            X, in its own size and form, with what is masked replaced and everything else as it was.

        Raises:
            DataError: If the mask has another shape, is not a mask, or the data are text.
        """
        rows, x = self._tensor(X)
        x = x.to_dense()
        modality, model = self.fitted_.model.modality, self.fitted_.model
        unknown = torch.from_numpy(modality.to_mask(rows.X, mask)).to(x.device)
        typical = model.decode(self.fitted_.normals.codes).mean(dim=0)
        filled = torch.where(unknown, typical, x)
        for _ in range(whole_number("n_rounds", n_rounds)):
            filled = torch.where(unknown, model.reconstruct(filled), x)
        return modality.fill(rows.X, mask, filled.cpu().numpy())

    def sample(self, n: int, random_state: Any = None) -> Any:
        """Draw new samples that look like the normals.

        Codes come from N(0, 1) for a variational bottleneck, else from a Gaussian fitted to the normals' codes.

        Args:
            n: How many, >= 1.
            random_state: None, an integer, or a NumPy generator.
        """
        check_is_fitted(self, "threshold_")
        rng = np.random.default_rng(seed_of(random_state))
        codes = self.fitted_.normals.codes
        shape = (whole_number("n", n), codes.shape[1])
        if "mu" in self.fitted_.model.network.fills:
            return self.decode(rng.standard_normal(shape))
        spread = np.cov(codes, rowvar=False).reshape(shape[1], shape[1]) if len(codes) > 1 else np.eye(shape[1])
        return self.decode(rng.multivariate_normal(codes.mean(axis=0), spread, size=shape[0], method="svd"))

    # Scores and decisions ------------------------------------------------------------------------------------------

    def outlier_score(self, X: Any) -> Any:
        """How unusual is each row?

        Returns:
            Shape (row,), float64, higher = more unusual: by the scorer 'ensemble' the mean surprisal of the
            experts that use no label, by 'latent' minus the log-probability of a normal row rather than another
            outlier, by 'reconstruction' the error in scaled units; all >= 0. A pandas frame gives a pandas Series with
            its index; a path that cannot be decoded gives NaN.
        """
        return self._score(X, "outlier_score")

    def defect_score(self, X: Any, kind: str | None = None) -> Any:
        """Is it *my* defect?

        Args:
            X: Samples.
            kind: Of one kind of defect; None: the highest over the kinds.

        Returns:
            Shape (row,), float64, higher = more like the labelled defects; in the form of `outlier_score`.

        Raises:
            ConfigError: If there is no such kind.
            NoDefectsError: If the model was fitted without labelled defects, or without any of the kind.
        """
        self._check_defects("defect_score")
        return self._score(X, "defect_score", kind)

    def _score(self, X: Any, name: str, kind: str | None = None) -> Any:
        check_is_fitted(self, "threshold_")
        fitted = self.fitted_.alone(kind)
        rows, (scores,) = self._of_evidence(X, lambda evidence: (getattr(fitted, name)(evidence),))
        return rows.spread(scores, name)

    def decision_function(self, X: Any) -> Any:
        """The score that `predict` cuts, minus `threshold_`: positive = reported.

        The score is `defect_score` where defects were labelled, else `outlier_score`. Where kinds have cuts of their
        own, it is the highest over the kinds of what the score of each lies above its cut.
        """
        check_is_fitted(self, "threshold_")
        self._warn_of_cut()
        if self.promises_:
            rows, (*_, kinds) = self._of_evidence(X, self._together)
            return rows.spread((kinds - np.array(list(self.thresholds_.values()))).max(axis=1), "defect_score")
        return self._score(X, "defect_score" if self.fitted_.n_defects else "outlier_score") - self.threshold_

    def predict(self, X: Any) -> Any:
        """The label of each row: 'normal', 'other' or a kind of defect ('defect' by default).

        A defect above `threshold_`, of the kind whose score lies highest above its cut (`thresholds_`); of the rest,
        'other' where the outlier score is above `outlier_threshold_`.
        """
        rows, (outlier, _, _, kinds) = self._of_evidence(X, self._together)
        self._warn_of_cut()
        return rows.spread(self._words(outlier, kinds), "label")

    def _together(self, evidence: Evidence) -> Arrays:
        scores = self.fitted_.scores(evidence, self.prior_)
        defect = np.full(len(evidence), np.nan) if scores.defect is None else scores.defect
        each = [-np.inf if one.defect is None else one.defect for one in scores.kinds or (scores,)]
        kinds = np.stack([np.broadcast_to(one, len(evidence)) for one in each], axis=1)
        return scores.outlier, defect, scores.probabilities, kinds

    def cross_fit(
        self: Detector, X: Any, y: Any = None, *, folds: int = 5, groups: Any = None, regions: Any = None
    ) -> Detector:
        """Fit again without each fold of the ordinary rows, for `p_values` and `select` where few rows were fitted.

        All ordinary rows calibrate then, and none is held out for good. Scores and thresholds stay as they are. It
        takes `folds` times as long as the fit; the model file grows as much. See `cross_conformal_p_values` for what
        is promised.

        Args:
            X: The rows of the fit.
            y: Their labels.
            folds: Parts of the ordinary rows, >= 2; at most their number, or that of their groups.
            groups: Those of the fit.
            regions: Those of the fit.

        Raises:
            ConfigError: If there cannot be this many folds.
            DataError: If X are not the rows of the fit.
        """
        rows = self._rows(X)
        kinds = self.fitted_.kinds
        group = self._groups(y, rows, kinds)
        found, fitted = counts(group, kinds), self.training_["rows"]
        if found != fitted:
            raise DataError(f"cross_fit needs the rows and labels of the fit: these are {found}, those were {fitted}")
        model = self.fitted_.model
        arguments = {**self._arguments(), **model.choices.spec(), "latent_dim": model.network.latent_dim}
        arguments["defects"] = kinds
        rows = self._with_regions(self._with_groups(rows, groups), regions, group)
        self.folds_ = list(cross_fits(arguments, rows, group, folds, self.seed_))
        return self

    def p_values(self, X: Any) -> Any:
        """Conformal p-value of each row, in (0, 1]: small = hardly any ordinary row scores as high.

        By the rows that were held out, one of each group; after `cross_fit` by its folds.

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

    def label_report(
        self, X: Any = None, y: Any = None, *, groups: Any = None, budget: int | None = None
    ) -> LabelReport:
        """Is more labelling worth it? What the labels at hand tell about themselves; see `LabelReport`.

        The learning curve fits the scorer about ten times, once: the curve is kept, also in the model file.

        Args:
            X: The rows of the fit, for a model from a file whose curve was not drawn; None where it was just fitted.
            y: Their labels.
            groups: Their groups.
            budget: Rows to look at in a batch of as many as were held out; None: as many as lie above `threshold_`.

        Raises:
            NoDefectsError: If the model was fitted without labelled defects.
            ConfigError: If the budget is not below the rows of the batch.
            DataError: If X are not the rows of the fit.
        """
        self._check_defects("label_report")
        if X is not None and not self.fitted_.has_learning_curve:
            rows, x = self._tensor(X)
            cluster, kinds = to_clusters(self._with_groups(rows, groups).groups, len(rows)), self.fitted_.kinds
            group = self._groups(y, rows, kinds)
            self.fitted_ = self.fitted_.with_training_rows(x, group, self.seed_, cluster)
        self.fitted_ = self.fitted_.with_learning_curve(self.seed_)
        return self.fitted_.label_report(self.prior_, budget, self.threshold_, self.thresholds_)

    def drift(self, X: Any) -> Drift:
        """Do these rows look like the training data? See `blemish.calibration.drift`.

        Compared are the outlier score, the latent space and, of tables, every column, on an even sample of 1,000 rows.

        Raises:
            DataError: If too few rows were fitted to hold some out.
        """
        check_is_fitted(self, "threshold_")
        if isinstance(X, (list, np.ndarray)):
            X = X[:: max(1, -(-len(X) // MAX_COMPARED))]  # pictures need not be read to be left out
        rows = self._rows(X)
        some = rows.take(range(0, len(rows), max(1, -(-len(rows) // MAX_COMPARED))))
        return self.fitted_.drift(some.X)
