"""Contracts of everything that changes samples at random: input noise, augmentation and synthetic outliers."""

from dataclasses import fields, replace
from functools import wraps
from inspect import signature

import pytest
import torch
from scipy import ndimage

from blemish.core.output import Block
from blemish.training import AUGMENTATIONS, CORRUPTIONS, SYNTHETIC
from blemish.training.augmentation import (
    Gaussian,
    Mask,
    Swap,
    column_mask,
    cut_paste,
    hide_boxes,
    hide_columns,
    swap_columns,
    time_warp,
)

BLOCKS = (
    Block(0, 1, "numeric"),
    Block(1, 2, "binary"),
    Block(2, 6, "categorical"),
    Block(6, 9, "categorical"),
    Block(9, 10, "numeric"),
)
EXAMPLES = {
    "row": ((7,), ()),
    "table": ((10,), BLOCKS),
    "picture": ((2, 9, 7), ()),
    "clip": ((5, 1, 9, 7), ()),
}
"""Small inputs by dimensionality: sample shape and columns."""


def samples_of(synthesise):
    """Synthetic outliers without their pace."""

    @wraps(synthesise)
    def made(x, generator, blocks=()):
        return synthesise(x, generator, blocks).x

    return made


NOISES = {
    **{f"corruption {name}": cls() for name, cls in CORRUPTIONS.items()},
    **{f"synthetic {name}": samples_of(function) for name, function in SYNTHETIC.items()},
    **{f"augmentation {name}": function for name, function in AUGMENTATIONS.items()},
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def samples(shape, blocks=(), n=24, seed=0):
    """Rows in [0, 1]; one-hot where there are categories."""
    x = torch.rand(n, *shape, generator=generator(seed))
    for block in blocks:
        if block.kind == "binary":
            x[:, block.start] = (x[:, block.start] > 0.5).float()
        if block.kind == "categorical":
            x[:, block.start : block.stop] = torch.eye(block.stop - block.start)[
                x[:, block.start : block.stop].argmax(1)
            ]
    return x


def accepts(noise, example):
    """Whether the shape that a function asks for is that of the example."""
    call = noise if hasattr(noise, "__code__") else type(noise).__call__
    return isinstance(samples(EXAMPLES[example][0]), signature(call).parameters["x"].annotation)


FITTING = {name: [example for example in EXAMPLES if accepts(noise, example)] for name, noise in NOISES.items()}
CASES = [pytest.param(name, example, id=f"{name}-{example}") for name in NOISES for example in FITTING[name]]
OF_TABLES = [name for name in NOISES if "table" in FITTING[name]]


@pytest.mark.parametrize("name", NOISES)
def test_every_noise_has_an_example(name):
    assert FITTING[name], f"{name} accepts none of the examples; add one by dimensionality"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "example"), CASES)
def test_shape_and_dtype_are_kept_and_inputs_are_not_mutated(name, example, dtype):
    shape, blocks = EXAMPLES[example]
    x = samples(shape, blocks).to(dtype)
    before = x.clone()
    result = NOISES[name](x, generator(), blocks)
    assert (result.shape, result.dtype) == (x.shape, dtype)
    assert result.isfinite().all()
    assert torch.equal(x, before)


@pytest.mark.parametrize(("name", "example"), CASES)
def test_the_generator_is_the_only_source_of_randomness(name, example):
    shape, blocks = EXAMPLES[example]
    x = samples(shape, blocks)
    state = torch.get_rng_state()
    first, again, other = (NOISES[name](x, generator(seed), blocks) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(("name", "example"), CASES)
def test_something_changes_and_rows_change_differently(name, example):
    shape, blocks = EXAMPLES[example]
    same = samples(shape, blocks, n=1).expand(24, *shape).clone()
    same[12:] = samples(shape, blocks, n=1, seed=5)
    change = (NOISES[name](same, generator(), blocks) - same).flatten(1)
    assert len(change[change.abs().sum(1) > 0].unique(dim=0)) >= 2


@pytest.mark.parametrize(("name", "example"), CASES)
def test_one_row_is_enough(name, example):
    shape, blocks = EXAMPLES[example]
    x = samples(shape, blocks, n=1)
    result = NOISES[name](x, generator(), blocks)
    assert result.shape == x.shape
    assert result.isfinite().all()


@pytest.mark.parametrize("shape", [(1, 1, 9, 7), (2, 1, 9, 7), (3, 2, 1, 1)])
@pytest.mark.parametrize("name", [name for name in NOISES if "clip" in FITTING[name]])
def test_short_and_tiny_clips_are_enough(name, shape):
    x = samples(shape, n=6)
    result = NOISES[name](x, generator())
    assert result.shape == x.shape
    assert result.isfinite().all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 30), (3, 1, 5)])
