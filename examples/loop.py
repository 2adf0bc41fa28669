"""The loop: start from two examples, look at the top hits, mark them, refit from the fitted weights."""

import numpy as np

from blemish import DefectDetector
from blemish.datasets import ring

split = ring(n_normal=300)
X, truth = split.X_test, split.group_test
y = np.full(len(X), None, dtype=object)
y[np.flatnonzero(truth == "defect")[:2]] = "defect"

det = DefectDetector(random_state=0).fit(X, y)
for round_ in range(4):
    order = np.argsort(-det.defect_score(X))
    print(f"round {round_}: {np.mean(truth[order[:100]] == 'defect'):.0%} of the top 100 are defects")
    unmarked = [row for row in order if y[row] is None]
    y[unmarked[:10]] = truth[unmarked[:10]]  # a person would label these
    det.refit(X, y)
