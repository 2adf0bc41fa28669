"""Choosing parts by name, by options and by instance; the contract holds for every dict of parts."""

import json
from dataclasses import dataclass, fields, is_dataclass
from inspect import signature

import pytest

from blemish.autoencoder import BACKBONES, BOTTLENECKS
from blemish.core.errors import ConfigError, nearest
from blemish.core.parts import choose
from blemish.losses import LOSSES
from blemish.losses.contrast.margin import Margin
from blemish.losses.reconstruction.mse import Mse
from blemish.scoring import SCORERS
from blemish.training import CORRUPTIONS, SCHEDULES
from blemish.training.augmentation import Mask

REGISTRIES = {
    "backbone": BACKBONES,
    "bottleneck": BOTTLENECKS,
    "loss": LOSSES,
    "corruption": CORRUPTIONS,
    "scorer": SCORERS,
    "lr": SCHEDULES,
}


def options_of(factory):
    """What a user may choose: fields of a dataclass, or what stands behind the star of a function."""
    parameters = signature(factory).parameters.values()
    return [p.name for p in parameters if is_dataclass(factory) or p.kind is p.KEYWORD_ONLY]


@pytest.mark.parametrize("kind", REGISTRIES)
def test_a_name_is_a_part_with_its_defaults(kind):
    for name, factory in REGISTRIES[kind].items():
        part = choose(kind, REGISTRIES[kind], name)
        assert (part.name, part.options, part.factory) == (name, {}, factory)
        assert part.spec() == name


@pytest.mark.parametrize("kind", REGISTRIES)
def test_a_mapping_with_a_name_only_is_the_same(kind):
    for name in REGISTRIES[kind]:
        assert choose(kind, REGISTRIES[kind], {"name": name}) == choose(kind, REGISTRIES[kind], name)


@pytest.mark.parametrize("kind", REGISTRIES)
def test_a_mapping_an_instance_and_a_spec_give_the_same_part(kind):
    parts = REGISTRIES[kind]
    for name in parts:
        factory, make = parts[name], parts[name]
        for option in fields(factory) if is_dataclass(factory) else ():
            default = getattr(make(), option.name)
            value = 2 * default if isinstance(default, (int, float)) else default
            by_mapping = choose(kind, parts, {"name": name, option.name: value})
            by_instance = choose(kind, parts, make(**{option.name: value}))
            assert by_mapping.make() == by_instance.make() == make(**{option.name: value})
            assert choose(kind, parts, by_instance.spec()).make() == by_instance.make()
            assert choose(kind, parts, json.loads(json.dumps(by_mapping.spec()))) == by_mapping


def test_an_instance_remembers_only_what_differs_from_the_defaults():
    assert choose("loss", LOSSES, Margin(push=9.0)).options == {"push": 9.0}
    assert choose("loss", LOSSES, Margin()).spec() == "margin"


def test_numbers_in_text_are_read():
    assert choose("corruption", CORRUPTIONS, {"name": "mask", "share": "0.5"}).make() == Mask(0.5)


def test_arguments_of_the_maker_come_before_the_options():
    encoder, _ = choose("backbone", BACKBONES, {"name": "mlp", "widths": [5]}).make((7,), 3, 3)
    assert encoder[-1][0].out_features == 5


@pytest.mark.parametrize("kind", REGISTRIES)
def test_an_unknown_name_is_refused_and_the_nearest_named(kind):
    for name in REGISTRIES[kind]:
        expected = f"{kind} '{name}x' is unknown; did you mean '{name}'\\? There are "
        with pytest.raises(ConfigError, match=expected) as refusal:
            choose(kind, REGISTRIES[kind], name + "x")
        assert all(known in str(refusal.value) for known in REGISTRIES[kind])


@pytest.mark.parametrize("kind", REGISTRIES)
def test_an_unknown_option_is_refused_and_the_nearest_named(kind):
    for name, factory in REGISTRIES[kind].items():
        known = options_of(factory)
        hint = f"did you mean '{known[0]}'" if known else "it has none"
        wrong = (known[0] if known else "size") + "x"
        with pytest.raises(ConfigError, match=f"{kind} '{name}' has no option '{wrong}'; {hint}"):
            choose(kind, REGISTRIES[kind], {"name": name, wrong: 1})


@pytest.mark.parametrize("kind", REGISTRIES)
def test_an_option_of_a_wrong_type_is_refused(kind):
    for name, factory in REGISTRIES[kind].items():
        for option in options_of(factory):
            with pytest.raises(ConfigError, match=f"{kind} '{name}', option '{option}.*got "):
                choose(kind, REGISTRIES[kind], {"name": name, option: {"wrong": "type"}})


@pytest.mark.parametrize("spec", [None, 3, ["mse"], {}, {"name": 3}, {"weight": 1.0}, Mse, Mask()], ids=repr)
def test_what_is_neither_name_nor_mapping_nor_part_is_refused(spec):
    with pytest.raises(ConfigError, match=r"loss .* is neither a name, nor a mapping with 'name', nor an instance of"):
        choose("loss", LOSSES, spec)


def test_an_instance_that_is_built_for_the_data_is_refused():
    with pytest.raises(
        ConfigError, match="'plain' must be given by name with options, not as an instance: it is built"
    ):
        choose("bottleneck", BOTTLENECKS, BOTTLENECKS["plain"](3))


def test_nothing_near_lists_all_that_there_is():
    assert nearest("zzz", ["b", "a"]) == "there are a, b"


@pytest.mark.parametrize("kind", ["backbone", "bottleneck"])
def test_what_the_network_decides_is_no_option(kind):
    for name in REGISTRIES[kind]:
        with pytest.raises(ConfigError, match="has no option 'latent_dim'"):
            choose(kind, REGISTRIES[kind], {"name": name, "latent_dim": 3})


def test_any_dict_of_frozen_dataclasses_can_be_chosen_from():
    @dataclass(frozen=True)
    class Mine:
        size: int = 3

    assert choose("thing", {"mine": Mine}, {"name": "mine", "size": 4}).make() == Mine(4)
    with pytest.raises(ConfigError, match=r"thing 'mine', option 'size': .*got 'big'"):
        choose("thing", {"mine": Mine}, {"name": "mine", "size": "big"})
