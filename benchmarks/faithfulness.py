"""Do explanations name what makes the score? Replace what they name by normal values, and see how far the score falls.

    python benchmarks/faithfulness.py ../shared/bench
    python benchmarks/faithfulness.py FOLDER --labels kind --normal normal --tasks leak --seeds 1 2 --named 1
    python benchmarks/faithfulness.py ../shared/bench --suite coin

FOLDER as for quality.py. For each task the true defects with the highest defect scores are explained. The elements that
the explanation names first are replaced: columns by those of training rows, regions of a picture by those of training
pictures (a mean over several), words are taken out. The same number of elements, drawn at random, are replaced in the
same way, and those that an explanation by reconstruction error names. The figures are falls of the defect score, in
nats. The replacements are other ones than the explanation tries itself: it holds no training rows.
"""

import re
from collections.abc import Callable, Iterable
from time import process_time
from typing import Any

import numpy as np

from blemish import DefectDetector
from blemish.explain.explanation import Explanation
from quality import Task, parser_of, tasks_of

NAMED, TRIES, DRAWS = 3, 5, 5
DEFAULT = (
    "targeted/nsl_kdd/satan",
    "targeted/ai4i2020/PWF",
    "targeted/cwru/IR_007_1",
    "targeted/fashion_mnist/8",
    "targeted/magnetic_tile/Blowhole",
    "targeted/reuters/crude",
    "targeted/reuters/interest",
)


def replaced(sample: Any, normal: Any, elements: list[str]) -> Any:
    """A sample with some named elements taken from a normal one.

    Args:
        sample: One row of a table (1, column), a picture (channel, height, width), or a text.
        normal: A normal one.
        elements: As `named` gives them.
    """
    if isinstance(sample, str):
        names = "|".join(map(re.escape, elements))
        return re.sub(rf"(?i)\b(?:{names})\b", " ", sample) if elements else sample
    if hasattr(sample, "columns"):
        copy = sample.copy()
        for name in {element.removesuffix(" (missing)") for element in elements}:
            copy[name] = normal[name].to_numpy()
        return copy
    copy = np.array(sample)
    if copy.ndim == 2 and copy.shape[0] == 1:  # a row of an array: columns x0, x1, …
        for element in elements:
            copy[:, int(element[1:])] = normal[:, int(element[1:])]
        return copy
    height, width = copy.shape[-2:]
    lent = _fitted_to(normal, height, width)
    for element in elements:
        *frames, x, y, across, down = map(int, re.findall(r"\d+", element))
        region = (*frames, ..., slice(y, y + down), slice(x, x + across))
        copy[region] = lent[region]
    return copy


