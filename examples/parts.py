"""An ablation: change one part by name, keep everything else."""

from blemish import PRESETS, DefectDetector, evaluate
from blemish.datasets import ring

split = ring(n_normal=300)
for preset in ("default", "beta_vae", "rsrae", "contrastive_spatio_temporal"):
    det = DefectDetector.from_preset(preset, epochs=20, random_state=0).fit(split.X_train, split.y_train)
    found = evaluate(det.defect_score(split.X_test), split.group_test == "defect", split.kind_test)
    print(f"{preset:27} {found.average_precision:.2f}  {PRESETS[preset].summary}")
