"""Open a model and the samples to apply it to."""

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blemish.core.errors import ConfigError, DataError
from blemish.core.store import check_whole
from blemish.data.dataset import Dataset
from blemish.data.inputs import need_column, read_like, reading_of_exported, samples_to_score
from blemish.data.regions.map_files import MapFiles
from blemish.onnx.runtime import HEAT, NO_MAP, Runtime

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


def maps_of_exported(
    runtime: Runtime, data: str, heat: Path | None, regions: Path | None, false_alarm_area: float | None
) -> MapFiles:
    """Where maps and regions of pictures that an exported model scores go; see `blemish.out_of_core.map_files`."""
    if not runtime.has_map:
        raise ConfigError(f"{runtime.name} {NO_MAP}")
    levels = runtime.area_levels
    area = levels.area(false_alarm_area)
    return MapFiles(Path(data), heat, regions, runtime.kind, levels.cut(area), area)


def exported_scores(runtime: Runtime, samples: Dataset, maps: MapFiles | None) -> dict[str, np.ndarray]:
    """The scores of an exported model; maps are written as they come."""
    if maps is None:
        return runtime.scores(samples.X)
    found, keys = [], iter(samples.keys)
    for some in runtime.with_maps(samples.X):
        heats = some.pop(HEAT)
        maps.add((key, heat, {}) for key, heat in zip(islice(keys, len(heats)), heats, strict=True))
        found.append(some)
    return {name: np.concatenate([some[name] for some in found]) for name in found[0]}


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
