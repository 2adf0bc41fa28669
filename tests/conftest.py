"""Shared by all tests: one thread, small data of each kind, and small fitted detectors."""

import os
from contextlib import contextmanager, nullcontext
from functools import wraps

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from blemish import DefectDetector
from blemish.core.errors import DataWarning
from blemish.datasets import Split, ring, tiles
from blemish.presets import PRESETS
from blemish.scoring.experts import trees
from blemish.scoring.experts.growing import extra_trees
from browser import launched

collect_ignore = ["fuzz/guided.py"]  # it needs atheris, which no one has by default

torch.set_num_threads(1)
os.environ["BLEMISH_CACHE"] = "off"  # no test writes to the folder of the person who runs it


@pytest.fixture(scope="module")
def browser():
    """Headless chromium, see `browser.visit`."""
    with launched() as found:
        yield found


@contextmanager
def ten_trees():
    """Forests of ten trees: nine tenths of a fit with labels are scikit-learn's overhead per tree.

    For tests of what does not depend on how good a forest is: shapes, equal bits, inputs left alone, files, messages.
    """

    def few(whole):
        @wraps(whole)
        def fit(self, *arguments, **options):
            self.n_estimators = min(self.n_estimators, 10)
            return whole(self, *arguments, **options)

        return fit

    with pytest.MonkeyPatch.context() as patch:
        for forest in (ExtraTreesClassifier, RandomForestClassifier):
            patch.setattr(forest, "fit", few(forest.fit))
        patch.setattr(trees, "extra_trees", lambda x, y, w, n, *rest: extra_trees(x, y, w, min(n, 10), *rest))
        yield


@pytest.fixture
def few_trees(request):
    """See `ten_trees`; a fixture of a module uses that, so that no test after it is changed. Simulations fit all trees."""
    whole = any(request.node.get_closest_marker(name) for name in ("all_trees", "slow"))
    with nullcontext() if whole else ten_trees():
        yield


@pytest.fixture(scope="session")
def table_split():
    return ring(n_normal=300, n_test=60)


@pytest.fixture(scope="session")
def image_split():
    return tiles(n_normal=120, n_test=20, side=20)


def moving_squares(step, n, rng, side=16, frames=7):
    """Clips of a bright square that moves by (down, right) pixels a frame; None: it jumps about."""
    clips = np.full((n, frames, 1, side, side), 40, dtype=np.uint8)
    for clip in clips:
        start = rng.integers(0, side, 2)
        for t in range(frames):
            place = rng.integers(0, side, 2) if step is None else start + t * np.array(step)
            clip[t, 0][np.ix_((place[0] + np.arange(5)) % side, (place[1] + np.arange(5)) % side)] = 200
    return clips


@pytest.fixture(scope="session")
def video_split():
    """Normal squares move right; the defect moves down; others stand still or jump."""
    rng = np.random.default_rng(0)
    kinds = {"normal": (0, 1), "defect": (1, 0), "still": (0, 0), "jumping": None}
    groups = ["normal", "defect", "other", "other"]
    return Split(
        np.concatenate([moving_squares(kinds["normal"], 120, rng), moving_squares(kinds["defect"], 8, rng)]),
        np.array([None] * 120 + ["defect"] * 8, dtype=object),
        np.concatenate([moving_squares(step, 12, rng) for step in kinds.values()]),
        np.repeat(groups, 12),
        np.repeat(list(kinds), 12),
    )


TOPICS = {
    "normal": "profit quarter revenue shares dividend earnings net sales growth company",
    "defect": "crude oil barrel refinery drilling tanker opec output pipeline well",
    "wheat": "wheat harvest tonnes crop farm grain silo drought corn export",
    "rates": "bank interest lending treasury yield bond repo rate discount money",
}


