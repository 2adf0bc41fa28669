"""Experts: simple classifiers, each fitted on one feature set."""

from blemish.core.parts import Parts

EXPERTS = Parts(
    {
        "linear": "blemish.scoring.experts.linear:Linear",
        "discriminant": "blemish.scoring.experts.linear:Discriminant",
        "kernel": "blemish.scoring.experts.distances:Kernel",
        "trees": "blemish.scoring.experts.trees:Trees",
        "forest": "blemish.scoring.experts.trees:Forest",
        "isolation": "blemish.scoring.experts.trees:Isolation",
        "neighbours": "blemish.scoring.experts.distances:Neighbours",
        "mahalanobis": "blemish.scoring.experts.mahalanobis:Mahalanobis",
        "student": "blemish.scoring.experts.student:Student",
        "direction": "blemish.scoring.experts.linear:Direction",
        "part_distance": "blemish.scoring.experts.parts:PartDistance",
        "part_discriminant": "blemish.scoring.experts.parts:PartDiscriminant",
        "part_linear": "blemish.scoring.experts.parts:PartLinear",
        "value": "blemish.scoring.experts.expert:Value",
    }
)

__all__ = ["EXPERTS"]
