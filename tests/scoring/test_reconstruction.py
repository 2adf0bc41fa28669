"""The reconstruction error as a score."""

import numpy as np

from blemish.core.labels import DEFECT
from blemish.scoring import SCORERS
from scoring_examples import example


def test_the_error_of_a_labelled_defect_is_out_of_fold_as_it_is():
    evidence, group = example(n_defect=3)
    scorer = SCORERS["reconstruction"]()
    known = scorer.out_of_fold_scores(scorer.fit(evidence, group), evidence, group)
    for row, score in zip(np.flatnonzero(group == DEFECT), known, strict=True):
        rest = np.arange(len(group)) != row
        without = scorer.fit(evidence[rest], group[rest])
        assert score == scorer.defect_score(without, evidence[np.array([row])])[0]
