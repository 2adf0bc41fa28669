"""A fitted network with the modality that feeds it: raw samples in, codes and errors out."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_matrix
from torch import Tensor

from blemish.autoencoder.autoencoder import Autoencoder
from blemish.core.errors import ConfigError, DataError
from blemish.core.output import Output
from blemish.core.parts import Part
from blemish.core.state import Stored
from blemish.core.threads import fitting_threads, has_convolutions, in_order
from blemish.fitting.choices import Arguments, Choices, choose_parts, whole_number
from blemish.losses.loss import Loss, ReconstructionLoss
from blemish.modalities.features.feature_cache import current
from blemish.modalities.modality import FittedModality
from blemish.modalities.parts import HasParts, Parts
from blemish.scoring.scorer import OF_PARTS, Evidence
from blemish.training.rows import SparseRows, TensorRows

# Evidence takes 1,000 bytes per row of a table and far more per picture: this bounds the memory that scoring takes.
JUDGED_ROWS = 16_384
SCORING_ROWS = 1024  # at a time: fits the cache, see docs/log.md
JUDGED_PARTS = 200_000  # at a time: 80 MB of patches; one picture where it alone has more
FITTED_PARTS = 1_000_000  # of all training rows together

Arrays = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Model:
    """Parts put together for one data set.

    Attributes:
        choices: Which parts.
        modality: Raw samples ↔ tensors.
        network: The autoencoder, on `device`.
        losses: The objective.
        device: Where the network is.
    """

    choices: Choices
    modality: FittedModality
    network: Autoencoder
    losses: tuple[Loss, ...]
    device: torch.device

    def copy(self) -> "Model":
        """The same with weights of its own."""
        return replace(self, network=deepcopy(self.network))

    @property
    def views(self) -> list[str]:
        """Names of the feature sets that the scorer uses in addition to the network's code and error."""
        return self.choices.scorer.make().feature_sets

    @property
    def reconstruction(self) -> ReconstructionLoss:
        """The one term that reconstructs."""
        return next(term for term in self.losses if isinstance(term, ReconstructionLoss))

    def to_tensor(self, raw: Any) -> TensorRows:
        """Raw samples, (row, *sample): on the network's device, or sparse until they are split into batches."""
        x = self.modality.to_tensor(raw)
        return SparseRows(x, self.device) if isinstance(x, csr_matrix) else torch.from_numpy(x).to(self.device)

    def run(self, x: TensorRows) -> Iterator[tuple[Tensor, Output]]:
        """Chunks of x and what the network makes of them, without gradient or noise."""
        self.network.eval()
        for chunk in x.split(SCORING_ROWS):
            with torch.inference_mode(), fitting_threads(self.network):
                out = self.network(chunk)
            yield chunk, out

    @property
    def parted(self) -> HasParts | None:
        """The modality, where the scorer reads the parts of samples.

        Raises:
            ConfigError: If it does, and these data have none.
        """
        if OF_PARTS not in self.choices.scorer.make().sources:
            return None
        if not isinstance(self.modality, HasParts):
            raise ConfigError(
                f"'experts' name parts of samples, and data of the modality {self.choices.modality.name!r} have none; "
                "leave 'parts' out"
            )
        return self.modality

    def parts(self, raw: Any) -> Parts | None:
        """The parts of raw samples, where the scorer reads them."""
        return None if self.parted is None or not len(raw) else self.parted.parts(raw)

    def with_parts(self, raw: Any, regions: Sequence[Any] | None) -> tuple["Model", Parts | None]:
        """The same model, told whether there are marks, and the parts of the training rows; of many rows not all parts.

        Args:
            raw: Samples.
            regions: For each sample a mask in its own size, or None; they mark the parts that hold the defect.
        """
        if self.parted is None:
            return self, None
        parted = self.parted.with_details(any(region is not None for region in regions or ()))
        return replace(self, modality=parted), parted.parts(raw, regions, max(1, FITTED_PARTS // len(raw)))

    def evidence_of_copies(self, x: TensorRows) -> Evidence:
        """`evidence`, with the parts of what the network sees: for samples that exist as tensors only."""
        return self.evidence(x, self.parts(self.modality.to_raw(x.to_dense().cpu().numpy())))

    def evidence(self, x: TensorRows, parts: Parts | None = None) -> Evidence:
        """Codes and reconstruction errors of tensors, and the feature sets that the scorer uses in addition.

        Args:
            x: Rows.
            parts: Of the same rows, where the scorer shall read them.
        """
        term, blocks = self.reconstruction, self.modality.blocks
        found = ({"z": out.z, "error": term.sample_error(chunk, out.x_hat, blocks)} for chunk, out in self.run(x))
        seen = {name: values.astype(np.float64) for name, values in filled(found, len(x)).items()}
        if not self.views:
            return Evidence(seen["z"], seen["error"], parts=parts)
        with torch.inference_mode():
            features = filled((self._features(chunk) for chunk in x.split(SCORING_ROWS)), len(x))
        return Evidence(seen["z"], seen["error"], features, parts)

    def _features(self, chunk: Tensor) -> dict[str, Tensor]:
        cache = current()
        # Only those of pictures cost more than looking them up.
        if cache is None or chunk.ndim < 4 or not len(chunk):
            return self.modality.features(chunk)
        return cache.features(self.modality, self.modality.features, chunk)

    def of_evidence(self, raw: Any, work: Callable[[Evidence], Arrays]) -> Arrays:
        """Arrays (row, …) made of the evidence of raw samples, some rows at a time.

        By as many threads as PyTorch may use.

        Args:
            raw: Samples; the modality may prepare them in parts, so that no tensor of all is ever made.
            work: Depends on each row alone.
        """
        in_parts = self.parted is not None or self.modality.in_parts(raw)
        rows: Any = raw if in_parts else self.to_tensor(raw)

        def of_some(place: slice) -> Arrays:
            if in_parts:
                return work(self.evidence(self.to_tensor(rows[place]), self.parts(rows[place])))
            some = rows[place] if isinstance(rows, Tensor) else rows[torch.arange(place.start, place.stop)]
            return work(self.evidence(some))

        alone = self.device.type != "cpu" or has_convolutions(self.network)
        try:
            found = list(in_order(of_some, self._places(rows), 1 if alone else torch.get_num_threads()))
        except DataError:
            if in_parts:
                self.to_tensor(raw)  # names the row by its place among all
            raise
        return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))

    def _places(self, rows: Any) -> list[slice]:
        """Rows to score at a time: their parts take more memory than all else."""
        n, at_once = len(rows), np.zeros(len(rows), dtype=np.int64)
        if self.parted is not None:
            at_once = np.cumsum([self.parted.n_parts(row) for row in rows]) // JUDGED_PARTS
        starts = np.unique(np.concatenate([np.arange(0, n, JUDGED_ROWS), np.flatnonzero(np.diff(at_once)) + 1]))
        return [slice(*pair) for pair in pairwise([*starts.astype(int).tolist(), n])]

    def error_map(self, x: TensorRows) -> Float[np.ndarray, "row *element"]:
        """Error of every column or pixel; a column of several features has their mean."""
        term, blocks = self.reconstruction, self.modality.blocks
        errors = torch.cat([term.error_map(chunk, out.x_hat, blocks) for chunk, out in self.run(x)])
        if blocks and errors.shape[1] != len(blocks):
            errors = torch.stack([errors[:, b.start : b.stop].mean(dim=1) for b in blocks], dim=1)
        return errors.cpu().numpy()

    def reconstruct(self, x: TensorRows) -> Tensor:
        """Reconstructions in the space of x."""
        term, blocks = self.reconstruction, self.modality.blocks
        return torch.cat([term.activate(out.x_hat, blocks) for _, out in self.run(x)])

    def decode(self, z: Float[np.ndarray, "row latent"]) -> Tensor:
        """What codes decode to, in the space of x."""
        self.network.eval()
        with torch.inference_mode():
            x_hat = self.network.decode(torch.as_tensor(z, dtype=torch.float32, device=self.device))
            return self.reconstruction.activate(x_hat, self.modality.blocks)

    def columns(self, x: Float[np.ndarray, "row feature"]) -> dict[str, list[Any]]:
        """The values of every column of a table, as a person reads them."""
        modality: Any = self.modality
        return dict(zip(modality.elements, map(list, zip(*modality.describe(x), strict=True)), strict=True))

    def arrays(self) -> dict[str, np.ndarray]:
        """The network's weights by name."""
        return {f"network.{name}": weight.cpu().numpy() for name, weight in self.network.state_dict().items()}

    def load_weights(self, stored: Stored) -> None:
        """Put stored weights in place of the present ones.

        Raises:
            ArtifactError: If they do not fit this network.
        """
        shapes = {name: tuple(weight.shape) for name, weight in self.network.state_dict().items()}
        weights = {name: stored.take(name, ("float32",), shape, {}) for name, shape in shapes.items()}
        self.network.load_state_dict({name: torch.from_numpy(x.copy()) for name, x in weights.items()}, assign=True)
        for parameter in self.network.parameters():
            parameter.requires_grad_(True)
        self.network.to(self.device)


