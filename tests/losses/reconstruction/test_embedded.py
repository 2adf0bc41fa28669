"""A perfect loss on learnable vectors can mean that nothing was learnt."""

import numpy as np
import pandas as pd

from blemish import DefectDetector


def test_reconstructing_learnable_vectors_makes_them_collapse():

    rng = np.random.default_rng(0)  # more categories than one number can carry
    frame = pd.DataFrame({name: rng.choice(list("uvwxyz"), 300) for name in "abc"})
    spread, loss, right = {}, {}, {}
    for name in ("typed", "embedded"):
        det = DefectDetector(
            backbone={"name": "mlp", "widths": [16]}, losses=[name], latent_dim=1, lr=1e-2, epochs=25, batch_size=30,
            scorer="reconstruction", random_state=0,
        ).fit(frame)  # fmt: skip
        vectors = det.fitted_.model.network.vectors or ()
        spread[name] = sorted(float(one.detach()[1:].std(dim=0).max()) for one in vectors)
        loss[name] = det.history_[-1].total
        right[name] = float((det.reconstruct(frame) == frame).to_numpy().mean())
    assert spread["embedded"][1] < 0.01  # in two of the three columns all categories have become one
    assert spread["typed"][0] > 0.3
    assert loss["embedded"] < 1e-4  # a perfect loss, and nothing learnt: chance is 0.17
    assert right["embedded"] < 0.3 < 0.4 < right["typed"]
