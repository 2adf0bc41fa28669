"""Rows on disk come once each, in random order."""

import numpy as np
import torch

from blemish.training.rows import ShardedRows


def test_rows_on_disk_come_once_each_in_random_order(tmp_path):
    x = np.arange(5000, dtype=np.float32).reshape(1000, 5)
    path = tmp_path / "rows"
    for part in np.split(x, [10, 700]):
        ShardedRows.append(path, part)
    rows = ShardedRows(path, (5,), torch.device("cpu")).only(np.arange(0, 1000, 2))
    wanted = np.ones(500, dtype=bool)
    wanted[[0, 7]] = False
    orders = []
    for seed in (0, 0, 1):
        generator, numbers = torch.Generator().manual_seed(seed), []
        for batch, places in rows.shuffled(wanted, [100, 100, 100, 100, 98], generator):
            assert torch.equal(batch, torch.from_numpy(x[::2])[places])
            numbers += places.tolist()
        assert sorted(numbers) == np.flatnonzero(wanted).tolist()
        orders.append(numbers)
    assert orders[0] == orders[1] != orders[2]
    assert abs(np.corrcoef(orders[0], np.arange(498))[0, 1]) < 0.5
    assert rows[torch.tensor([3, 1])][:, 0].tolist() == [30.0, 10.0]
