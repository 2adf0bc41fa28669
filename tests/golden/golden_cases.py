"""Small models by the public contract alone, and everything that they say: what the golden tests compare."""

import importlib.metadata
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from threadpoolctl import threadpool_info

from blemish import DefectDetector, load
from blemish.datasets import ring, tiles
from blemish.runtime import Runtime

torch.set_num_threads(1)

FOLDER = Path(__file__).resolve().parent
SCORES = ("outlier_score", "defect_score", "predict_proba", "decision_function", "predict", "p_values", "encode")
N_ORDINARY = 104
"""Rows of a fit without a label: from 100 on some are held out, so there are p-values."""
N_EXPLAINED = 2
TOPICS = {
    "normal": "profit quarter revenue shares dividend earnings net sales growth company",
    "defect": "crude oil barrel refinery drilling tanker opec output pipeline well",
    "wheat": "wheat harvest tonnes crop farm grain silo drought corn export",
    "rates": "bank interest lending treasury yield bond repo rate discount money",
}
SHARED = "the market said on monday that prices year expected report"


def fingerprint():
    """What has to be equal for scores to be equal to the bit; threads of OpenMP and BLAS, too: OMP_NUM_THREADS=1."""
    info = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*:\s*(.*)", info.read_text()) if info.is_file() else []
    packages = ("torch", "numpy", "scipy", "scikit-learn", "onnxruntime")
    return {
        "processor": models[0] if models else "unknown",
        **{name: importlib.metadata.version(name) for name in packages},
        "threads": max([torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())]),
    }


# Data ------------------------------------------------------------------------------------------------------------


def labels(n, **given):
    """None for most rows; `given` says how many of a group come last, in this order."""
    words = [word for word, many in given.items() for _ in range(many)]
    return np.array([None] * (n - len(words)) + words, dtype=object)


def mixed_frame(n, rng, leaks=0, jams=0):
    """A machine's log: numbers, categories, booleans, gaps. The last rows leak (the defect) or are jammed."""
    total = n + leaks + jams
    speed, hot = rng.normal(10, 2, total), rng.random(total) < 0.2
    kind = rng.choice(["a", "b", "c"], total).astype(object)
    speed[n : n + leaks] += 7
    kind[n : n + leaks] = "c"
    speed[n + leaks :] -= 7
    load = np.where(rng.random(total) < 0.1, np.nan, rng.exponential(3, total) + speed / 5)
    kind[3] = None
    return pd.DataFrame(
        {
            "speed": speed,
            "load": load,
            "kind": kind,
            "site": pd.Categorical(rng.choice(["north", "south"], total)),
            "hot": hot,
            "count": rng.integers(0, 9, total),
            "constant": 1.0,
        },
        index=[f"part {i}" for i in range(total)],
    )


def moving_squares(step, n, rng, side=16, frames=5):
    """Clips of a bright square that moves by (down, right) pixels a frame; None: it jumps about."""
    clips = np.full((n, frames, 1, side, side), 40, dtype=np.uint8)
    for clip in clips:
        start = rng.integers(0, side, 2)
        for t in range(frames):
            place = rng.integers(0, side, 2) if step is None else start + t * np.array(step)
            clip[t, 0][np.ix_((place[0] + np.arange(5)) % side, (place[1] + np.arange(5)) % side)] = 200
    return clips


def texts(topic, n, rng):
    """Sentences without grammar about one topic."""
    words = TOPICS[topic].split(), SHARED.split()
    return [" ".join([*rng.choice(words[0], 12), *rng.choice(words[1], 12)]) for _ in range(n)]


def table_data():
    """A frame with categories, gaps and booleans; all three groups are labelled."""
    rng = np.random.default_rng(0)
    frame = mixed_frame(N_ORDINARY + 2, rng, leaks=8, jams=2)
    return frame, labels(len(frame), normal=2, defect=8, other=2), mixed_frame(14, rng, leaks=6, jams=4)


def numbers_data():
    """An array of numbers."""
    split = ring(n_normal=100, n_test=8, n_features=5)
    return split.X_train, split.y_train, split.X_test


def pictures_data():
    """Grey pictures."""
    split = tiles(n_normal=100, n_test=4, side=16)
    return split.X_train, split.y_train, split.X_test


def clips_data():
    """Clips of five frames."""
    rng = np.random.default_rng(0)
    X = np.concatenate([moving_squares((0, 1), N_ORDINARY, rng), moving_squares((1, 0), 8, rng)])
    X_test = np.concatenate([moving_squares(step, 4, rng) for step in ((0, 1), (1, 0), (0, 0), None)])
    return X, labels(len(X), defect=8), X_test


def texts_data():
    """Strings."""
    rng = np.random.default_rng(0)
    X = np.array(texts("normal", N_ORDINARY, rng) + texts("defect", 8, rng), dtype=object)
    X_test = np.array([text for topic in TOPICS for text in texts(topic, 4, rng)], dtype=object)
    return X, labels(len(X), defect=8), X_test


