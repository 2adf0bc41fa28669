"""Two kinds of defect at once: which one is it, and why."""

import numpy as np
import pandas as pd

from blemish import DefectDetector

rng = np.random.default_rng(0)
X = pd.DataFrame(rng.normal(size=(600, 5)), columns=["force", "speed", "heat", "noise", "length"])
X.loc[:29, "force"] += 4  # cracks
X.loc[30:59, "heat"] += 4  # pinholes
labels = np.full(len(X), None, dtype=object)
labels[:8], labels[30:38] = "crack", "pinhole"

det = DefectDetector(defects=("crack", "pinhole"), epochs=5, random_state=0).fit(X, labels)
print(det.classes_, det.predict_proba(X.iloc[[10, 40]]).round(2))
det.set_threshold(recall=0.8, kind="crack")
print(det.promises_["crack"].text)
print(det.explain(X.iloc[[10]]).why_this_kind(0))
print(det.label_report().says["Which kinds are taken for which?"])
