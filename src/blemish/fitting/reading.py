"""What every verb of a detector shares: X becomes rows, rows become tensors and evidence."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Int
from sklearn.utils.validation import check_is_fitted

from blemish.core.errors import DataError, NoDefectsError
from blemish.core.labels import MIN_ORDINARY, check_trainable, to_groups
from blemish.data.dataset import Dataset
from blemish.data.read import to_dataset
from blemish.fitting.fitted import Fitted
from blemish.fitting.model import Arrays
from blemish.scoring.scorer import Evidence
from blemish.training.sparse import TensorRows


class ReadsSamples(ABC):
    """The part of a detector that reads samples as its model needs them.

    Attributes:
        modality: The constructor's argument.
        fitted_: What a fit learnt.
    """

    modality: Any
    fitted_: Fitted

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

    def _groups(self, y: Any, rows: Dataset) -> Int[np.ndarray, " row"]:
        if not rows.n_given:
            raise DataError(f"found 0 sample(s); a minimum of {MIN_ORDINARY} is required to fit")
        group = to_groups(y, rows.n_given)[rows.kept]
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
        return rows, self.fitted_.model.asked(rows.X, work)

    def _check_defects(self, what: str) -> None:
        check_is_fitted(self, "threshold_")
        if not self.fitted_.n_defects:
            raise NoDefectsError(
                f"{what} needs labelled defects, and the model was fitted without any; label some as 'defect' and fit "
                "again, or use outlier_score"
            )
