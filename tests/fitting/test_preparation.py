"""Samples of a stream: uniform, or every k-th row."""

import numpy as np
import pyarrow as pa

from blemish.fitting.preparation import EvenSample, RandomSample


def test_a_sample_of_a_stream_is_uniform_and_complete_where_it_fits():
    counts = np.zeros(600)
    for seed in range(300):
        sample = RandomSample(60, np.random.default_rng(seed))
        for start in range(0, 600, 50):
            sample.add(pa.table({"row": np.arange(start, start + 50)}))
        kept = sample.kept()["row"].to_numpy()
        assert len(kept) == 60
        assert (np.diff(kept) > 0).all()
        counts[kept] += 1
    assert abs(counts.reshape(6, 100).sum(1) / 3000 - 1).max() < 0.15
    small = RandomSample(60, np.random.default_rng(0))
    small.add(pa.table({"row": [1, 2, 3]}))
    assert small.kept()["row"].to_pylist() == [1, 2, 3]


def test_a_thinned_stream_is_the_rows_that_slicing_gives():
    for n, most in ((10, 100), (100, 10), (101, 10)):
        some = EvenSample(n, most)
        for start in range(0, n, 7):
            some.add(np.arange(start, min(start + 7, n)))
        assert some.kept().tolist() == list(range(n))[:: max(1, -(-n // most))]
