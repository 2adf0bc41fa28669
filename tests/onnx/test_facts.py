"""What the metadata of an export may say; the runtime's tests damage those of whole files."""

import pytest

from blemish.calibration.areas import AREAS
from blemish.core.errors import ArtifactError
from blemish.core.manifest import checked
from blemish.onnx.facts import ClipFacts, Facts, PictureFacts

BASE = {
    "schema": 3, "version": "0.2.0", "modality": "image", "inputs": "pictures", "threshold": 0.0,
    "classes": ["normal", "other", "defect"], "outlier_threshold": 1.0, "n_defects": 2, "notes": {"run": {}},
}  # fmt: skip


def test_what_a_file_may_say():
    for kind, more in ((Facts, {}), (PictureFacts, {"channels": 1}), (ClipFacts, {"channels": 1, "n_frames": 3})):
        facts = {**BASE, **more, "area_levels": [0.0, 1.5], "something": "more"}
        assert checked(kind, facts, "its metadata") == facts


@pytest.mark.parametrize(
    "change",
    [{"area_levels": []}, {"area_levels": [0.0] * (len(AREAS) + 1)}, {"area_levels": None}, {"area_levels": ["1"]},
     {"n_defects": -1}, {"classes": []}, {"threshold": "0"}],
)  # fmt: skip
def test_what_it_may_not(change):
    with pytest.raises(ArtifactError, match="its metadata"):
        checked(Facts, {**BASE, **change}, "its metadata")