def _fitted_to(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    rows = np.linspace(0, picture.shape[-2] - 1, height).round().astype(int)
    columns = np.linspace(0, picture.shape[-1] - 1, width).round().astype(int)
    return picture[..., rows[:, None], columns]


def one(X: Any, row: int) -> Any:
    """One sample, as `replaced` takes it."""
    if hasattr(X, "iloc"):
        return X.iloc[[row]]
    return X[row : row + 1] if isinstance(X, np.ndarray) and X.ndim == 2 else X[row]


def joined(samples: list[Any]) -> Any:
    """Samples as something that a detector scores."""
    if hasattr(samples[0], "columns"):
        import pandas as pd

        return pd.concat(samples, ignore_index=True)
    is_row = isinstance(samples[0], np.ndarray) and samples[0].ndim == 2 and samples[0].shape[0] == 1
    return np.concatenate(samples) if is_row else list(samples)


def falls_of(sample: Any, normals: list[Any], elements: list[str], ask: Callable[[Any], np.ndarray]) -> float:
    """Mean fall of the score over the normals that lend their values."""
    made = [replaced(sample, normal, elements) for normal in normals]
    scores = ask(joined([sample, *made]))
    return float(scores[0] - scores[1:].mean())


def named(explanation: Explanation, row: int, elements: Iterable[int]) -> list[str]:
    """Columns, words, or places in a picture with their boxes in its pixels."""
    boxes = explanation.boxes
    if boxes is None:
        return [explanation.elements[i] for i in elements]
    return [f"{explanation.elements[i]} {' '.join(map(str, boxes[row, i].tolist()))}" for i in elements]


def candidates(explanation: Explanation, row: int) -> list[str]:
    """Elements that could have been named: all columns or regions, or the words of the text."""
    seen = explanation.seen
    there = range(len(explanation.elements))
    if seen is not None and explanation.error_map.shape[1] != len(explanation.elements):
        there = [i for i in there if seen[row][i] > 0]
    return named(explanation, row, there)


def measure(task: Task, seed: int, hits: int, n_named: int) -> np.ndarray:
    """Falls of the defect score on one task by named, by badly reconstructed, and by random elements.

    Returns:
        A row a hit: the three falls, the score, and the processor seconds that its explanation took.
    """
    split = task.load(seed)
    det = DefectDetector(random_state=seed).fit(split.X_train, split.y_train)

    def ask(X: Any) -> np.ndarray:
        return np.asarray(det.defect_score(X))

    defects = np.flatnonzero(np.asarray(split.group_test) == "defect")
    mine = [one(split.X_test, int(row)) for row in defects]
    order = np.argsort(-ask(joined(mine)), kind="stable")[:hits]
    chosen = [mine[i] for i in order]
    start = process_time()
    by_score = det.explain(joined(chosen))
    seconds = (process_time() - start) / len(chosen)
    by_error = det.explain(joined(chosen), by="error")
    rng = np.random.default_rng(seed)
    usual = np.flatnonzero(np.asarray([word is None or word != word for word in split.y_train]))
    normals = [one(split.X_train, int(row)) for row in rng.choice(usual, TRIES, replace=False)]
    rows = []
    for row, sample in enumerate(chosen):
        first = named(by_score, row, by_score.worst(row, n_named))
        odd = named(by_error, row, by_error.worst(row, n_named))
        others = candidates(by_score, row)
        draws = [list(rng.choice(others, min(len(first), len(others)), replace=False)) for _ in range(DRAWS)]
        lent = normals[:1] if isinstance(sample, str) else normals
        drawn = float(np.mean([falls_of(sample, lent, some, ask) for some in draws]))
        rows.append((falls_of(sample, lent, first, ask), falls_of(sample, lent, odd, ask), drawn))
    scores = ask(joined(chosen))
    return np.column_stack([np.array(rows), scores, np.full(len(rows), seconds)])


def summary(found: np.ndarray) -> dict[str, str]:
    """Means over all hits of all seeds; the standard error is that of hits as if each was independent.

    Args:
        found: Rows from `measure`.
    """
    named, odd, drawn, score, seconds = found.T
    gain = named - drawn
    error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
    return {
        "hits": str(len(found)),
        "named": f"{named.mean():.2f}",
        "by error": f"{odd.mean():.2f}",
        "random": f"{drawn.mean():.2f}",
        "named - random": f"{gain.mean():.2f} ± {error:.2f}",
        "named above random": f"{(gain > 0).mean():.2f}",
        "score": f"{score.mean():.2f}",
        "CPU seconds a hit": f"{seconds.mean():.2f}",
    }


def main() -> None:
    """Print a table with a line for each task."""
    parser = parser_of(__doc__)
    parser.add_argument("--hits", type=int, default=10)
    parser.add_argument("--named", type=int, default=NAMED, help="elements to replace")
    given = parser.parse_args()
    first = True
    for task in tasks_of(parser, given, DEFAULT):
        found = summary(np.concatenate([measure(task, seed, given.hits, given.named) for seed in given.seeds]))
        if first:
            print("| task | " + " | ".join(found) + " |\n|---|" + "---:|" * len(found), flush=True)
            first = False
        print(f"| {task.name} | " + " | ".join(found.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
