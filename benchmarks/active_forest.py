"""Active anomaly discovery on trees (Das et al., 2017) as coniferest has it; a process in an environment of its own.

    python active_forest.py POOL.npy SEED PRIOR

Each line of the input is a JSON list of [row, is a defect]: all that is marked. Each line of the output is the score of
every row of the pool, higher = more anomalous. PRIOR 0 is the package's default; 1 keeps the weights near the start's.
"""

import json
import sys

import numpy as np
from coniferest.aadforest import AADForest  # pyright: ignore[reportMissingImports]
from coniferest.label import Label  # pyright: ignore[reportMissingImports]

pool = np.load(sys.argv[1])
forest = AADForest(random_seed=int(sys.argv[2]), prior_influence=float(sys.argv[3]), n_jobs=1).fit(pool)
for line in sys.stdin:
    marks = json.loads(line)
    if marks:
        rows, defects = zip(*marks, strict=True)
        labels = np.where(defects, int(Label.ANOMALY), int(Label.REGULAR))
        forest.fit_known(pool, pool[list(rows)], labels)
    print(json.dumps((-forest.score_samples(pool)).tolist()), flush=True)
