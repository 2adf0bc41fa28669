"""What a batch contains."""

import pytest
import torch

from blemish.core.errors import DataError
from blemish.core.labels import DEFECT, OTHER, is_ordinary
from blemish.losses import LOSSES
from blemish.training.augmentation import Synthetic
from blemish.training.batches import Plan, TrainingData
from blemish.training.loop import train
from training_examples import CONTRASTS, MARGIN, MSE, batches_of, data, generator, network


@pytest.mark.parametrize("n_defects", [1, 2, 30])
def test_every_batch_of_a_contrast_holds_labelled_defects(n_defects):
    groups = batches_of(Plan(epochs=2, batch_size=16), data(n_defects=n_defects, n_others=1))
    assert len(groups) == 2 * 3
    for group in groups:
        assert (group == DEFECT).sum() == 4
        assert (group == OTHER).sum() == 4


def test_synthetic_outliers_join_as_others():
    plan = Plan(epochs=1, batch_size=10, synthesise=lambda x, g, b: Synthetic(x + 100))
    for group in batches_of(plan, data()):
        assert (group == OTHER).sum() == 10


def test_rows_as_they_came_have_a_pace_of_1_and_labelled_ones_have_none():
    seen = []

    class Spy(LOSSES["pace"]):
        def __call__(self, batch, out):
            seen.append((batch.group, batch.pace))
            return super().__call__(batch, out)

    plan = Plan(epochs=1, batch_size=10, synthesise=lambda x, g, b: Synthetic(x + 100, x.new_full((len(x),), 0.5)))
    list(train(network(), data(n_others=2), [MSE, Spy()], plan, generator()))
    for group, pace in seen:
        made = torch.arange(len(group)) >= len(group) - 10
        assert (pace[made] == 0.5).all()
        assert (pace[is_ordinary(group)] == 1).all()
        assert pace[~made & ~is_ordinary(group)].isnan().all()


def test_one_labelled_defect_makes_pairs_of_its_own_augmented_rows():
    seen = []

    class Spy(LOSSES["info_nce"]):
        def __call__(self, batch, out):
            defect = batch.group == DEFECT
            seen.append((batch.x[defect], out.z[defect]))
            return super().__call__(batch, out)

    plan = Plan(epochs=1, batch_size=16, augmentation=lambda x, g, b: x + torch.randn(x.shape, generator=g))
    list(train(network(), data(n_defects=1), [MSE, Spy()], plan, generator()))
    for x, z in seen:
        assert len(x) == 4
        assert len(x.unique(dim=0)) == 1
        assert len(z.unique(dim=0)) == 4


@pytest.mark.parametrize("fraction", [0.01, 0.25])
@pytest.mark.parametrize("name", CONTRASTS)
def test_a_contrastive_vae_trains_with_one_defect_in_a_batch(name, fraction):
    terms = [MSE, LOSSES["kl"](), CONTRASTS[name]()]
    plan = Plan(epochs=30, batch_size=16, labelled_fraction=fraction)
    groups = []

    class Spy(CONTRASTS[name]):
        def __call__(self, batch, out):
            groups.append(batch.group)
            return super().__call__(batch, out)

    records = list(train(network("variational"), data(n_defects=1), [*terms[:-1], Spy()], plan, generator()))
    assert {int((group == DEFECT).sum()) for group in groups} == {1 if fraction < 0.1 else 4}
    assert records[-1].total < records[0].total


def test_terms_that_want_no_augmentation_get_none():
    plan = Plan(
        epochs=1,
        batch_size=10,
        synthesise=lambda x, g, b: Synthetic(x + 100),
        augmentation=lambda x, g, b: x * float("nan"),
    )
    for group in batches_of(plan, data(), (MSE, LOSSES["mean_distance"]())):
        assert not (group == OTHER).any()


def test_every_row_is_seen_once_an_epoch():
    rows = TrainingData(torch.arange(37.0).unsqueeze(1), torch.zeros(37, dtype=torch.long))
    seen = []

    class Spy(LOSSES["mse"]):
        def __call__(self, batch, out):
            seen.extend(batch.x[:, 0].tolist())
            return super().__call__(batch, out)

    list(train(network(width=1), rows, [Spy()], Plan(epochs=1, batch_size=8), generator()))
    assert sorted(seen) == list(range(37))


@pytest.mark.parametrize("n", [1, 2, 7])
def test_fewer_rows_than_a_batch_are_trained(n):
    model = network()
    before = [p.clone() for p in model.parameters()]
    list(train(model, data(n=n), [MSE, MARGIN], Plan(epochs=1, batch_size=64), generator()))
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_no_row_is_refused():
    with pytest.raises(DataError, match="no unlabelled or normal row"):
        next(train(network(), data(n=0), [MSE], Plan(), generator()))
    with pytest.raises(DataError, match="no unlabelled or normal row"):
        next(train(network(), data(n=0, n_defects=0), [MSE], Plan(), generator()))
