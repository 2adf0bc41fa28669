"""What the autoencoder makes of samples: codes, reconstructions, what is missing, new ones."""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from blemish.core.errors import DataError
from blemish.fitting.choices import seed_of, whole_number
from blemish.fitting.reading import ReadsSamples


class Transforms(ReadsSamples):
    """The part of a detector that encodes, decodes and draws samples."""

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