@pytest.mark.parametrize("name", [name for name in NOISES if "picture" in FITTING[name]])
def test_tiny_pictures_are_enough(name, shape):
    x = samples(shape, n=6)
    result = NOISES[name](x, generator())
    assert result.shape == x.shape
    assert result.isfinite().all()


@pytest.mark.parametrize("name", OF_TABLES)
def test_a_category_stays_one_category_or_is_hidden_as_a_whole(name):
    x = samples((10,), BLOCKS)
    result = NOISES[name](x, generator(), BLOCKS)
    for block in BLOCKS:
        part = result[:, block.start : block.stop]
        if block.kind == "categorical":
            assert ((part == 0) | (part == 1)).all()
            assert (part.sum(1) <= 1).all()
            assert (part.sum(1) == 1).any()
        if block.kind == "binary":
            assert ((part == 0) | (part == 1)).all()


@pytest.mark.parametrize(
    "noise", [Swap(0.5), NOISES["synthetic swap_columns"], hide_columns], ids=["swap", "swap_columns", "hide_columns"]
)
def test_swapped_columns_keep_their_own_values_and_one_category_a_row(noise):
    x = samples((10,), BLOCKS, n=200)
    result = noise(x, generator(), BLOCKS)
    for block in BLOCKS:
        part, known = result[:, block.start : block.stop], x[:, block.start : block.stop].unique(dim=0)
        assert len(torch.cat([part, known]).unique(dim=0)) == len(known)
        if block.kind == "categorical":
            assert torch.equal(part.sum(1), torch.ones(200))


@pytest.mark.parametrize(
    ("noise", "low", "high"),
    [
        (Swap(0.15), 0.12, 0.18),
        (Mask(0.2), 0.17, 0.23),
        (NOISES["synthetic swap_columns"], 0.3, 0.4),
        (hide_columns, 0.08, 0.12),
    ],
    ids=["swap", "mask", "swap_columns", "hide_columns"],
)
def test_the_documented_fraction_of_columns_changes(noise, low, high):
    x = samples((20,), n=2000) + 1
    changed = (noise(x, generator()) != x).float()
    assert low < float(changed.mean()) < high
    assert (changed.mean(0) > low / 2).all(), "every column may change"


@pytest.mark.parametrize("cls", CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_every_option_of_a_corruption_changes_the_result(cls):
    x = samples((10,), BLOCKS)
    for option in fields(cls):
        other = replace(cls(), **{option.name: 2 * getattr(cls(), option.name)})
        assert not torch.equal(other(x, generator(), BLOCKS), cls()(x, generator(), BLOCKS)), option.name


@pytest.mark.parametrize("noise", [Gaussian(0.0), Mask(0.0), Swap(0.0)], ids=repr)
def test_no_noise_leaves_everything_as_it_is(noise):
    x = samples((10,), BLOCKS)
    assert torch.equal(noise(x, generator(), BLOCKS), x)


def test_gaussian_noise_has_its_standard_deviation():
    x = torch.zeros(5000, 4)
    noise = Gaussian(0.3)(x, generator())
    assert float(noise.std()) == pytest.approx(0.3, rel=0.03)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)


def test_gaussian_noise_spares_categories_and_yes_or_no():
    x = samples((10,), BLOCKS)
    changed = (Gaussian()(x, generator(), BLOCKS) != x).any(0)
    assert changed.tolist() == [True, *[False] * 8, True]


def test_a_full_mask_hides_everything():
    assert not Mask(1.0)(samples((10,), BLOCKS), generator(), BLOCKS).any()


