"""Experts: simple classifiers, each with an opinion from one view of the data."""

from blemish.scoring.experts.direction import Direction
from blemish.scoring.experts.discriminant import Discriminant
from blemish.scoring.experts.expert import Expert
from blemish.scoring.experts.forest import Forest
from blemish.scoring.experts.isolation import Isolation
from blemish.scoring.experts.kernel import Kernel
from blemish.scoring.experts.linear import Linear
from blemish.scoring.experts.neighbours import Neighbours
from blemish.scoring.experts.student import Student
from blemish.scoring.experts.trees import Trees
from blemish.scoring.experts.value import Value

EXPERTS = {
    "linear": Linear,
    "discriminant": Discriminant,
    "kernel": Kernel,
    "trees": Trees,
    "forest": Forest,
    "isolation": Isolation,
    "neighbours": Neighbours,
    "student": Student,
    "direction": Direction,
    "value": Value,
}

__all__ = ["EXPERTS", "Expert"]
