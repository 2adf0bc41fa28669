"""Codes, reconstructions and new samples; decisions that leave a detector as it was where they fail."""

from copy import copy
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from blemish import DefectDetector, load
from blemish.core.errors import ConfigError, DataError
from blemish.datasets import ring
from blemish.modalities import MODALITIES

pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.mark.parametrize("name", MODALITIES)
def test_reconstructions_have_the_form_of_the_data(name, splits, fitted):
    det, X = fitted[name], splits[name].X_test[:4]
    z = det.encode(X)
    assert z.shape == (4, det.fitted_.model.network.latent_dim)
    for made in (det.reconstruct(X), det.denoise(X), det.decode(z), det.sample(4, random_state=1)):
        assert made.shape == X.shape
        assert all(isinstance(text, str) for text in made) if name == "text" else np.isfinite(made).all()
    if name == "text":
        assert list(det.decode(z)) == list(det.reconstruct(X))
    else:
        np.testing.assert_allclose(det.decode(z), det.reconstruct(X), rtol=1e-4, atol=1e-3)
    with pytest.raises(DataError, match="codes have shape"):
        det.decode(np.zeros((2, 99)))


def test_denoising_beats_a_median_filter(image_split):
    from scipy.ndimage import median_filter

    clean = image_split.X_test[image_split.kind_test == "normal"].astype(float)
    noisy = np.clip(clean + np.random.default_rng(0).normal(0, 90, clean.shape), 0, 255)
    det = DefectDetector(
        corruption={"name": "gaussian", "stdev": 0.35}, epochs=20, scorer="reconstruction", random_state=0
    ).fit(image_split.X_train)
    error, before, filtered = (
        np.square(made - clean).mean() for made in (det.denoise(noisy), noisy, median_filter(noisy, (1, 1, 3, 3)))
    )
    assert error < filtered < before


def test_inpainting_fills_what_is_masked_and_nothing_else(image_split):
    det = DefectDetector(epochs=20, random_state=0).fit(image_split.X_train)
    X = image_split.X_test[image_split.kind_test == "normal"][:8].astype(float)
    mask = np.zeros(X.shape, dtype=bool)
    mask[..., 5:15, 5:15] = True
    filled = det.inpaint(np.where(mask, 0, X).astype(np.uint8), mask)
    np.testing.assert_array_equal(filled[~mask], X[~mask])
    assert np.abs(filled - X)[mask].mean() < 0.7 * np.abs(X.mean() - X)[mask].mean()
    holes = np.where(mask, 0, X).astype(np.uint8)
    for same in (mask[:, 0], mask[0, 0], mask[0], mask.astype(np.uint8) * 255, list(mask)):
        np.testing.assert_array_equal(det.inpaint(holes, same), filled)
    np.testing.assert_array_equal(det.inpaint(holes, np.zeros((20, 20), dtype=bool)), holes)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((2, 3, 3), dtype=bool), r"the mask of sample 0 has shape \(1, 3, 3\), the sample \(1, 20, 20\)"),
        (np.zeros((3, 20, 20), dtype=bool), "the mask has 3 rows, the data 2"),
        (np.full((20, 20), 0.5), "the mask holds float64 values; give booleans"),
        (np.full((20, 20), np.nan), "the mask holds float64 values; give booleans"),
        ([[True], [True, False]], "the mask of sample 0 has shape"),
        (np.full((20, 20), "yes"), "the mask holds <U3 values; give booleans"),
    ],
)
def test_bad_masks_of_pictures_are_refused(mask, message, image_split, fitted):
    with pytest.raises(DataError, match=message):
        fitted["image"].inpaint(image_split.X_test[:2], mask)


def test_pictures_of_another_size_are_filled_in_their_own_size():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (1, 70 + i, 80), dtype=np.uint8) for i in range(6)]
    det = DefectDetector(epochs=1, random_state=0).fit(images)
    masks = [np.zeros(image.shape, dtype=bool) for image in images]
    for mask in masks:
        mask[0, 10:30, 10:30] = True
    filled = det.inpaint(images, masks)
    for image, mask, made in zip(images, masks, filled, strict=True):
        assert made.shape == image.shape
        np.testing.assert_array_equal(made[~mask], image[~mask])
        assert (made[mask] != image[mask]).mean() > 0.9
    colour = np.repeat(images[0], 3, axis=0)
    assert det.inpaint([colour], [masks[0][0]])[0].shape == colour.shape


