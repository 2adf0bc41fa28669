"""Normal samples of each kind of data, labelled defects, and samples that are far from all of them."""

import numpy as np
import pandas as pd

WORDS = "profit quarter revenue shares dividend earnings net sales growth company"
OIL = "crude oil barrel refinery drilling tanker opec output pipeline well"
COMMON = "the market said on monday that prices year expected report in was a so man"
GERMAN = "die kuh war so alt wie der mann in dem haus und das feld lag im nebel man sah es kaum"


def table(n, rng):
    """A press log: pressure, temperature and flow go together, a vibration has a heavy tail, two categories."""
    load = rng.normal(size=n)
    return pd.DataFrame(
        {
            "pressure": 5 + 0.3 * load + rng.normal(0, 0.05, n),
            "temperature": 60 + 2 * load + rng.normal(0, 0.5, n),
            "flow": 12 - 0.8 * load + rng.normal(0, 0.2, n),
            "vibration": rng.lognormal(0, 0.5, n),
            "count": rng.poisson(20, n).astype(float),
            "station": rng.choice(["A", "B", "C"], n),
            "shift": rng.choice(["early", "late"], n, p=[0.8, 0.2]),
        }
    )


def leaking(n, rng):
    """Rows of low pressure and high flow."""
    rows = table(n, rng)
    return rows.assign(pressure=rng.normal(3.8, 0.1, n), flow=rng.normal(15, 0.3, n))


def far_rows(normal, rng):
    """Rows that are far from a table."""
    numbers, typical = list(normal.select_dtypes("number")), table(300, rng)
    shuffled = normal.copy()
    shuffled[numbers] = np.stack(
        [np.roll(row, 1 + i % (len(numbers) - 1)) for i, row in enumerate(normal[numbers].to_numpy())]
    )
    high = {name: normal[name].max() + 2 * np.ptp(typical[name]) for name in numbers}
    made = {
        "constant": normal.assign(**dict.fromkeys(numbers, 0.0)),
        "noise": normal.assign(**{name: rng.uniform(-1e3, 1e3, len(normal)) for name in numbers}),
        "negative": normal.assign(**{name: -normal[name] for name in numbers}),
        "shuffled": shuffled,
        "times 10": normal.assign(**{name: 10 * normal[name] for name in numbers}),
        "unseen": normal.assign(station="Z", shift="never"),
        "missing": normal.assign(**dict.fromkeys(numbers, np.nan)),
    }
    made |= {f"dead {name}": normal.assign(**{name: np.nan}) for name in numbers}
    return made | {f"frozen {name}": normal.assign(**{name: value}) for name, value in high.items()}


def pictures(n, rng):
    """A grey part with a bar and a hole."""
    x = np.full((n, 1, 32, 48), 40.0)
    x[..., 4:12, 4:44] = 190
    x[..., 20:28, 10:20] = 120
    return np.clip(x + rng.normal(0, 6, x.shape) + rng.normal(0, 4, (n, 1, 1, 1)), 0, 255).astype(np.uint8)


def marked(n, rng):
    """Parts with a bright mark."""
    x = pictures(n, rng)
    x[..., 22:26, 30:38] = 240
    return x


def clips(n, rng, step=(0, 1)):
    """Clips of a bright square that moves."""
    x = np.full((n, 6, 1, 16, 16), 40.0)
    for clip in x:
        start = rng.integers(0, 16, 2)
        for t in range(6):
            place = start + t * np.array(step)
            clip[t, 0][np.ix_((place[0] + np.arange(5)) % 16, (place[1] + np.arange(5)) % 16)] = 200
    return np.clip(x + rng.normal(0, 3, x.shape), 0, 255).astype(np.uint8)


def far_pixels(normal, rng):
    """Pictures or clips that are far from what a camera took."""
    shuffled = normal.reshape(len(normal), -1).copy()
    for row in shuffled:
        rng.shuffle(row)
    return {
        "black": np.zeros_like(normal),
        "grey": np.full_like(normal, 128),
        "white": np.full_like(normal, 255),
        "noise": rng.integers(0, 256, normal.shape).astype(np.uint8),
        "negative": 255 - normal,
        "shuffled": shuffled.reshape(normal.shape),
        "times 10": np.clip(10.0 * normal, 0, 255).astype(np.uint8),
    }


def texts(n, rng, words=WORDS):
    """Texts about profits."""
    return [" ".join([*rng.choice(words.split(), 12), *rng.choice(COMMON.split(), 12)]) for _ in range(n)]


def far_texts(normal, rng):
    """Texts of another language, of no language, and empty ones."""
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    return {
        "empty": [""] * len(normal),
        "blank": [" \n "] * len(normal),
        "foreign": [" ".join(rng.choice(GERMAN.split(), 24)) for _ in normal],
        "another script": ["это просто другой язык и ничего больше"] * len(normal),
        "noise": ["".join(rng.choice(letters, 60)) for _ in normal],
        "shuffled": [" ".join("".join(rng.permutation(list(word))) for word in text.split()) for text in normal],
        "numbers": [" ".join(map(str, rng.integers(0, 10**6, 20))) for _ in normal],
    }


N_FAR = 3  # samples of each sort

KINDS = {
    "tabular": (table, leaking, far_rows),
    "image": (pictures, marked, far_pixels),
    "video": (clips, lambda n, rng: clips(n, rng, step=(1, 0)), far_pixels),
    "text": (texts, lambda n, rng: texts(n, rng, OIL), far_texts),
}
"""By modality: normal samples, defects, and from normal samples the far ones by name."""
