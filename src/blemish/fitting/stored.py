"""A fit from what a model file holds."""

from typing import Any

import numpy as np
import torch

from blemish.calibration.areas import AreaLevels
from blemish.calibration.calibration import Calibration, KnownCodes, KnownSamples, Reference
from blemish.calibration.kinds import KindsOutOfFold
from blemish.calibration.label_statistics import LabelStatistics
from blemish.core.errors import ArtifactError
from blemish.core.state import Stored, need
from blemish.fitting.choices import Choices, scorer_of
from blemish.fitting.fitted import Fitted
from blemish.fitting.manifest import Facts
from blemish.fitting.model import Model, build
from blemish.modalities.parts import HasParts
from blemish.scoring.scorer import OF_PARTS


def from_stored(choices: Choices, latent_dim: int, stored: Stored, facts: Facts, device: torch.device) -> Fitted:
    """The inverse of `Fitted.arrays` and `Fitted.facts`; the network is built without memory or random numbers.

    Raises:
        ArtifactError: If an array is missing or does not fit the parts, or the scorer of an earlier version gave
            different scores.
    """
    if "scorer.bandwidth" in stored:  # thresholds in the file are of scores that are no longer made
        raise ArtifactError(
            f"this model was saved by a version whose scorer {choices.scorer.name!r} gave different scores; fit again"
        )
    modality = choices.modality.factory.fitted.of_file(facts.modality)
    with torch.device("meta"):
        empty = build(choices, modality, latent_dim, torch.device("meta"))
    model = Model(choices, modality, empty.network, empty.losses, device)
    model.load_weights(stored.under("network"))
    n, names, negatives = facts.n_defects, facts.names, facts.names.get("rejected", [])
    kinds = tuple(facts.kinds)
    scorer, widths = scorer_of(choices, len(kinds)), {"code": latent_dim + 1, "error": 1, **modality.widths}
    widths |= {OF_PARTS: modality.part_width} if isinstance(modality, HasParts) else {}
    shape = {"defect": len(names["defect"]), "normal": len(names["normal"]), "latent": latent_dim}
    known = KnownCodes.read(stored.under("known"), **shape)
    need(len(known.defect) == n, f"{len(known.defect)} labelled defects are kept, of {n}")
    of_defects: list[str] = ["defect", "out_of_fold", "labelled_negatives"]
    calibration = Calibration.read(stored.under("calibration"), dict.fromkeys(of_defects, n > 0))
    of_labels, unseen, maps = (stored.under(name) for name in ("labels", "blind", "maps"))
    labels = LabelStatistics.read(of_labels, defect=n, negative=len(negatives)) if "conflicts" in of_labels else None
    if calibration.counted is not None:
        inside = (calibration.counted >= 0) & (calibration.counted < n + len(negatives))
        need(inside.all() and (np.diff(calibration.counted) > 0).all(), "labels that count are not ascending positions")
    held_out = stored.take("held_out", ("int64",), ("row",), {}, ("row",))
    need((np.diff(held_out, prepend=-1) > 0).all(), "the held-out rows are not ascending numbers")
    rows, width = {"x": modality.reference_rows}, modality.sample_shape[0]
    of_kinds = stored.under("kinds")
    fitted = Fitted(
        model=model,
        scorer_state=scorer.read(stored.under("scorer"), widths, n),
        out_of_fold_state=scorer.read(unseen, widths, n) if unseen else None,
        calibration=calibration,
        defects=KnownSamples(known.defect, names["defect"]),
        normals=KnownSamples(known.normal, names["normal"]),
        negative_names=negatives,
        n_defects=n,
        held_out=held_out,
        reference=Reference.read(stored.under("reference"), rows, latent=latent_dim, feature=width),
        labels=labels,
        area_levels=AreaLevels.read(maps) if maps else None,
        kinds=kinds,
        of_kinds=KindsOutOfFold.read(of_kinds, defect=n, kind=len(kinds)) if "kind" in of_kinds else None,
    )
    need((len(kinds) > 1 and n > 0) == (fitted.of_kinds is not None), "the scores of several kinds are missing")
    if fitted.of_kinds is None:
        return fitted
    state: Any = fitted.scorer_state
    need((np.bincount(fitted.of_kinds.kind, minlength=len(kinds)) == state.n_labelled).all(), "kinds contradict")
    return fitted.with_kinds(
        {
            kind: Calibration.read(of_kinds.under(str(k)), dict.fromkeys(of_defects, True))
            for k, kind in enumerate(kinds)
            if state.n_labelled[k]
        }
    )