def filled(parts: Iterator[dict[str, Tensor]], n: int) -> dict[str, np.ndarray]:
    """Values of n rows by name, from parts of the rows in order.

    Arrays are laid out before the second part is made. Small results kept between large chunks that come and go would
    leave holes in memory into which no later chunk fits: 300 MB of 10,000 texts.

    Args:
        parts: One at least, each with the same names.
        n: Rows of all parts together.
    """
    found: dict[str, np.ndarray] = {}
    start = stop = 0
    for part in parts:
        for name, values in part.items():
            some = values.cpu().numpy()
            stop = start + len(some)
            found.setdefault(name, np.empty((n, *some.shape[1:]), some.dtype))[start:stop] = some
        start = stop
    return found


def new_model(arguments: Arguments, part: Part, modality: FittedModality, seed: int) -> Model:
    """The model for a detector's arguments and a kind of data, with weights drawn from the seed.

    PyTorch's global generator is as before afterwards.

    Raises:
        ConfigError: If parts are unknown or do not fit.
    """
    choices, spec, latent_dim = choose_parts(arguments, part), part.make(), arguments["latent_dim"]
    latent_dim = (
        spec.latent_dim(modality.sample_shape) if latent_dim == "auto" else whole_number("latent_dim", latent_dim)
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(choices, modality, latent_dim, device_for(arguments["device"]))


def build(choices: Choices, modality: FittedModality, latent_dim: int, device: torch.device) -> Model:
    """Put parts together; the weights come from PyTorch's global generator, which the caller guards.

    Raises:
        ConfigError: If parts do not fit each other or the samples.
    """
    try:
        bottleneck = choices.bottleneck.make(latent_dim)
        backbone = choices.backbone.make(modality.sample_shape, bottleneck.hidden_dim, latent_dim, modality.blocks)
        losses = tuple(loss.make() for loss in choices.losses)
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"the parts cannot be built for samples of shape {modality.sample_shape}: {error}") from None
    return Model(choices, modality, Autoencoder(backbone, bottleneck).to(device), losses, device)


def device_for(name: str) -> torch.device:
    """'auto' is a GPU where there is one.

    Raises:
        ConfigError: If PyTorch does not know the device, or has none of that kind here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {name!r} is not available here ({str(error).splitlines()[0]}); use 'auto'") from None
    return device
