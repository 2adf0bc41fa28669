"""Trees that learn from the usual and the unusual rows of another expert."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from sklearn.ensemble import ExtraTreesClassifier

from blemish.scoring.experts.distances import Neighbours
from blemish.scoring.experts.expert import Features, Flags, Numbers
from blemish.scoring.experts.trees import Grove, TreeExpert, as_arrays

MIN_SEEN = 10  # rows per tree of a student, where there are as many


def smoothed_fraction(tree: Any) -> Float[np.ndarray, " node"]:
    """Fraction of the second class in each node of a tree, by weight, shrunk towards a half in small nodes.

    Without it most rows share a few scores.

    Reference:
        Provost and Domingos, "Tree induction for probability-based ranking", 2003 (the Laplace correction).
    """
    weight, n = tree.value[:, 0], tree.n_node_samples
    of_second = weight[:, 1] if weight.shape[1] > 1 else np.zeros(len(weight))
    return (n * of_second / np.maximum(weight.sum(axis=1), 1e-300) + 1) / (n + 2)


@dataclass(frozen=True)
class Student(TreeExpert):
    """Trees that tell the most usual half of the rows from the most unusual fifth, as `Neighbours` ranks them.

    Where outliers are many and of all sorts: the teacher counts every feature equally, the student finds those that
    tell the two sides apart. Each tree learns from a quarter of the rows, so that most rows are unseen by most trees.
    Not for few features, or outliers among the most usual half.

    Attributes:
        usual: Fraction of the rows that count as usual, by the teacher, in (0, 1).
        unusual: Fraction that counts as unusual, in (0, 1 - usual].
        seen: Fraction of these rows that each tree learns from, in (0, 1].
        n_trees: How many, >= 1.

    Reference:
        Yoon, Sohn, Li, Arik, Lee and Pfister, "Self-supervise, refine, repeat: improving unsupervised anomaly
        detection", 2022; they refine by leaving the unusual rows out, we make them the other class.
    """

    usual: float = 0.5
    unusual: float = 0.2
    seen: float = 0.25
    n_trees: int = 100
    uses_labels: ClassVar[bool] = False

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> Grove:
        """Rank the rows by the teacher, then grow the trees; see `Expert`."""
        teacher, x, weight = Neighbours(), x[~is_defect], weight[~is_defect]
        ranking = teacher.score(teacher.fit(x, np.full(len(x), False), weight, seed), x)
        taught = np.argsort(ranking, kind="stable")
        n_usual, n_unusual = max(1, round(self.usual * len(x))), max(1, round(self.unusual * len(x)))
        rows = np.concatenate([taught[:n_usual], taught[-n_unusual:]])
        is_unusual = np.arange(len(rows)) >= n_usual
        model = ExtraTreesClassifier(
            self.n_trees,
            bootstrap=True,
            max_samples=min(len(rows), max(MIN_SEEN, round(self.seen * len(rows)))),
            class_weight="balanced",
            random_state=seed,
        ).fit(x[rows], is_unusual)
        return as_arrays(model.estimators_, smoothed_fraction)
