"""A feature set that is a score already, such as the reconstruction error."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from blemish.core.graph import Node
from blemish.scoring.evidence import State
from blemish.scoring.experts.expert import ExportableExpert, Features, Flags, Numbers


@dataclass(frozen=True)
class Value(ExportableExpert):
    """The mean of the features as they are; unsupervised."""

    uses_labels: ClassVar[bool] = False

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> State:
        """Nothing to learn; see `Expert`."""
        return {}

    def score(self, state: State, x: Features) -> Numbers:
        """The mean."""
        return x.mean(axis=1, dtype=np.float64)

    def graph(self, state: State, x: Node) -> Node:
        """See `ExportableExpert`."""
        return x.reduce("Mean", 1)