CASES = {
    "tabular": (table_data, True, {"epochs": 2}),
    "tabular_unlabelled": (table_data, False, {"epochs": 2}),
    "tabular_latent": (numbers_data, True, {"epochs": 3, "scorer": "latent"}),
    "tabular_reconstruction": (numbers_data, True, {"epochs": 3, "scorer": "reconstruction"}),
    "image": (pictures_data, True, {"epochs": 1}),
    "image_latent": (pictures_data, True, {"epochs": 2, "scorer": "latent"}),
    "video": (clips_data, True, {"epochs": 2}),
    "text": (texts_data, True, {"epochs": 2}),
}
"""Case → its data, whether the labels are given, the detector's arguments."""
NOT_EXPORTED = ("image",)
"""Tracing the pretrained network of the ensemble's views takes 20 s; `image_latent` is exported."""


# What a model says -----------------------------------------------------------------------------------------------


def said(det, X):
    """All that a model says of rows, by method; defect scores only where defects were labelled."""
    return {name: getattr(det, name)(X) for name in SCORES if name != "defect_score" or det.training_["rows"]["defect"]}


def form(answer):
    """The kind, columns and first row names of an answer: what a caller relies on besides its numbers."""
    columns = [str(name) for name in getattr(answer, "columns", [])]
    index = [str(name) for name in getattr(answer, "index", [])][:3]
    return {"kind": type(answer).__name__, "columns": columns, "index": index, "name": getattr(answer, "name", None)}


def cell(value):
    """A value of an explanation for JSON: numbers to the bit, names and texts as they are."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    return repr(float(value)) if isinstance(value, (float, np.floating)) else str(value)


def explanation(frame):
    """Columns of `Explanation.to_frame()`; 'driver', which is prose, as the number of its first line."""
    found = {str(name): [cell(value) for value in frame[name]] for name in frame.columns}
    if "driver" in found:
        found["driver"] = [found["driver"].index(word) for word in found["driver"]]
    return found


def observe(case, folder):
    """Fit a case and ask it everything.

    Returns:
        Arrays by name, and facts for JSON.
    """
    data, labelled, arguments = CASES[case]
    X, y, X_test = data()
    det = DefectDetector(random_state=0, **arguments).fit(X, y if labelled else None)
    first = said(det, X_test)
    arrays = {name: np.asarray(answer) for name, answer in first.items()}
    arrays["encode"] = arrays["encode"][:4]
    arrays["thresholds"] = np.array([det.threshold_, det.outlier_threshold_])
    arrays["losses"] = np.array([value for record in det.history_ for value in record.terms.values()])
    arrays["reconstruct"] = of_numbers(det.reconstruct(X_test[:2]))
    facts = {
        "forms": {name: form(answer) for name, answer in first.items()},
        "explain": explanation(det.explain(X_test[-N_EXPLAINED:]).to_frame()),
        "explain_error": explanation(det.explain(X_test[-N_EXPLAINED:], by="error").to_frame(top=2)),
        "classes": det.classes_.tolist(),
        "rows": det.training_["rows"],
        "promise": repr(float(det.promise_.threshold)),
    }

    det.save(folder / f"{case}.blemish")
    loaded = load(folder / f"{case}.blemish")
    again = said(loaded, X_test)
    facts["loaded_equal"] = {name: bool(np.array_equal(first[name], again[name])) for name in first}
    facts["loaded_equal"]["threshold_"] = bool(loaded.threshold_ == det.threshold_)

    if case not in NOT_EXPORTED:
        det.export(folder / f"{case}.onnx", X_test)
        exported = Runtime(folder / f"{case}.onnx").scores(X_test)
        facts["outputs"] = sorted(exported)
        arrays |= {f"onnx.{name}": np.asarray(values) for name, values in exported.items()}

    more = y.copy() if labelled else np.full(len(y), None, dtype=object)
    more[[5, 11]] = "defect"
    det.refit(X, more)
    arrays["refit.outlier_score"] = np.asarray(det.outlier_score(X_test))
    arrays["refit.defect_score"] = np.asarray(det.defect_score(X_test))
    arrays["refit.predict_proba"] = np.asarray(det.predict_proba(X_test))
    arrays["refit.thresholds"] = np.array([det.threshold_, det.outlier_threshold_])
    facts["refit_rows"] = det.training_["rows"]
    return {name: plain(values) for name, values in arrays.items()}, facts


def of_numbers(answer):
    """The columns of numbers of a frame, or an array as it is."""
    if isinstance(answer, pd.DataFrame):
        return answer.select_dtypes("number").to_numpy(dtype=np.float64)
    return np.asarray(answer)


def plain(values):
    """An array that an NPZ file holds without pickle: strings have a width."""
    return values.astype(str) if values.dtype.kind in "OU" else values


# Expectations ----------------------------------------------------------------------------------------------------


def expected(case):
    """Arrays and facts that were written for a case."""
    with np.load(FOLDER / "expected" / f"{case}.npz") as file:
        arrays = {name: file[name] for name in file.files}
    return arrays, json.loads((FOLDER / "expected" / f"{case}.json").read_text())


def same_machine(folder):
    """Whether this is the machine, and these the versions, that the folder's files were written by."""
    return json.loads((FOLDER / folder / "machine.json").read_text()) == fingerprint()


def order_agrees(found, wanted, least=0.95):
    """Whether two scores rank alike; a constant one has no ranking."""
    if np.ptp(found) == 0 or np.ptp(wanted) == 0:
        return bool(np.allclose(found, wanted, rtol=1e-3, atol=1e-3))
    return float(np.corrcoef(rankdata(found), rankdata(wanted))[0, 1]) >= least