def test_synthetic_rows_have_usual_values_in_unusual_combinations():
    u = torch.rand(500, 1, generator=generator())
    x = u.expand(500, 6)
    made = swap_columns(x, generator(1)).x
    assert float((made - made[:, :1]).abs().max(1).values.median()) > 0.1
    assert made.min() >= x.min()
    assert made.max() <= x.max()


def test_a_pasted_patch_is_one_rectangle_of_the_documented_size_from_another_picture():
    height, width = 40, 30
    x = torch.arange(16.0).reshape(16, 1, 1, 1).expand(16, 1, height, width).clone()
    areas = []
    for row, made in enumerate(cut_paste(x, generator()).x[:, 0]):
        changed = made != row
        assert len(made[changed].unique()) <= 1, "one partner"
        rows, columns = changed.any(1), changed.any(0)
        assert int(changed.sum()) == int(rows.sum()) * int(columns.sum()), "one rectangle"
        areas.append(int(changed.sum()) / (height * width))
    assert max(areas) <= 0.31
    assert sorted(areas)[-3] > 0.1


def test_a_patch_lands_somewhere_else():
    ramp = torch.arange(600.0).reshape(1, 1, 20, 30)
    made = cut_paste(ramp.expand(8, 1, 20, 30), generator()).x
    assert (made != ramp).flatten(1).any(1).all()
    assert torch.isin(made, ramp).all()


def test_time_warp_keeps_the_range_of_every_pixel():
    x = samples((8, 2, 5, 4), n=64)
    made = time_warp(x, generator()).x
    assert (made <= x.amax(1, keepdim=True) + 1e-6).all()
    assert (made >= x.amin(1, keepdim=True) - 1e-6).all()


def test_time_warp_leaves_a_still_clip_still():
    x = samples((1, 1, 5, 4), n=8).expand(8, 6, 1, 5, 4).clone()
    torch.testing.assert_close(time_warp(x, generator()).x, x)


def test_time_warp_blends_neighbouring_frames_only():
    frames = torch.eye(6).reshape(1, 6, 1, 1, 6).expand(200, 6, 1, 1, 6).clone()  # frame i lights pixel i
    made = time_warp(frames, generator()).x[:, :, 0, 0]
    torch.testing.assert_close(made.sum(-1), torch.ones(200, 6))
    lit = made > 1e-6
    assert (lit.sum(-1) <= 2).all()
    first, last = lit.float().argmax(-1), 5 - lit.flip(-1).float().argmax(-1)
    assert (last - first <= 1).all()


def test_time_warp_plays_forwards_backwards_and_stands_still():
    clock = torch.arange(10.0).reshape(1, 10, 1, 1, 1).expand(400, 10, 1, 1, 1).clone()
    steps = time_warp(clock, generator()).x[:, :, 0, 0, 0].diff(dim=1)
    first = steps[:, 0]
    assert (first > 0.1).float().mean() > 0.3
    assert (first < -0.1).float().mean() > 0.1
    assert 0.03 < float((steps.abs().max(1).values < 1e-5).float().mean()) < 0.25


def test_time_warp_says_the_pace_of_even_paths_only():
    clock = torch.arange(10.0).reshape(1, 10, 1, 1, 1).expand(400, 10, 1, 1, 1).clone()
    made, pace = time_warp(clock, generator())
    assert pace is not None
    second = made[:, 1, 0, 0, 0]
    within = (pace > 0) & (pace < 9)
    assert within.sum() > 80
    torch.testing.assert_close(second[within], pace[within], rtol=0, atol=1e-5)
    steps = made[:, :, 0, 0, 0].diff(dim=1)[:, :4]
    even = (steps - steps[:, :1]).abs().amax(dim=1) < 1e-4
    assert 0.3 < float(pace.isnan().float().mean()) < 0.8
    assert (even & pace.isnan()).sum() < 5, "uneven paths have none"


def test_time_warp_turns_round_at_the_ends_of_a_clip():
    clock = torch.arange(10.0).reshape(1, 10, 1, 1, 1).expand(400, 10, 1, 1, 1).clone()
    steps = time_warp(clock, generator()).x[:, :, 0, 0, 0].diff(dim=1)
    moving = steps[:, 0].abs() > 0.05
    assert moving.sum() > 200
    assert (steps[moving, -1].abs() > 1e-6).all(), "no clip waits at its end"


