"""A table: rank one kind of outlier above all others, from eight examples."""

from blemish import DefectDetector, evaluate
from blemish.datasets import ring

split = ring()
det = DefectDetector(random_state=0).fit(split.X_train, split.y_train)

for name, scores in (("outlier", det.outlier_score(split.X_test)), ("defect", det.defect_score(split.X_test))):
    found = evaluate(scores, split.group_test == "defect", split.kind_test)
    print(f"{name} score: average precision {found.average_precision:.2f}, AUROC above {found.auroc_defect_above}")

det.set_threshold(false_positive_rate=0.02)
print("reported:", (det.predict(split.X_test) == "defect").sum(), "of", len(split.X_test))
