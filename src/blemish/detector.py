"""DefectDetector: the scikit-learn face. Orchestration only."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from blemish.calibration.conformal import discoveries
from blemish.calibration.drift import Drift
from blemish.calibration.held_out import hold_out, still_held_out
from blemish.calibration.label_report import LabelReport
from blemish.calibration.prior import prior_of
from blemish.calibration.thresholds import for_fraction
from blemish.core.errors import ConfigError, DataError, NoDefectsError
from blemish.core.labels import CLASSES, LEAST_ORDINARY, counts, need_ordinary, to_groups
from blemish.core.version import __version__
from blemish.data.columns import frame_columns, is_frame
from blemish.data.rows import Rows, to_rows
from blemish.explain.card import fitted_card
from blemish.explain.explanation import Explanation, explain
from blemish.fitting import cross_fit as cross_fits
from blemish.fitting import model_file
from blemish.fitting.choices import choose_modality, plain, seed_of, whole_number
from blemish.fitting.drift import MAX_COMPARED, drift_of
from blemish.fitting.fit import Job, build_model, plan_task, run_job
from blemish.fitting.fitted import learn_groups
from blemish.fitting.model import Arrays
from blemish.onnx.export import Parity, write_onnx
from blemish.presets import of_preset
from blemish.scoring.evidence import Evidence
from blemish.scoring.mixture import PRIOR
from blemish.scoring.scorer import Scores
from blemish.training.loop import EpochRecord
from blemish.training.sparse import TensorRows

DEFAULT_FALSE_POSITIVES, DEFAULT_CONTAMINATION = 0.01, 0.05


class DefectDetector(BaseEstimator):
    """Ranks the defect that you care about above all other outliers, and those above the normal.

    Args:
        modality: 'auto', 'tabular', 'image', 'video', 'text', or one with options:
            `{"name": "image", "size": [96, 96]}`, `{"name": "text", "column": "body"}`.
        backbone: Network family: 'auto', 'linear', 'mlp', 'conv', 'conv_lstm', or one with options.
        bottleneck: 'plain', 'variational', 'rsr', or one with options.
        losses: 'auto', or a list of loss terms by name, with options, or as instances. 'reconstruction' stands for the
            data's default.
        corruption: Input noise for denoising: None, 'gaussian', 'mask', 'swap', or one with options.
        latent_dim: Width of the code, 'auto' or >= 1.
        epochs: Passes over the data: 'auto', a number, or `{"at_most": 200, "patience": 10}` for early stopping.
        batch_size: Rows of a training batch, 'auto' or >= 1.
        lr: 'auto', a learning rate, or a schedule: 'one_cycle', `{"name": "cosine_warm_restarts", "lr": 1e-3}`.
        device: 'auto', 'cpu', 'cuda', …
        random_state: None, an integer, or a NumPy generator. No global generator is ever touched.
        verbose: 0 is silent; 1 writes a line for every tenth of the epochs to stderr.
        scorer: 'auto', 'ensemble', 'latent' or 'reconstruction', or one with options.

    Attributes:
        classes_: 'normal', 'other', 'defect': the columns of `predict_proba`.
        threshold_: Cut on `decision_function`'s score, see `set_threshold`.
        prior_: Assumed shares of the groups, see `set_prior`.
        promise_: What that cut promises, see `blemish.calibration.promise.Promise`.
        fitted_: The model, its scorer and the calibration rows, see `blemish.fitting.fitted.Fitted`.
        folds_: The same for each fold of `cross_fit`; empty without it.
        history_: An `EpochRecord` an epoch.
        seed_: The seed that was used, also when `random_state` is None.
        training_: Provenance: rows by group, seconds, versions.
        notes_: A dictionary of JSON values to store along; the command line keeps its run file there.

    Example:
        >>> from blemish.datasets import ring
        >>> split = ring(n_normal=200)
        >>> det = DefectDetector(epochs=2, random_state=0).fit(split.X_train, split.y_train)
        >>> det.defect_score(split.X_test).shape
        (300,)
    """

    def __init__(
        self,
        modality: Any = "auto",
        backbone: Any = "auto",
        bottleneck: Any = "plain",
        losses: Any = "auto",
        corruption: Any = None,
        latent_dim: Any = "auto",
        epochs: Any = "auto",
        batch_size: Any = "auto",
        lr: Any = "auto",
        device: Any = "auto",
        random_state: Any = None,
        verbose: Any = 0,
        scorer: Any = "auto",
    ) -> None:
        self.modality = modality
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.losses = losses
        self.corruption = corruption
        self.latent_dim = latent_dim
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.scorer = scorer

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> "DefectDetector":
        """A named choice of parts; any argument may be overridden.

        Raises:
            ConfigError: If there is no such preset.

        Example:
            >>> DefectDetector.from_preset("rsrae", epochs=50).latent_dim
            10
        """
        return cls(**of_preset(name, overrides))

    # Fitting -----------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> "DefectDetector":
        """Train, then learn where the groups lie.

        Args:
            X: An array, a pandas or polars frame, an Arrow table, a list of images, of clips or of image paths, or a
                folder; strings, or a series or column of them. Tables (row, column); images (batch, channel, height,
                width); video (batch, frame, channel, height, width).
            y: One label a row: 'normal', 'defect', 'other' or missing; or {0, 1} with 1 = defect. None: no labels.

        Returns:
            Itself.

        Raises:
            DataError: If the data cannot be used.
            LabelError: If the labels are not in one of these forms.
            ConfigError: If the parts do not fit.
            TrainingError: If a loss becomes NaN.
        """
        for _ in self.iter_fit(X, y):
            pass
        return self

    def refit(self, X: Any, y: Any = None) -> "DefectDetector":
        """Go on from the fitted weights, in a quarter of the epochs, with new labels or more data.

        Scaling, vocabularies and parts stay as they were fitted. Rows keep their places: those that were held out for
        calibration are held out again, so append new rows at the end.
        """
        for _ in self.iter_fit(X, y, warm_start=True):
            pass
        return self

    def iter_fit(self, X: Any, y: Any = None, *, warm_start: bool = False) -> Iterator[EpochRecord]:
        """`fit` as a generator that yields a record an epoch, for progress bars; left early, the former fit stays.

        Args:
            X: See `fit`.
            y: See `fit`.
            warm_start: Go on from the fitted weights, as `refit` does.
        """
        job = self.begin_fit(X, y, warm_start=warm_start)
        history: list[EpochRecord] = []
        for record in run_job(job):
            history.append(record)
            self._report(record)
            yield record
        self.end_fit(job, history)

    def begin_fit(self, X: Any, y: Any = None, *, warm_start: bool = False) -> Job:
        """All of a fit that comes before the training, for other loops than ours; see `blemish.lightning`.

        Args:
            X: See `fit`.
            y: See `fit`.
            warm_start: Go on from the fitted weights, as `refit` does.
        """
        start = time.perf_counter()
        if warm_start:
            check_is_fitted(self, "threshold_")
        wanted = (
            "auto"
            if isinstance(self.modality, str) and self.modality == "auto"
            else choose_modality(self.modality, "").name
        )
        rows = to_rows(X, wanted, self._n_frames(warm_start), self._modality_option("column"))
        group = self._groups(y, rows)
        seed = seed_of(self.random_state)
        rng = np.random.default_rng(seed)
        arguments = self.get_params(deep=False)
        model = self.fitted_.model.copy() if warm_start else build_model(arguments, rows, seed)
        x = model.to_tensor(rows.X)
        held_out = still_held_out(self.fitted_.held_out, group) if warm_start else hold_out(group, rng)
        task, patience = plan_task(model, x, group, held_out, arguments, rng, warm_start=warm_start)
        names = [plain(name) for name in rows.names]
        columns = frame_columns(rows.X) if is_frame(rows.X) else None
        return Job(task, patience, model, x, group, names, held_out, rng, start, seed, columns)

    def end_fit(self, job: Job, history: Sequence[EpochRecord]) -> "DefectDetector":
        """All of a fit that comes after the training: learn where the groups lie, and where to cut.

        Args:
            job: What `begin_fit` gave, trained.
            history: A record an epoch.
        """
        group = job.group
        self.fitted_ = learn_groups(job.model, job.x, group, job.held_out, job.names, int(job.rng.integers(2**31)))
        self.seed_, self.history_, self.folds_ = job.seed, list(history), []
        self._remember_columns(job)
        self.classes_, self.notes_, self.prior_ = np.array(CLASSES), {}, dict(PRIOR)
        self.outlier_threshold_ = for_fraction(self.fitted_.calibration.outlier, DEFAULT_CONTAMINATION)
        share = DEFAULT_FALSE_POSITIVES if self.fitted_.n_defects else DEFAULT_CONTAMINATION
        self.promise_ = self.fitted_.promise("contamination", share)
        self.threshold_ = self.promise_.threshold
        self.training_ = {
            "rows": counts(group),
            "held_out": len(job.held_out),
            "epochs": len(self.history_),
            "seconds": round(time.perf_counter() - job.start, 3),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {"blemish": __version__, "torch": torch.__version__, "numpy": np.__version__},
        }
        return self

    def _groups(self, y: Any, rows: Rows) -> np.ndarray:
        if not rows.n_given:
            raise DataError(f"found 0 sample(s); a minimum of {LEAST_ORDINARY} is required to fit")
        group = to_groups(y, rows.n_given)[rows.kept]
        need_ordinary(group)
        return group

    def _remember_columns(self, job: Job) -> None:
        if job.model.modality.n_columns is not None:
            self.n_features_in_ = job.model.modality.n_columns
        if job.columns is not None:
            self.feature_names_in_ = np.array(job.columns, dtype=object)

    def _report(self, record: EpochRecord) -> None:
        if self.verbose and (record.epoch == 1 or record.epoch % 10 == 0):
            terms = ", ".join(f"{name} {value:.4g}" for name, value in record.terms.items())
            sys.stderr.write(f"epoch {record.epoch}: {terms} ({record.seconds:.1f} s)\n")

    def _n_frames(self, warm: bool) -> int | None:
        if warm:
            return self.fitted_.model.modality.n_frames
        return self._modality_option("frames")

    def _modality_option(self, name: str) -> Any:
        given = self.modality if isinstance(self.modality, dict) else getattr(self.modality, "__dict__", {})
        return given.get(name)

    # Scores ------------------------------------------------------------------------------------------------------

    def outlier_score(self, X: Any) -> Any:
        """How unusual is each row?

        Returns:
            Shape (row,), float64, higher = more unusual: by the scorer 'ensemble' the mean tail rank of the experts
            that look at no label, by 'latent' minus the log-probability of a normal row rather than
            another outlier, by 'reconstruction' the error in scaled units; all >= 0. A pandas frame gives a pandas
            Series with its index; a path that cannot be decoded gives NaN.
        """
        rows, (scores,) = self._asked(X, lambda evidence: (self.fitted_.outlier_score(evidence),))
        return rows.spread(scores, "outlier_score")

    def defect_score(self, X: Any) -> Any:
        """Is it *my* defect?

        Returns:
            Shape (row,), float64, higher = more like the labelled defects; in the form of `outlier_score`.

        Raises:
            NoDefectsError: If the model was fitted without labelled defects.
        """
        check_is_fitted(self, "threshold_")
        self._need_defects("defect_score")
        rows, (scores,) = self._asked(X, lambda evidence: (self.fitted_.defect_score(evidence),))
        return rows.spread(scores, "defect_score")

    def decision_function(self, X: Any) -> Any:
        """The score that `predict` cuts, minus `threshold_`: positive = reported.

        The score is `defect_score` where defects were labelled, else `outlier_score`.
        """
        check_is_fitted(self, "threshold_")
        return (self.defect_score(X) if self.fitted_.n_defects else self.outlier_score(X)) - self.threshold_

    def predict(self, X: Any) -> Any:
        """'normal', 'other' or 'defect' for each row.

        'defect' above `threshold_`; of the rest, 'other' where the outlier score is above `outlier_threshold_`.
        """
        rows, (outlier, defect, _) = self._asked(X, self._together)
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

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of normal, other and defect, shape (row, 3); rows sum to 1.

        With two labelled defects or more, that of the defect is calibrated on their blind scores and on held-out rows.
        Labelled defects are no random sample, so the shares of the groups are assumed: `prior_`, see `set_prior`.
        """
        rows, (chances,) = self._asked(X, lambda evidence: (self.fitted_.probabilities(evidence, self.prior_),))
        return rows.spread(chances, list(CLASSES))

    def set_prior(self, *, defect: float, other: float | None = None) -> "DefectDetector":
        """Say which share of the rows to score are defects and other outliers; nothing is refitted.

        `predict_proba` and `label_report` use these shares; scores, thresholds and `predict` do not.

        Args:
            defect: Expected share of defects, in (0, 1).
            other: Expected share of other outliers, in [0, 1); None: 7 of 97 of what is no defect.

        Raises:
            ConfigError: If a share lies outside, or none is left for normal rows.
        """
        check_is_fitted(self, "threshold_")
        self.prior_ = prior_of(defect, other)
        return self

    def assess(self, X: Any, *, views: bool = False) -> Scores:
        """All scores, probabilities and codes in one pass over the rows, as plain arrays.

        Args:
            X: Samples.
            views: Also what the modality says of each row beside the network, which may be larger than the data.
        """
        names: dict[str, None] = {}

        def ask(evidence: Evidence) -> Arrays:
            features = evidence.features if views else {}
            names.update(dict.fromkeys(features))
            return (*self._together(evidence), evidence.z, *features.values())

        rows, (outlier, defect, chances, codes, *seen) = self._asked(X, ask)
        spread = replace(rows, index=None).spread
        return Scores(
            outlier=spread(outlier, "outlier"),
            defect=spread(defect, "defect") if self.fitted_.n_defects else None,
            probabilities=spread(chances, "probabilities"),
            codes=spread(codes, "codes"),
            feature_sets={name: spread(x, name) for name, x in zip(names, seen, strict=True)},
        )

    def scores(self, X: Any) -> dict[str, np.ndarray]:
        """All of the above at once, for the price of the dearest.

        Returns:
            'outlier_score', 'defect_score' (NaN without labelled defects), 'p_normal', 'p_other', 'p_defect' and
            'label', each of shape (row,).
        """
        rows, (outlier, defect, chances) = self._asked(X, self._together)
        found = {"outlier_score": outlier, "defect_score": defect}
        found |= {f"p_{word}": column for word, column in zip(CLASSES, chances.T, strict=True)}
        found["label"] = self._words(outlier, defect)
        return {name: replace(rows, index=None).spread(values, name) for name, values in found.items()}

    def cross_fit(self, X: Any, y: Any = None, *, folds: int = 5) -> "DefectDetector":
        """Fit again without each fold of the ordinary rows, for `p_values` and `select` where few rows were fitted.

        All ordinary rows calibrate then, and none is held out for good. Scores and thresholds stay as they are. It
        takes `folds` times as long as the fit; the model file grows as much. See `cross_conformal_p_values` for what
        is promised.

        Args:
            X: The rows of the fit.
            y: Their labels.
            folds: Parts of the ordinary rows, >= 2; at most their number.

        Raises:
            ConfigError: If there cannot be so many folds.
            DataError: If X are not the rows of the fit.
        """
        rows = self._rows(X)
        group = self._groups(y, rows)
        found, fitted = counts(group), self.training_["rows"]
        if found != fitted:
            raise DataError(f"cross_fit needs the rows and labels of the fit: these are {found}, those were {fitted}")
        model = self.fitted_.model
        arguments = {**self.get_params(deep=False), **model.choices.spec(), "latent_dim": model.network.latent_dim}
        self.folds_ = list(cross_fits.cross_fits(arguments, rows, group, folds, self.seed_))
        return self

    def p_values(self, X: Any) -> Any:
        """Conformal p-value of each row, in (0, 1]: small = no ordinary row scores so high.

        By the rows that were held out; after `cross_fit` by its folds.

        Raises:
            DataError: If too few rows were fitted to hold some out.
        """
        rows = self._rows(X)
        return rows.spread(cross_fits.p_values(self.fitted_, self.folds_, rows.X), "p_value")

    def select(self, X: Any, fdr: float = 0.1) -> Any:
        """Which rows to report so that at most a share `fdr` of them is expected to be ordinary; booleans (row,).

        Raises:
            ConfigError: If `fdr` is not between 0 and 1.
            DataError: If too few rows were fitted to hold some out.
        """
        if not 0 < fdr < 1:
            raise ConfigError(f"fdr={fdr!r} must lie strictly between 0 and 1")
        rows = self._rows(X)
        return rows.spread(discoveries(cross_fits.p_values(self.fitted_, self.folds_, rows.X), fdr), "selected")

    def set_threshold(
        self,
        *,
        recall: float | None = None,
        precision: float | None = None,
        false_positive_rate: float | None = None,
        budget: int | None = None,
        contamination: float | None = None,
    ) -> "DefectDetector":
        """Choose where `predict` and `decision_function` cut, by what the cut should reach; nothing is refitted.

        `promise_` says what can be promised with the labels and rows at hand.

        Args:
            recall: Share of defects to find, in (0, 1), by leave-one-out over the labelled ones.
            precision: Share of defects among what is reported, in (0, 1), on labelled rows.
            false_positive_rate: Share of ordinary rows that may be reported, in (0, 1), on held-out rows.
            budget: Rows to report in a batch as large as the held-out set.
            contamination: Share of rows like the training rows to report, in (0, 1), on held-out rows.

        Raises:
            ConfigError: If not exactly one target is given, or it makes no sense.
            NoDefectsError: If recall or precision is asked of a model without labelled defects.
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
            self._need_defects(name)
        self.promise_ = self.fitted_.promise(name, value)
        self.threshold_ = self.promise_.threshold
        if not self.fitted_.n_defects:
            self.outlier_threshold_ = self.threshold_
        return self

    def label_report(self, X: Any = None, y: Any = None, *, budget: int | None = None) -> LabelReport:
        """Is more labelling worth it? What the labels at hand say of themselves; see `LabelReport`.

        The learning curve fits the scorer about ten times, once: it is kept, in the model file, too.

        Args:
            X: The rows of the fit, for a model from a file whose curve was not drawn; None where it was just fitted.
            y: Their labels.
            budget: Rows to look at in a batch of as many as were held out; None: as many as lie above `threshold_`.

        Raises:
            NoDefectsError: If the model was fitted without labelled defects.
            ConfigError: If the budget is not below the rows of the batch.
            DataError: If X are not the rows of the fit.
        """
        check_is_fitted(self, "threshold_")
        self._need_defects("label_report")
        if X is not None and (self.fitted_.labels is None or self.fitted_.labels.curve is None):
            rows, x = self._tensor(X)
            self.fitted_ = self.fitted_.with_training_rows(x, self._groups(y, rows), self.seed_)
        self.fitted_ = self.fitted_.with_learning_curve(self.seed_)
        return self.fitted_.label_report(self.prior_["defect"], budget, self.threshold_)

    # The autoencoder ---------------------------------------------------------------------------------------------

    def encode(self, X: Any) -> Any:
        """Codes, shape (row, latent), float64."""
        rows, (z,) = self._asked(X, lambda evidence: (evidence.z,))
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
        """Fill in what is masked, by reconstructing again and again with the known part held fixed.

        Train with `corruption="mask"` for this: a network that was never shown gaps repeats what stands in them.

        Args:
            X: Samples; what stands under the mask does not matter, but must be readable (NaN in a table is fine).
            mask: True where to fill in. Tables: (row, column) of X, or a frame with some of its columns. Images and
                video: the shape of X, with or without the channel axis; one sample's mask serves for all.
            n_rounds: Rounds, >= 1.

        Returns:
            X, in its own size and form, with what is masked replaced and everything else as it was.

        Raises:
            DataError: If the mask has another shape, is no mask, or the data are text.
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
        """Draw new samples like the normals.

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

    def explain(self, X: Any, by: str = "score") -> Explanation:
        """What is wrong with each row, and which labelled samples it lies near; see `Explanation`.

        Args:
            X: Samples.
            by: 'score': which elements make the score, found by replacing each by its normal value; a row costs as
                many scorings as it has columns, words or regions (64 a picture or frame), so explain hits, not all
                data. 'error': only which elements reconstruct badly; fast.

        Raises:
            ConfigError: If `by` is neither.
        """
        if by not in ("score", "error"):
            raise ConfigError(f"by is {by!r}; explain by 'score' or by 'error'")
        rows, x = self._tensor(X)
        return explain(self.fitted_, rows.names, x, by)

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

    # Files -------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file, whole or not at all.

        Raises:
            ArtifactError: If it cannot be written.
        """
        check_is_fitted(self, "threshold_")
        model_file.write(path, self)

    def export(self, path: str | os.PathLike[str], X: Any = None) -> Parity:
        """Write one ONNX file that scores raw samples without PyTorch; see `blemish.onnx.runtime` and docs/export.md.

        Args:
            path: Where to, '….onnx'.
            X: Samples on which the export is compared with this model; None: samples decoded from the codes that a
                model keeps, and for tables its held-out rows.

        Returns:
            How well the two agree.

        Raises:
            ExportError: If they do not; nothing is written.
            MissingExtraError: If the extra 'onnx' is not installed.
        """
        check_is_fitted(self, "threshold_")
        thresholds = {"threshold": float(self.threshold_), "outlier_threshold": float(self.outlier_threshold_)}
        run = {key: self.notes_.get("run", {}).get(key) for key in ("glob", "names")}
        notes = {"run": run, "taken_out": self.notes_.get("taken_out", []), "column": self._modality_option("column")}
        samples = None if X is None else self._rows(X).X
        return write_onnx(path, self.fitted_, thresholds, self.prior_, {"notes": notes}, samples)

    # Notebooks ---------------------------------------------------------------------------------------------------

    def _html_repr(self) -> str:
        """Scikit-learn's diagram until it is fitted; then facts, threshold and what the labels support."""
        return fitted_card(self) if hasattr(self, "threshold_") else super()._html_repr()

    # Inside ------------------------------------------------------------------------------------------------------

    def _need_defects(self, what: str) -> None:
        if not self.fitted_.n_defects:
            raise NoDefectsError(
                f"{what} needs labelled defects, and the model was fitted without any; label some as 'defect' and fit "
                "again, or use outlier_score"
            )

    def _rows(self, X: Any) -> Rows:
        check_is_fitted(self, "threshold_")
        name = self.fitted_.model.choices.modality.name
        rows = to_rows(X, name, self._n_frames(warm=True), self._modality_option("column"))
        if not rows.n_given:
            raise DataError("X holds no sample, at least one is needed")
        return rows

    def _tensor(self, X: Any) -> tuple[Rows, TensorRows]:
        rows = self._rows(X)
        return rows, self.fitted_.model.to_tensor(rows.X)

    def _asked(self, X: Any, ask: Callable[[Evidence], Arrays]) -> tuple[Rows, Arrays]:
        rows = self._rows(X)
        return rows, self.fitted_.model.asked(rows.X, ask)

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may assume: missing values and categories are fine, features need not be positive."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def load(path: str | os.PathLike[str], device: str = "auto") -> DefectDetector:
    """Read a model file. No code in it is run, whoever wrote it.

    Args:
        path: What `DefectDetector.save` wrote.
        device: Where to run it.

    Raises:
        ArtifactError: If the file is missing, truncated, foreign, damaged or from a newer version.
    """
    return model_file.read(path, DefectDetector, device)