def test_hidden_boxes_are_the_same_in_every_frame_and_channel():
    x = samples((4, 3, 20, 24), n=6)
    hidden = torch.isclose(hide_boxes(x, generator()), x[..., ::3, ::3].mean(), rtol=0, atol=1e-6)
    assert hidden.any()
    assert (hidden == hidden[:, :1, :1]).all()
    assert 0.04 < float(hidden.float().mean()) < 0.9


def test_hidden_boxes_have_sides_of_20_to_80_percent():
    side, n = 50, 1200
    x = (torch.arange(n) % 2).reshape(n, 1, 1, 1).expand(n, 1, side, side).float()
    hidden = (hide_boxes(x, generator())[:, 0] - 0.5).abs() < 0.1  # black and white stay far from the mean
    sides = []
    for picture in hidden.numpy():
        labels, n_boxes = ndimage.label(picture)  # pyright: ignore[reportGeneralTypeIssues]
        for rows, columns in ndimage.find_objects(labels, n_boxes):
            inside = min(rows.start, columns.start) > 0 and max(rows.stop, columns.stop) < side
            if inside and picture[rows, columns].all():  # neither cut by the border nor a union of two boxes
                sides += [(rows.stop - rows.start) / side, (columns.stop - columns.start) / side]
    assert len(sides) > 400
    pixel = 1 / side
    assert 0.2 - pixel <= min(sides) < 0.22
    assert 0.77 < max(sides) <= 0.8 + pixel


def test_light_and_noise_change_a_little():
    x = samples((1, 20, 20), n=200)
    made = hide_boxes(x, generator())
    seen = ~torch.isclose(made, x[..., ::3, ::3].mean(), rtol=0, atol=1e-6)
    change = (made - x)[seen]
    assert 0.01 < float(change.std() / x.std()) < 0.3


@pytest.mark.parametrize("name", NOISES)
def test_a_wrong_dimensionality_is_refused(name):
    for example in set(EXAMPLES) - set(FITTING[name]):
        shape, blocks = EXAMPLES[example]
        with pytest.raises(Exception, match="Type-check error"):
            NOISES[name](samples(shape, blocks), generator(), blocks)


FEW_BLOCKS = (Block(0, 1, "numeric"), Block(1, 5, "categorical"), Block(5, 6, "binary"), Block(6, 8, "categorical"))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_features_of_one_column_are_masked_together():
    mask = column_mask(torch.zeros(200, 8), 0.5, seeded(), FEW_BLOCKS)
    for block in FEW_BLOCKS:
        part = mask[:, block.start : block.stop]
        assert (part.all(1) | ~part.any(1)).all()
        assert part.any()
        assert not part.all()


@pytest.mark.parametrize("blocks", [(), FEW_BLOCKS])
def test_a_fraction_of_columns_is_masked(blocks):
    x = torch.zeros(500, 8)
    assert not column_mask(x, 0.0, seeded(), blocks).any()
    assert column_mask(x, 1.0, seeded(), blocks).all()
    assert float(column_mask(x, 0.3, seeded(), blocks).float().mean()) == pytest.approx(0.3, abs=0.05)


def test_each_row_may_have_its_own_fraction():
    mask = column_mask(torch.zeros(2, 8), torch.tensor([[0.0], [1.0]]), seeded(), FEW_BLOCKS)
    assert mask.tolist() == [[False] * 8, [True] * 8]


@pytest.mark.parametrize("shape", [(3, 8), (3, 1, 4, 5), (3, 2, 1, 4, 5)])
def test_a_column_mask_has_the_shape_of_the_samples(shape):
    assert column_mask(torch.zeros(shape), 0.5, seeded()).shape == shape


def test_a_column_mask_of_no_rows_is_empty():
    assert column_mask(torch.zeros(0, 8), 0.5, seeded(), FEW_BLOCKS).shape == (0, 8)
    assert column_mask(torch.zeros(0, 8), 0.5, seeded()).shape == (0, 8)
