"""Facts of each contrast."""

from dataclasses import replace

import pytest
import torch

import reference
from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED
from blemish.losses import LOSSES
from blemish.losses.contrast.cosine import cosine_contrast
from blemish.losses.contrast.margin import margin_contrast
from blemish.losses.contrast.mean_distance import mean_distance
from blemish.losses.contrast.sum_of_squares import sum_of_squares
from blemish.losses.contrast.triplet import triplet_contrast
from loss_examples import GROUPS, example


def test_sum_of_squares_in_single_precision_is_exact_far_from_the_origin():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(200, 8, generator=generator) + 1000
    z[180:] += 3
    group = torch.tensor([UNLABELLED] * 180 + [DEFECT] * 20)
    for cap in (None, 50.0):
        exact = float(sum_of_squares(z.double(), group, cap))
        assert float(sum_of_squares(z, group, cap)) == pytest.approx(exact, rel=1e-6)


def test_sum_of_squares_is_the_prototypes_sum_before_it_is_divided():
    batch, out = example(GROUPS["all groups"])
    for cap in (None, 2.0):
        expected = reference.sum_of_squares(out.z.numpy(), batch.group.numpy(), cap)
        assert float(sum_of_squares(out.z, batch.group, cap)) == pytest.approx(expected, rel=1e-12)


def test_mean_distance_counts_every_pair_of_normals_twice_as_the_prototype_does():
    z = torch.tensor([[0.0], [4.0]])
    assert float(mean_distance(z, torch.tensor([NORMAL, NORMAL]))) == 8.0


def test_margin_leaves_rows_beyond_the_margin_alone():
    z = torch.tensor([[0.0, 0.0], [5.0, 5.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(margin_contrast(z, torch.tensor([NORMAL, DEFECT])), z)
    assert not gradient.any()


def test_margin_does_not_depend_on_the_width_of_the_code():
    narrow, group = torch.tensor([[0.0], [0.3], [0.5]]), torch.tensor([NORMAL, DEFECT, DEFECT])
    torch.testing.assert_close(margin_contrast(narrow.repeat(1, 9), group), margin_contrast(narrow, group))


def test_margin_pushes_others_as_well_as_normals():
    z = torch.tensor([[0.0], [0.2]])
    assert margin_contrast(z, torch.tensor([OTHER, DEFECT])) == margin_contrast(z, torch.tensor([NORMAL, DEFECT])) > 0


def test_triplet_leaves_rows_beyond_the_margin_alone():
    z = torch.tensor([[0.0], [0.5], [1.7], [2.5]], requires_grad=True)
    (gradient,) = torch.autograd.grad(triplet_contrast(z, torch.tensor([DEFECT, DEFECT, NORMAL, OTHER])), z)
    assert gradient[3] == 0
    assert gradient[2] < 0  # the loss falls as it moves away


@pytest.mark.parametrize("name", ["info_nce", "cosine"])
def test_angles_do_not_depend_on_the_length_of_codes(name):
    batch, out = example(GROUPS["no others"])
    longer = replace(out, z=5 * out.z)
    torch.testing.assert_close(LOSSES[name]()(batch, longer), LOSSES[name]()(batch, out))


def test_info_nce_is_the_cross_entropy_of_naming_the_partner():
    batch, out = example((NORMAL, OTHER, UNLABELLED, DEFECT, DEFECT))
    u = torch.nn.functional.normalize(out.z - (out.z[0] + out.z[2]) / 2)
    logits = torch.stack([u[[4, 0, 1, 2]] @ u[3], u[[3, 0, 1, 2]] @ u[4]]) / 0.1
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 0]))
    torch.testing.assert_close(LOSSES["info_nce"](temperature=0.1)(batch, out), expected)


def test_cosine_is_pytorchs_on_pairs_with_a_defect():
    batch, out = example((NORMAL, DEFECT, DEFECT, OTHER))
    z = out.z - out.z[0]
    first, second = z[[1, 1, 2, 1, 2]], z[[2, 3, 3, 0, 0]]
    errors = torch.nn.functional.cosine_embedding_loss(
        first, second, torch.tensor([1, -1, -1, -1, -1]), margin=0.2, reduction="none"
    )
    value = cosine_contrast(out.z, batch.group, margin=0.2, miner="uniform")
    torch.testing.assert_close(value, errors[0] + errors[1:].mean())