def test_transparent_pictures_are_filled_and_opaque_there():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (40, 3, 16, 16), dtype=np.uint8)
    det = DefectDetector(epochs=1, random_state=0).fit(images)
    hole = np.zeros((16, 16), dtype=bool)
    hole[4:8, 4:8] = True
    alpha = np.where(hole, 0, 200).astype(np.uint8)[None]
    clear = np.concatenate([images[0], alpha])
    filled = det.inpaint([clear], [hole])[0]
    assert filled.shape == clear.shape
    np.testing.assert_array_equal(filled[:, ~hole], clear[:, ~hole])
    assert (filled[3, hole] == 255).all()
    np.testing.assert_allclose(filled[:3], det.inpaint(images[:1], hole)[0])
    floats = det.inpaint(clear[None].astype(float), hole)[0]
    np.testing.assert_allclose(floats[:3], filled[:3])
    grey = DefectDetector(epochs=1, random_state=0).fit(images[:, :1])
    assert grey.inpaint(clear[None], hole).shape == (1, 4, 16, 16)


def test_clips_are_filled(splits, fitted):
    X = splits["video"].X_test[:2]
    mask = np.zeros(X.shape, dtype=bool)
    mask[:, 3:] = True
    filled = fitted["video"].inpaint(X, mask)
    np.testing.assert_array_equal(filled[~mask], X[~mask])
    np.testing.assert_array_equal(fitted["video"].inpaint(X, mask[:, :, 0]), filled)


def test_texts_have_nothing_to_fill(splits, fitted):
    with pytest.raises(DataError, match="texts have no cells or pixels to mask"):
        fitted["text"].inpaint(splits["text"].X_test[:2], [True, False])


def test_inpainting_a_table(table_split):
    det = DefectDetector(epochs=60, corruption="mask", random_state=0).fit(table_split.X_train)
    X = table_split.X_test[:60].copy()
    mask = np.zeros(X.shape, dtype=bool)
    mask[:, 2] = True
    filled = det.inpaint(np.where(mask, np.nan, X), mask)
    np.testing.assert_array_equal(filled[~mask], X[~mask])
    error = np.abs(filled - X)[:, 2].mean()
    assert error < np.abs(np.median(table_split.X_train[:, 2]) - X[:, 2]).mean()


def test_made_rows_have_the_types_of_the_table(typed_frame, tmp_path):
    frame, det = typed_frame
    det.save(tmp_path / "m.blemish")
    for model in (det, load(tmp_path / "m.blemish")):
        made = model.sample(40, random_state=0)
        assert made.dtypes.drop("grade").to_dict() == frame.dtypes.drop(["id", "grade"]).to_dict()
        assert made.dtypes["grade"].name == "category"
        for name in ("kind", "even", "grade"):
            assert set(made[name]) <= set(frame[name])
    np.testing.assert_array_equal(det.reconstruct(frame[:5]).index, frame.index[:5])


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_made_rows_have_the_types_of_other_libraries(library, typed_frame):
    import polars as pl

    table = pa.Table.from_pandas(typed_frame[0].drop(columns="id"), preserve_index=False)
    frame: Any = table if library == "pyarrow" else pl.from_arrow(table)
    det: Any = DefectDetector(modality={"name": "tabular", "use": ["when"]}, epochs=1, random_state=0).fit(frame)
    assert det.sample(5, random_state=0).schema == frame.schema
    mask = np.zeros(frame.shape, dtype=bool)
    mask[:9, [name != "when" for name in typed_frame[0].columns.drop("id")]] = True  # no time is filled in
    filled: Any = det.inpaint(frame, mask)
    assert filled.schema == frame.schema
    assert filled[9:].equals(frame[9:])
    assert not filled[:9].equals(frame[:9])


def test_cells_of_a_frame_are_filled_by_what_follows_from_the_others(typed_frame):
    import pandas as pd

    frame, det = typed_frame
    holes = frame.copy().astype({"count": float, "kind": object})
    holes.loc[holes.index[:60], ["count", "kind"]] = None
    mask = holes[["kind", "count"]].isna()  # some of the columns, in another order
    filled = det.inpaint(holes, mask)
    pd.testing.assert_frame_equal(filled.drop(columns=["count", "kind"]), frame.drop(columns=["count", "kind"]))
    assert list(filled.columns) == list(frame.columns)
    assert (filled["kind"] == frame["kind"]).mean() > 0.95
    assert (filled["count"] - frame["count"]).abs().mean() < 0.2
    cells = np.zeros(frame.shape, dtype=bool)
    cells[:60, [1, 4]] = True
    pd.testing.assert_frame_equal(det.inpaint(holes, cells), filled)
    pd.testing.assert_frame_equal(det.inpaint(frame, np.zeros(frame.shape, dtype=bool)), frame)
    strange = frame.assign(kind="never seen")
    assert set(det.inpaint(strange, mask[["count"]])["kind"]) == {"never seen"}


