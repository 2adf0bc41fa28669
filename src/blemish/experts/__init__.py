"""Experts: simple classifiers, each with an opinion from one view of the data."""

from blemish.experts.distance import Distance
from blemish.experts.isolation import Isolation
from blemish.experts.kernel import Kernel
from blemish.experts.linear import Linear
from blemish.experts.protocol import Expert
from blemish.experts.trees import Trees
from blemish.experts.value import Value

EXPERTS = {
    "linear": Linear,
    "kernel": Kernel,
    "trees": Trees,
    "isolation": Isolation,
    "distance": Distance,
    "value": Value,
}

__all__ = ["EXPERTS", "Expert"]
