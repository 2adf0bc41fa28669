"""Open a model and the samples to apply it to."""

import os
from typing import TYPE_CHECKING, Any

from blemish.core.errors import DataError
from blemish.core.store import check_whole
from blemish.data.dataset import Dataset
from blemish.data.inputs import need_column, read_like, reading_of_exported, samples_to_score
from blemish.onnx.runtime import Runtime

if TYPE_CHECKING:
    from blemish.detector import DefectDetector


def open_exported(
    model: str | os.PathLike[str],
    data: str,
    *,
    glob: str | None,
    names: str | None,
    key: str | None,
    **dialect: Any,
) -> tuple[Runtime, Dataset]:
    """An exported model and the samples to score with it; PyTorch is not imported."""
    runtime = Runtime(model)
    samples = read_like(reading_of_exported(runtime.facts), data, glob, names, (key,), **dialect)
    if samples.modality != runtime.facts["modality"]:
        raise DataError(f"the data are {samples.modality}, the model is for {runtime.facts['modality']}")
    if key:
        need_column(samples, key, data)
    return runtime, samples


def open_both(
    model: str | os.PathLike[str],
    data: str,
    device: str,
    *,
    glob: str | None,
    names: str | None,
    key: str | None = None,
    truth: str | None = None,
    **dialect: Any,
) -> tuple["DefectDetector", Dataset]:
    """A model and the samples to score with it."""
    check_whole(model)
    from blemish.detector import load

    det = load(model, device=device)
    samples = samples_to_score(det, data, glob=glob, names=names, apart=(key, truth), **dialect)
    if key:
        need_column(samples, key, data)
    return det, samples
