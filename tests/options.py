"""Other values of a part's options, from their annotations: nothing is listed by hand."""

from dataclasses import fields
from inspect import signature
from types import UnionType
from typing import Literal, Union, get_args, get_origin

from blemish.losses.contrast.miners import MINERS


def other_values(name, annotation, default):
    """Values that an option may have beside its default; one for each kind of value that the annotation allows."""
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    values = [value for kind in kinds for value in _values(name, kind, default)]
    assert values, f"option {name}: {annotation} has no example; give tests/options.py one for this type"
    return [value for value in values if value != default]


def _values(name, kind, default):
    if name == "miner":
        return list(MINERS)
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    if get_origin(kind) is tuple:
        return [(8,)]
    if kind is bool:
        return [not default]
    if kind is int:
        return [(default or 0) + 1]
    if kind is float:
        return [0.6 * (default or 0.0) or 0.3]
    return [None] if kind is type(None) else []


def options_of(factory):
    """The options of a function or class, keyword-only or the fields of a dataclass: name → other values."""
    if hasattr(factory, "__dataclass_fields__"):
        return {f.name: other_values(f.name, f.type, f.default) for f in fields(factory)}
    parameters = signature(factory).parameters.values()
    return {p.name: other_values(p.name, p.annotation, p.default) for p in parameters if p.kind is p.KEYWORD_ONLY}