@pytest.mark.parametrize("form", ["pandas", "polars", "pyarrow", "numpy"])
def test_whole_numbers_that_no_double_holds_come_back(form):
    import pandas as pd
    import polars as pl

    rng = np.random.default_rng(0)
    columns = {"id": 2**60 + rng.integers(0, 1000, 60), "b": rng.integers(0, 9, 60)}
    columns["id"][:30] = 2**60 + 1 + 2 * np.arange(30)  # odd: none of them is a double
    make: Any = {
        "pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table,
        "numpy": lambda named: np.column_stack(list(named.values())),
    }[form]  # fmt: skip
    X, mask = make(columns), np.zeros((60, 2), dtype=bool)
    mask[40:] = True
    filled: Any = DefectDetector(epochs=1, random_state=0).fit(X).inpaint(X, mask)
    ids = filled[:, 0] if form == "numpy" else np.asarray(filled["id"])
    assert ids.dtype == np.int64
    np.testing.assert_array_equal(ids[:40], columns["id"][:40])
    assert (ids[40:] != columns["id"][40:]).any()


def test_bad_masks_of_a_table_are_refused(typed_frame):
    import pandas as pd

    frame, det = typed_frame
    for mask, message in [
        (np.zeros((300, 10), dtype=bool), r"the mask has shape \(300, 10\), the table \(300, 11\)"),
        (np.ones((300, 11), dtype=bool), "column.s. 'id', 'when' cannot be filled in: not known to the model"),
        (np.full((300, 11), 2.5), "the mask holds float64 values; give booleans"),
        (pd.DataFrame({"speed": [True] * 300}), "the mask has column.s. 'speed' that are not in the table"),
        (pd.DataFrame({"count": [True] * 9}), "the mask has 9 rows, the table 300"),
        (pd.DataFrame({"count": [None, True] * 150}), "the mask holds object values; give booleans"),
        ([[True], [True, False]], "the mask is ragged"),
    ]:
        with pytest.raises(DataError, match=message):
            det.inpaint(frame, mask)


def test_reconstructed_frames_keep_columns_and_categories(mixed_frame):
    det = DefectDetector(epochs=30, random_state=0).fit(mixed_frame)
    made = det.sample(50, random_state=0)
    assert list(made.columns) == list(mixed_frame.columns)
    assert set(made["kind"].dropna()) <= {"a", "b", "c"}
    assert made["hot"].dtype == bool


def test_names_of_columns_may_be_numbers(table_split):
    X = pd.DataFrame(np.asarray(table_split.X_train)[:60])
    det = DefectDetector(epochs=1, random_state=0).fit(X)
    assert det.outlier_score(X).shape == (60,)
    mask = np.zeros(X.shape, dtype=bool)
    mask[0, 1] = True
    made = det.inpaint(X, mask)
    assert made.columns.tolist() == X.columns.tolist()
    assert (made != X).to_numpy().sum() == 1


def test_p_values_are_valid(table_split):
    many = ring(n_normal=1500, n_test=1000)
    normals, fresh = many.X_train[:1500], many.X_test[many.group_test == "normal"]
    det = DefectDetector(epochs=5, random_state=0).fit(normals)
    p = det.p_values(fresh)
    assert ((p > 0) & (p <= 1)).all()
    for level in (0.05, 0.1, 0.2, 0.5):
        assert (p <= level).mean() <= level + 3 * (level * (1 - level) * (1 / 300 + 1 / 1000)) ** 0.5
    chosen = det.select(table_split.X_test, fdr=0.1)
    assert chosen[table_split.group_test == "other"].mean() > 0.9
    assert (chosen & (table_split.group_test == "normal")).sum() <= 0.2 * chosen.sum()
    with pytest.raises(ConfigError, match="fdr=1.5 must lie strictly between 0 and 1"):
        det.select(fresh, fdr=1.5)
    with pytest.raises(DataError, match="p-values need held-out rows; fit on at least 100"):
        DefectDetector(epochs=1, random_state=0).fit(normals[:30]).p_values(fresh)


def test_thresholds_reach_their_target(table_split, trained_detector):
    det = copy(trained_detector)
    normal = table_split.X_test[table_split.group_test == "normal"]
    det.set_threshold(false_positive_rate=0.05)
    assert (det.predict(normal) == "defect").mean() < 0.2
    cut = det.threshold_
    assert det.set_threshold(budget=10).threshold_ < cut
    assert det.promise_.estimate == pytest.approx(10, abs=1.5)
    found = det.set_threshold(recall=0.5).promise_
    assert (found.target, found.value, found.threshold, found.n) == ("recall", 0.5, det.threshold_, 8)
    assert found.low < 0.5 < found.estimate < found.high
    assert det.set_threshold(contamination=0.1).promise_.estimate == pytest.approx(0.1, abs=0.02)
    with pytest.raises(
        DataError, match="recall=0.9 needs at least 9 labelled defects, there are 8; 8 support at most recall=0.88"
    ):
        det.set_threshold(recall=0.9)
    with pytest.raises(DataError, match="precision needs rows labelled 'other' or 'normal'"):
        det.set_threshold(precision=0.9)
    with pytest.raises(ConfigError, match="give exactly one of recall, precision"):
        det.set_threshold()
    with pytest.raises(ConfigError, match="got recall, budget"):
        det.set_threshold(recall=0.5, budget=3)