@pytest.fixture(scope="session")
def text_split():
    """Normal texts are about profits, the defect about oil; others about wheat or rates."""
    rng = np.random.default_rng(0)

    def texts(kind, n):
        shared = ["the", "market", "said", "on", "monday", "that", "prices", "year", "expected", "report"]
        return [" ".join([*rng.choice(TOPICS[kind].split(), 12), *rng.choice(shared, 12)]) for _ in range(n)]

    return Split(
        np.array(texts("normal", 120) + texts("defect", 8), dtype=object),
        np.array([None] * 120 + ["defect"] * 8, dtype=object),
        np.array([text for kind in TOPICS for text in texts(kind, 12)], dtype=object),
        np.repeat(["normal", "defect", "other", "other"], 12),
        np.repeat(list(TOPICS), 12),
    )


PICTURES = ("conv", "conv_nearest")  # the other presets take a table where they do not say


def modality_of(preset):
    """The kind of data that a preset is tried on."""
    modality = PRESETS[preset].arguments.get("modality", "image" if preset in PICTURES else "tabular")
    return modality["name"] if isinstance(modality, dict) else modality


@pytest.fixture(scope="session")
def splits(table_split, image_split, video_split, text_split):
    """One small data set for each modality, by name; a new modality needs one here."""
    return {"tabular": table_split, "image": image_split, "video": video_split, "text": text_split}


@pytest.fixture(scope="session")
def table_detector(table_split):
    return DefectDetector(epochs=30, random_state=0).fit(table_split.X_train, table_split.y_train)


@pytest.fixture(scope="session")
def trained_detector(table_split):
    """The table's, trained for long enough to rank well; change a copy only."""
    return DefectDetector(epochs=60, random_state=0).fit(table_split.X_train, table_split.y_train)


class Fitted(dict):
    """Small detectors by the name of their modality, each fitted when it is first asked for; change a copy only."""

    def __init__(self, splits):
        super().__init__()
        self.splits = splits

    def __missing__(self, name):
        split = self.splits[name]
        with ten_trees():  # whichever test asks first: the same forests for all
            self[name] = DefectDetector(epochs=3, random_state=0).fit(split.X_train, split.y_train)
        return self[name]


@pytest.fixture(scope="session")
def fitted(splits):
    """See `Fitted`."""
    return Fitted(splits)


@pytest.fixture(scope="session")
def mixed_frame():
    rng = np.random.default_rng(0)
    n = 120
    frame = pd.DataFrame(
        {
            "speed": rng.normal(10, 2, n),
            "load": np.where(rng.random(n) < 0.1, np.nan, rng.exponential(3, n)),
            "kind": rng.choice(["a", "b", "c"], n),
            "hot": rng.random(n) < 0.2,
            "constant": 1.0,
        },
        index=[f"part {i}" for i in range(n)],
    )
    frame.loc["part 3", "kind"] = None
    return frame


USES_WHEN = {"name": "tabular", "use": ["when"]}


@pytest.fixture(scope="session")
def typed_frame():
    """Columns of many types, and a detector fitted on them; 'double', 'kind', 'even' follow from 'count'."""
    rng = np.random.default_rng(0)
    n, count = 300, np.random.default_rng(1).integers(0, 6, 300)
    frame = pd.DataFrame(
        {
            "id": [f"part {i}" for i in range(n)],
            "count": count.astype(np.int16),
            "double": 2.0 * count,
            "single": rng.normal(size=n).astype(np.float32),
            "kind": np.array(["low", "middle", "high"])[count // 2],
            "even": count % 2 == 0,
            "grade": pd.Categorical(np.array(["a", "b"])[count // 3]),
            "when": pd.Timestamp("2024-01-01", tz="Europe/Berlin") + pd.to_timedelta(count, unit="D"),
            "took": pd.to_timedelta(60 * count, unit="s"),
            "maybe": pd.array([None if i % 9 == 0 else bool(c % 2) for i, c in enumerate(count)], dtype="boolean"),
            "score": pd.array([None if i % 7 == 0 else int(c) for i, c in enumerate(count)], dtype="Int64"),
        },
        index=[f"row {i}" for i in range(n)],
    )
    with pytest.warns(DataWarning, match="left out column.s. 'id'"):
        det = DefectDetector(modality=USES_WHEN, epochs=60, corruption="mask", random_state=0).fit(frame)
    return frame, det
