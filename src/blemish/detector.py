"""DefectDetector: the scikit-learn face. Orchestration only."""

import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from blemish.calibration.thresholds import DEFAULT_CONTAMINATION, DEFAULT_FALSE_POSITIVES
from blemish.core.errors import ConfigError, QualityWarning
from blemish.core.labels import ONE_KIND, check_kinds
from blemish.data.inputs import DIALECT
from blemish.explain.card import fitted_card
from blemish.explain.explanation import Explanation, explain
from blemish.fitting import model_file
from blemish.fitting.choices import choose_modality, seed_of
from blemish.fitting.cross_fit import folds_of
from blemish.fitting.fit import Fit
from blemish.fitting.model import Arrays
from blemish.fitting.verbs import Verbs
from blemish.modalities.features import keeping_maps
from blemish.onnx.export import write_onnx
from blemish.onnx.parity import Parity
from blemish.presets import of_preset
from blemish.scoring.mixture import PRIOR
from blemish.scoring.scorer import Evidence, Scores
from blemish.training.loop import EpochRecord


class DefectDetector(Verbs, BaseEstimator):
    """Ranks the defect that you care about above all other outliers, and those above the normal.

    A part is chosen by name, `"mlp"`, or by name with options, `{"name": "mlp", "widths": [64]}`; docs/parts.md has all
    of them.

    Args:
        modality: The kind of data, 'auto' or one of `blemish.modalities.MODALITIES`.
        backbone: The network family, 'auto' or one of `blemish.autoencoder.backbones.BACKBONES`.
        bottleneck: What makes the code, one of `blemish.autoencoder.autoencoder.BOTTLENECKS`.
        losses: 'auto', or a list of terms of `blemish.losses.LOSSES`, also as instances; 'reconstruction' stands for
            the data's default.
        corruption: Input noise for denoising, None or one of `blemish.training.CORRUPTIONS`.
        latent_dim: Width of the code, 'auto' or >= 1.
        epochs: Passes over the data: 'auto', a number, or `{"at_most": 200, "patience": 10}` for early stopping.
        batch_size: Rows per training batch, 'auto' or >= 1.
        lr: 'auto', a learning rate, or one of `blemish.training.SCHEDULES`.
        device: 'auto', 'cpu', 'cuda', …
        random_state: None, an integer, or a NumPy generator. Global generators are never touched.
        verbose: 0 is silent; 1 writes a line to stderr for every tenth epoch.
        scorer: What turns codes and errors into scores, 'auto' or one of `blemish.scoring.SCORERS`.
        defects: Words of the kinds of defect, as labels have them. Kinds may be added at a refit.

    Attributes:
        classes_: 'normal', 'other', and the kinds of defect: the columns of `predict_proba`.
        threshold_: Cut on `defect_score`, without labelled defects on `outlier_score`; see `set_threshold`.
        thresholds_: The cut of each kind: `threshold_`, unless it was given one of its own.
        prior_: Assumed fractions of the groups, see `set_prior`.
        promises_: What the kinds' own cuts promise, by kind.
        promise_: What that cut promises, see `blemish.calibration.thresholds.Promise`.
        fitted_: The model, its scorer and the calibration rows, see `blemish.fitting.fitted.Fitted`.
        folds_: The same for each fold of `cross_fit`; empty without it.
        history_: An `EpochRecord` per epoch.
        seed_: The seed that was used, also when `random_state` is None.
        reading_: What of the training data was read, and how: a `Note` for each guess, each sample left out, each
            column that is not used.
        training_: Provenance: rows by group, seconds, versions.
        notes_: JSON values by name that are stored with the model; the command line keeps its run file there.

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
        defects: Any = ONE_KIND,
    ) -> None:
        self.modality, self.backbone, self.bottleneck, self.losses = modality, backbone, bottleneck, losses
        self.corruption, self.latent_dim, self.epochs, self.batch_size = corruption, latent_dim, epochs, batch_size
        self.lr, self.device, self.random_state, self.verbose, self.scorer = lr, device, random_state, verbose, scorer
        self.defects = defects

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

    def fit(self, X: Any, y: Any = None, *, groups: Any = None, regions: Any = None) -> "DefectDetector":
        """Train, then learn where normal rows, other outliers and defects lie.

        Args:
            X: An array, a pandas or polars frame, an Arrow table, a list of images, of clips or of image paths, or a
                folder; strings, or a series or column of them. Tables (row, column); images (batch, channel, height,
                width); video (batch, frame, channel, height, width).
            y: One label per row: 'normal', 'other', a kind of defect ('defect' by default) or missing; or {0, 1} with
                1 = defect. None: no labels.
            groups: One value per row; rows of one value are not independent (exposures of a part, rows of a patient)
                and stay together in folds, held-out rows, promises and p-values. A missing one is a group of its own.
            regions: For images: where the defect is, one entry per row, None where nothing is said: a mask (height,
                width), boxes (x, y, width, height), or a stroke of points (x, y), in pixels of the image.

        Returns:
            Itself.

        Raises:
            DataError: If the data cannot be used.
            LabelError: If the labels are not in one of these forms, or a row that is not a defect has a region.
            ConfigError: If the parts do not fit.
            TrainingError: If a loss becomes NaN.
        """
        for _ in self.iter_fit(X, y, groups=groups, regions=regions):
            pass
        return self

    def refit(self, X: Any, y: Any = None, *, groups: Any = None, regions: Any = None) -> "DefectDetector":
        """Resume from the fitted weights, for a quarter of the epochs, with new labels or more data.

        Scaling, vocabularies and parts stay as they were fitted. The rows that were held out for calibration are held
        out again, by position, so append new rows at the end.

        Args:
            X: Of the same kind as those of `fit`, with the same columns.
            y: See `fit`.
            groups: See `fit`.
            regions: See `fit`.
        """
        for _ in self.iter_fit(X, y, groups=groups, regions=regions, warm_start=True):
            pass
        return self

    def iter_fit(
        self, X: Any, y: Any = None, *, groups: Any = None, regions: Any = None, warm_start: bool = False
    ) -> Iterator[EpochRecord]:
        """`fit`, or with `warm_start` `refit`, as a generator of a record per epoch, for progress bars.

        If it is left early, the former fit stays.
        """
        fit = self.begin_fit(X, y, groups=groups, regions=regions, warm_start=warm_start)
        history: list[EpochRecord] = []
        for record in fit.train():
            history.append(record)
            self._report(record)
            yield record
        self.end_fit(fit, history)

    def begin_fit(
        self, X: Any, y: Any = None, *, groups: Any = None, regions: Any = None, warm_start: bool = False
    ) -> Fit:
        """All of a fit that comes before the training, for training loops other than ours; see `blemish.lightning`.

        Returns:
            What `end_fit` takes, once its objective is trained.
        """
        start = time.perf_counter()
        if warm_start:
            check_is_fitted(self, "threshold_")
        auto = isinstance(self.modality, str) and self.modality == "auto"
        rows = self._read(X, "auto" if auto else choose_modality(self.modality, "").name, as_fitted=warm_start)
        group = self._groups(y, rows, check_kinds(self.defects))
        rows = self._with_regions(self._with_groups(rows, groups), regions, group)
        former = self.fitted_ if warm_start else None
        with keeping_maps(max_held=0):  # each map is needed once
            fit = Fit.begin(self._arguments(), rows, group, seed_of(self.random_state), former)
        return replace(fit, start=start)

    def end_fit(self, fit: Fit, history: Sequence[EpochRecord]) -> "DefectDetector":
        """All of a fit that comes after the training: fit the scorer, calibrate it, and choose where to cut.

        Args:
            fit: What `begin_fit` gave, trained.
            history: A record per epoch.
        """
        with keeping_maps():
            self.fitted_, self.reading_ = fit.end(folds_of(fit, len(history))), fit.reading
        self.seed_, self.history_, self.folds_ = fit.seed, list(history), []
        if fit.model.modality.n_columns:
            self.n_features_in_ = fit.model.modality.n_columns
        if fit.columns is not None:
            self.feature_names_in_ = np.array(fit.columns, dtype=object)
        self.classes_, self.notes_, self.promises_ = np.array(["normal", "other", *fit.kinds]), {}, {}
        share = PRIOR["defect"] / len(fit.kinds)
        self.prior_ = {"normal": PRIOR["normal"], "other": PRIOR["other"], **dict.fromkeys(fit.kinds, share)}
        self.outlier_threshold_ = self.fitted_.outlier_promise(DEFAULT_CONTAMINATION).threshold
        contamination = DEFAULT_FALSE_POSITIVES if self.fitted_.n_defects else DEFAULT_CONTAMINATION
        self.promise_ = self.fitted_.promise("contamination", contamination)
        self.threshold_ = self.promise_.threshold
        for kind in fit.kinds if self.fitted_.each else ():
            if kind not in self.fitted_.each:
                sentence = f"no row is labelled {kind!r}: this kind has no score; label some and refit"
                warnings.warn(sentence, QualityWarning, stacklevel=4)
        self.training_ = fit.provenance(len(self.history_))
        self._warn_of_cut()
        return self

    def _report(self, record: EpochRecord) -> None:
        if self.verbose and (record.epoch == 1 or record.epoch % 10 == 0):
            terms = ", ".join(f"{name} {value:.4g}" for name, value in record.terms.items())
            sys.stderr.write(f"epoch {record.epoch}: {terms} ({record.seconds:.1f} s)\n")

    # Scores ------------------------------------------------------------------------------------------------------

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of `classes_`, shape (row, 2 + kinds); rows sum to 1.

        With two labelled defects of a kind or more, that of the kind is calibrated on their out-of-fold scores and on
        held-out rows; a row that is like two kinds shares its probability, see
        `calibration.probabilities.shared`. Labelled defects are not a random sample, so the fractions of the groups
        are assumed: `prior_`, see `set_prior`.
        """
        rows, (_, _, probabilities, *_) = self._of_evidence(X, self._together)
        return rows.spread(probabilities, self.classes_.tolist())

    def assess(self, X: Any, *, views: bool = False) -> Scores:
        """All scores, probabilities and codes in one pass over the rows, as plain arrays.

        Args:
            X: Samples.
            views: Also the feature sets that the scorer uses in addition to the code; they may be larger than the data.
        """
        names: dict[str, None] = {}

        def ask(evidence: Evidence) -> Arrays:
            features = evidence.features if views else {}
            names.update(dict.fromkeys(features))
            return (*self._together(evidence), evidence.z, *features.values())

        rows, (outlier, defect, probabilities, kinds, codes, *seen) = self._of_evidence(X, ask)
        spread = replace(rows, index=None).spread
        return Scores(
            outlier=spread(outlier, "outlier"),
            defect=spread(defect, "defect") if self.fitted_.n_defects else None,
            probabilities=spread(probabilities, "probabilities"),
            codes=spread(codes, "codes"),
            feature_sets={name: spread(view, name) for name, view in zip(names, seen, strict=True)},
            kinds=tuple(
                Scores(spread(outlier, "outlier"), spread(one, "defect"), np.full((rows.n_given, 3), np.nan))
                for one in kinds.T
                if len(self.fitted_.kinds) > 1
            ),
        )

    def scores(self, X: Any) -> dict[str, np.ndarray]:
        """All of the above at once, at the cost of the most expensive one.

        Returns:
            'outlier_score', 'defect_score' (NaN without labelled defects), 'p_normal', 'p_other', 'p_defect' (with
            kinds of other names one of each) and 'label', each of shape (row,).
        """
        rows, (outlier, defect, probabilities, kinds) = self._of_evidence(X, self._together)
        found = {"outlier_score": outlier, "defect_score": defect}
        found |= {f"p_{word}": column for word, column in zip(self.classes_.tolist(), probabilities.T, strict=True)}
        found["label"] = self._words(outlier, kinds)
        self._warn_of_cut()
        return {name: replace(rows, index=None).spread(values, name) for name, values in found.items()}

    def explain(self, X: Any, by: str = "score") -> Explanation:
        """What is wrong with each row, and which labelled samples it lies near; see `Explanation`.

        Args:
            X: Samples.
            by: 'score': which elements make the score, found by replacing each by its normal value; a row costs as
                many scorings as it has columns, words or regions (64 per picture or frame), so explain hits, not all
                data. 'error': only which elements reconstruct badly; fast.

        Raises:
            ConfigError: If `by` is neither.
        """
        if by not in ("score", "error"):
            raise ConfigError(f"by is {by!r}; explain by 'score' or by 'error'")
        rows = self._rows(X)
        return explain(self.fitted_, list(rows.keys), rows.X, by)

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
            X: Samples on which the export is compared with this model; None: samples decoded from the codes that the
                model keeps, and for tables its held-out rows.

        Returns:
            How well the two agree.

        Raises:
            ExportError: If they do not; nothing is written.
            MissingExtraError: If the extra 'onnx' is not installed.
        """
        check_is_fitted(self, "threshold_")
        thresholds = {"threshold": float(self.threshold_), "outlier_threshold": float(self.outlier_threshold_)}
        said = self.notes_.get("run", {})
        run = {key: said.get(key) for key in ("glob", "names", *DIALECT)}
        run |= {key: said[key] for key in ("masks",) if key in said}  # earlier versions refuse what they do not know
        notes = {"run": run, "taken_out": self.notes_.get("taken_out", []), "column": self._modality_option("column")}
        cuts = list(thresholds.values())
        facts = {"notes": notes, "unsupported": self.unsupported_, "reported": self.fitted_.reported(*cuts)}
        samples = None if X is None else self._rows(X).X
        return write_onnx(path, self.fitted_, thresholds, self.prior_, facts, samples, self.thresholds_)

    # Notebooks ---------------------------------------------------------------------------------------------------

    def _html_repr(self) -> str:
        """Scikit-learn's diagram until it is fitted; then facts, threshold and what the labels support."""
        return fitted_card(self) if hasattr(self, "threshold_") else super()._html_repr()

    def _arguments(self) -> dict[str, Any]:
        return self.get_params(deep=False)

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
