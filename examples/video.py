"""Video: the original prototype's two stages, how errors move between them, and which frame is the least regular."""

import numpy as np

from blemish import DefectDetector
from blemish.datasets import rotating_coin

split = rotating_coin(n_normal=60, n_test=10)
small = {"modality": {"name": "video", "size": [24, 24]}, "random_state": 0}
det = DefectDetector.from_preset("contrastive_spatio_temporal", epochs=20, **small)
det.fit(split.X_train[split.y_train != "defect"])  # stage one: conventional, on normals only
before = det.outlier_score(split.X_test)
det.set_params(epochs=80).refit(split.X_train, split.y_train)  # stage two: the contrast; a refit takes a quarter
after = det.outlier_score(split.X_test)

for kind in dict.fromkeys(split.kind_test):
    rows = split.kind_test == kind
    counts = np.histogram(after[rows], np.quantile(after, [0, 0.25, 0.5, 0.75, 1]))[0]
    print(f"{kind:>7}: error {before[rows].mean():.4f} before, {after[rows].mean():.4f} after; quarters {counts}")
frames = det.explain(split.X_test[-1:], by="error").by_frame()
print(frames.nsmallest(3, "regularity")[["frame", "error", "regularity"]])
