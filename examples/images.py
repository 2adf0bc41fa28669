"""Images: find a crack among spots and missing corners, and say where."""

from blemish import DefectDetector, evaluate
from blemish.datasets import tiles

split = tiles(n_normal=160, side=24)
det = DefectDetector(epochs=30, random_state=0).fit(split.X_train, split.y_train)
found = evaluate(det.defect_score(split.X_test), split.group_test == "defect", split.kind_test)
print(f"average precision {found.average_precision:.2f}, AUROC above {found.auroc_defect_above}")
print(det.explain(split.X_test[-1:]).to_frame(top=3)[["element", "error", "nearest_defect"]])
