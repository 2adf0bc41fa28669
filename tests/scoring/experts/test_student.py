"""The student against its teacher."""

import numpy as np
from sklearn.metrics import roc_auc_score

from blemish.scoring.experts import EXPERTS


def test_the_student_surpasses_its_teacher_where_few_features_matter():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 40))
    unusual = np.arange(600) >= 400
    x[unusual, :4] += 2.5
    weight, nobody = np.ones(600), np.full(600, False)
    found = {}
    for name in ("neighbours", "student"):
        score = EXPERTS[name]().score(EXPERTS[name]().fit(x, nobody, weight, 0), x)
        found[name] = roc_auc_score(unusual, score)
    assert found["student"] > found["neighbours"] + 0.02
