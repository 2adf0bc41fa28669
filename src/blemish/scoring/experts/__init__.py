"""Experts: simple classifiers, each fitted on one feature set."""

from blemish.core.parts import Parts

EXPERTS = Parts(
    {
        "linear": "blemish.scoring.experts.linear:Linear",
        "discriminant": "blemish.scoring.experts.linear:Discriminant",
        "kernel": "blemish.scoring.experts.kernel:Kernel",
        "trees": "blemish.scoring.experts.trees:Trees",
        "forest": "blemish.scoring.experts.trees:Forest",
        "isolation": "blemish.scoring.experts.trees:Isolation",
        "neighbours": "blemish.scoring.experts.neighbours:Neighbours",
        "student": "blemish.scoring.experts.student:Student",
        "direction": "blemish.scoring.experts.direction:Direction",
        "value": "blemish.scoring.experts.expert:Value",
    }
)

__all__ = ["EXPERTS"]
