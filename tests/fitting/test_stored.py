"""A fit with several kinds from its file; damage is refused (more in `test_damaged_files.py`)."""

import numpy as np
import pytest

from blemish import DefectDetector, load
from blemish.core import store
from blemish.core.errors import ArtifactError

PLAIN = {"name": "ensemble", "experts": {"plain": ["linear", "neighbours"]}}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    x = np.random.default_rng(0).normal(size=(150, 3))
    x[:20, 0] += 4
    x[20:40, 1] += 4
    y = [*["crack"] * 5, *[None] * 15, *["dent"] * 4, *[None] * 126]
    det = DefectDetector(scorer=PLAIN, epochs=1, random_state=0, defects=("crack", "dent")).fit(x, y)
    path = tmp_path_factory.mktemp("kinds") / "m.blemish"
    det.save(path)
    return det, path, x


def test_every_kind_comes_back_with_its_bits(saved):
    det, path, x = saved
    again = load(path)
    for kind in det.fitted_.kinds:
        np.testing.assert_array_equal(again.defect_score(x, kind), det.defect_score(x, kind))
        assert again.fitted_.each[kind].n_defects == det.fitted_.each[kind].n_defects
    assert (
        again.label_report().says["Which kinds are taken for which?"]
        == det.label_report().says["Which kinds are taken for which?"]
    )


@pytest.mark.parametrize("array", ["kinds.kind", "kinds.0.defect", "scorer.n_labelled"])
def test_a_file_without_what_a_kind_needs_is_refused(saved, tmp_path, array):
    arrays, manifest = store.read(saved[1])
    del arrays[array]
    store.write(
        tmp_path / "m.blemish",
        arrays,
        {k: v for k, v in manifest.items() if k not in ("schema", "SHA-256", "n_arrays")},
    )
    with pytest.raises(ArtifactError, match="damaged or incomplete"):
        load(tmp_path / "m.blemish")
