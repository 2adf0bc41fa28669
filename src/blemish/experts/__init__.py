"""Experts: simple classifiers, each with an opinion from one view of the data."""

from blemish.experts.direction import Direction
from blemish.experts.discriminant import Discriminant
from blemish.experts.forest import Forest
from blemish.experts.isolation import Isolation
from blemish.experts.kernel import Kernel
from blemish.experts.linear import Linear
from blemish.experts.neighbours import Neighbours
from blemish.experts.protocol import Expert
from blemish.experts.student import Student
from blemish.experts.trees import Trees
from blemish.experts.value import Value

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
