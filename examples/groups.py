"""Five exposures of each part: a promise counts parts, not pictures of them."""

import numpy as np

from blemish import DefectDetector

rng = np.random.default_rng(0)


def exposures(n_parts: int, shift: float = 0.0, copies: int = 5) -> np.ndarray:
    """Measurements of some parts, each taken several times with a little noise."""
    part = rng.normal(size=(n_parts, 6)) + shift
    return np.repeat(part, copies, axis=0) + 0.1 * rng.normal(size=(n_parts * copies, 6))


X = np.concatenate([exposures(150), exposures(12, shift=1.5)])
y = np.repeat(np.array([None, "defect"], dtype=object), [150 * 5, 12 * 5])
part = np.repeat(np.arange(162), 5)  # in a folder: blemish fit tiles --groups '^(.*)_exp'
fresh, fresh_defects = exposures(1000, copies=1), exposures(1000, shift=1.5, copies=1)

for name, groups in (("without groups", None), ("with groups", part)):
    det = DefectDetector(random_state=0).fit(X, y, groups=groups)
    print(f"{name}: {det.set_threshold(false_positive_rate=0.1).promise_.text}")
    print(f"    of fresh parts {(det.predict(fresh) == 'defect').mean():.1%}")
    print(f"    {det.set_threshold(recall=0.9).promise_.text}")
    print(f"    of fresh defects {(det.predict(fresh_defects) == 'defect').mean():.1%}")
    print(f"    {det.label_report().says['Near-duplicates']}")
