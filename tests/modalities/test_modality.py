"""What every kind of data must do, by name from the dict; and the defaults of a new one."""

import json
from typing import get_args

import numpy as np
import pytest
import torch
from typing_extensions import get_type_hints, is_typeddict

from blemish.autoencoder import BACKBONES
from blemish.core.errors import ArtifactError, DataError
from blemish.core.parts import choose
from blemish.losses import LOSSES
from blemish.losses.loss import ReconstructionLoss
from blemish.modalities import MODALITIES
from blemish.modalities.modality import ExportableModality, FittedModality, Modality, to_booleans
from blemish.modalities.parts import HasParts
from blemish.onnx.runtime import FEEDS
from blemish.scoring import SCORERS
from blemish.scoring.experts import EXPERTS
from blemish.training import AUGMENTATIONS, SYNTHETIC
from toy_modality import FittedSignal, Signal

ROWS = 24


@pytest.fixture(scope="module", params=MODALITIES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def raw(name, splits):
    return splits[name].X_train[:ROWS]


@pytest.fixture(scope="module")
def fitted(name, raw) -> FittedModality:
    return MODALITIES[name]().fit(raw)


def dense(x):
    return torch.from_numpy(np.asarray(x.todense() if hasattr(x, "todense") else x))


def test_its_choices_are_parts_that_exist(name):
    cls = MODALITIES[name]
    assert issubclass(cls, Modality)
    assert issubclass(cls.fitted, FittedModality)
    assert issubclass(LOSSES[cls.loss], ReconstructionLoss)
    assert set(cls.pretext) <= set(LOSSES)
    assert cls.synthetic in SYNTHETIC
    assert cls.augmentation in AUGMENTATIONS
    assert cls.scorer in SCORERS
    choose("backbone", BACKBONES, cls.backbone)
    for experts in cls.experts.values():
        for expert in experts:
            choose("expert", EXPERTS, expert)
    page = cls.on_page
    assert page.max_fitted >= page.at_once > 0


def test_samples_become_float32_of_the_shape_that_it_says(fitted, raw):
    x = fitted.to_tensor(raw)
    assert x.dtype == np.float32
    assert x.shape == (ROWS, *fitted.sample_shape)
    assert dense(x).isfinite().all()
    assert len(fitted.to_raw(np.asarray(dense(x)))) == ROWS


def test_all_that_was_learnt_passes_through_json_to_the_same_bits(fitted, raw):
    again = type(fitted).of_file(json.loads(json.dumps(fitted.state())))
    x = dense(fitted.to_tensor(raw))
    assert torch.equal(dense(again.to_tensor(raw)), x)
    assert (again.sample_shape, again.elements, again.names) == (fitted.sample_shape, fitted.elements, fitted.names)
    features = again.features(x)
    for key, values in fitted.features(x).items():
        assert torch.equal(features[key], values)


def places(node, path=()):
    """Where there are values in JSON; of a list the first is enough."""
    items = node.items() if isinstance(node, dict) else list(enumerate(node))[:1] if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def may_be_absent(kind, path):
    """Whether a file of an older version lacks this value."""
    for key in path[:-1]:
        kind = get_args(kind)[-1] if not is_typeddict(kind) else get_type_hints(kind)[key]
    return is_typeddict(kind) and path[-1] in kind.__optional_keys__


def test_a_file_holds_what_it_declares_and_nothing_else(fitted):
    """Every value of its state is checked: a wrong type, no value, or none at all, is refused in a sentence."""
    state = json.dumps(fitted.state())
    for path in places(json.loads(state)):
        for new in (None, float("nan"), {}, "delete"):
            edited = node = json.loads(state)
            for key in path[:-1]:
                node = node[key]
            if new == "delete" and (isinstance(node, list) or path[-2:-1] == ("shares",)):
                continue
            if new == "delete" and may_be_absent(type(fitted).stored, path):
                continue
            node[path[-1]] = new
            if new == "delete":
                del node[path[-1]]
            if edited == json.loads(state):
                continue
            with pytest.raises(ArtifactError, match="^the kind of data, '"):
                type(fitted).of_file(edited)
    with pytest.raises(ArtifactError, match="^the kind of data, 'more': Extra"):
        type(fitted).of_file({**json.loads(state), "more": 1})


def test_the_widths_of_its_feature_sets_are_told_without_data(fitted, raw):
    found = fitted.features(dense(fitted.to_tensor(raw)))
    assert dict(fitted.widths) == {name: values.shape[1] for name, values in found.items()}


def test_a_kind_of_data_that_does_not_say_what_it_stores_cannot_be_defined():
    with pytest.raises(TypeError, match="^Bare needs a class attribute 'stored'"):
        type("Bare", (FittedModality,), {"from_state": classmethod(lambda cls, state: cls())})


def test_every_feature_set_that_its_experts_ask_for_is_there(name, fitted, raw):
    asked = {one for names in MODALITIES[name].experts for one in names.split("+")}
    found = fitted.features(dense(fitted.to_tensor(raw)))
    parts = {"parts"} if isinstance(fitted, HasParts) else set()
    assert asked <= {"code", "error", *found} | parts
    assert all(values.shape[0] == ROWS and values.isfinite().all() for values in found.values())


def test_parts_are_those_of_each_sample_and_pass_through_json(fitted, raw):
    if not isinstance(fitted, HasParts):
        return  # its samples are whole
    parts = fitted.parts(raw)
    again = type(fitted).of_file(json.loads(json.dumps(fitted.state())))
    assert isinstance(again, HasParts)
    assert again.part_width == parts.values.shape[1] + 1, "the distance, too"
    np.testing.assert_array_equal(again.parts(raw).values, parts.values)
    assert np.isfinite(parts.values).all()
    assert parts.counts.tolist() == [fitted.n_parts(sample) for sample in raw]
    np.testing.assert_array_equal(next(iter(fitted.parts(raw[1:2]))), list(parts)[1])
    heat = fitted.heat(raw[0], parts.distance[: parts.counts[0]])
    assert heat.shape == np.shape(raw[0])[-2:]


def test_elements_have_names_or_are_regions_and_each_can_be_replaced(fitted, raw):
    x = dense(fitted.to_tensor(raw))
    if fitted.elements:
        assert len(fitted.describe(np.asarray(x))[0]) == len(fitted.elements)
        return
    names, means = fitted.regions(np.asarray(x))
    boxes = fitted.boxes(raw)  # a person reads the name of a place, a program its box
    places = names if boxes is None else [(name, *box) for name, box in zip(names, boxes[0].tolist(), strict=True)]
    assert len(set(places)) == len(names) == means.shape[1]
    copies = fitted.replaced(x[0], x[1])
    assert copies.shape == (len(names), *fitted.sample_shape)
    assert fitted.held(x[0], np.ones(len(names), dtype=bool)) == list(range(len(names)))
    assert (copies != x[0]).any()


def test_its_graph_is_fed_in_a_form_that_exists(fitted):
    assert isinstance(fitted, ExportableModality)
    assert fitted.inputs in FEEDS
    json.dumps(fitted.interface())


# Defaults ------------------------------------------------------------------------------------------------------------


def test_by_default_an_element_is_described_by_its_number_in_the_tensor():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert FittedSignal(np.zeros(1), np.ones(1), 3).describe(x[:, None]) == x.tolist()


def test_by_default_segments_of_the_last_axis_are_the_elements():
    fitted = FittedSignal(np.zeros(2), np.ones(2), 24)
    errors = np.random.default_rng(0).random((3, 2, 24))
    names, means = fitted.regions(errors)
    assert names[:2] == ("0: 0-2", "0: 3-5")
    assert means[1, 9] == pytest.approx(errors[1, 1, 3:6].mean())
    sample, typical = torch.rand(2, 24), torch.rand(2, 24)
    copies = fitted.replaced(sample, typical)
    for element, copy in enumerate(copies):
        changed = (copy != sample).nonzero()
        assert changed[:, 0].unique().tolist() == [element // 8]
        assert (changed[:, 1] // 3).unique().tolist() == [element % 8]
        assert torch.equal(copy[element // 8, changed[:, 1]], typical[element // 8, changed[:, 1]])


def test_by_default_nothing_can_be_filled_in_and_nothing_is_prepared_in_parts():
    fitted = FittedSignal(np.zeros(2), np.ones(2), 24)
    with pytest.raises(DataError, match="these data have no cells or pixels to mask"):
        fitted.fill(np.zeros((1, 2, 24)), np.ones((2, 24)), np.zeros((1, 2, 24), np.float32))
    assert not fitted.in_parts(np.zeros((1, 2, 24)))
    assert fitted.features(torch.zeros(1, 2, 24)) == {}
    assert Signal().latent_dim((2, 24)) == 32


@pytest.mark.parametrize("mask", [[[0, 255]], [[False, True]], [[0.0, 1.0]], np.array([[False, True]], dtype=object)])
def test_numbers_and_objects_become_booleans(mask):
    assert to_booleans(mask).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([[0.5]], "the mask holds float64 values; give booleans"),
        ([["yes"]], "the mask holds <U3 values"),
        ([[True], [True, False]], "the mask is ragged"),
    ],
)
def test_what_is_not_a_mask(mask, message):
    with pytest.raises(DataError, match=message):
        to_booleans(mask)
