"""Choosing a part: by name, by name with options, or by giving an instance."""

import inspect
from collections import UserDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from functools import cache
from importlib import import_module
from typing import Any

from blemish.core.errors import ConfigError, nearest


class Parts(UserDict[str, Any]):
    """The parts of one kind by name, each imported when it is first asked for.

    It holds each part, or where it is: 'package.module:name'. PyTorch takes seconds to import: the names alone (for
    `--help`, for a misspelt option) must not cost that. Adding a part is one line; a test may also add the class
    itself.

    Example:
        >>> parts = Parts({"mse": "blemish.losses.reconstruction.mse:Mse"})
        >>> list(parts), parts["mse"].__name__
        (['mse'], 'Mse')
    """

    def __getitem__(self, name: str) -> Any:
        """The part, imported now if it has not been; KeyError if there is none of that name."""
        part = self.data[name]
        if isinstance(part, str):
            module, _, attribute = part.partition(":")
            part = self.data[name] = getattr(import_module(module), attribute)
        return part

    def __repr__(self) -> str:
        """The names; nothing is imported."""
        return f"Parts({', '.join(self)})"


@dataclass(frozen=True)
class Part:
    """A chosen part.

    Attributes:
        name: Its key in the dict of its kind.
        options: What differs from its defaults.
        factory: The function or class of that name.
    """

    name: str
    options: dict[str, Any]
    factory: Any

    def make(self, *args: Any, **kwargs: Any) -> Any:
        """Call the factory with the options."""
        return self.factory(*args, **kwargs, **self.options)

    def spec(self) -> str | dict[str, Any]:
        """The shortest description that gives the same part again, as JSON values."""
        return {"name": self.name, **self.options} if self.options else self.name


def choose(kind: str, registry: Mapping[str, Callable[..., Any]], spec: Any) -> Part:
    """Find the part that a user means.

    Args:
        kind: What the registry holds, for messages: 'backbone', 'loss', …
        registry: Name → function or class.
        spec: A name, a mapping `{"name": …, option: value}`, or an instance of one of the registered classes.

    Raises:
        ConfigError: If the name or an option is unknown (the nearest is named), or an option has a wrong type.

    Example:
        >>> from blemish.training import CORRUPTIONS
        >>> choose("corruption", CORRUPTIONS, {"name": "mask", "share": 0.5}).make()
        Mask(share=0.5)
    """
    if isinstance(spec, str):
        spec = {"name": spec}
    elif not isinstance(spec, Mapping):
        for name, factory in registry.items():
            if isinstance(factory, type) and isinstance(spec, factory):
                return _of_instance(name, factory, spec)
    if not isinstance(spec, Mapping) or not isinstance(spec.get("name"), str):
        raise ConfigError(
            f"{kind} {spec!r} is neither a name, nor a mapping with 'name', nor an instance of a known part"
        )
    name = spec["name"]
    if name not in registry:
        raise ConfigError(f"{kind} {name!r} is unknown; {nearest(name, registry)}")
    options = {key: value for key, value in spec.items() if key != "name"}
    return Part(name, _checked(kind, name, registry[name], options), registry[name])


def _of_instance(name: str, factory: type, instance: Any) -> Part:
    if not is_dataclass(instance):
        raise ConfigError(f"{name!r} must be given by name with options, not as an instance: it is built for the data")
    default = asdict(factory())  # pyright: ignore[reportArgumentType]
    given = asdict(instance)  # pyright: ignore[reportArgumentType]
    return Part(name, {key: value for key, value in given.items() if value != default[key]}, factory)


@cache
def _options(factory: Callable[..., Any]) -> dict[str, Any]:
    """Names and types of a part's options."""
    parameters = inspect.signature(factory).parameters.values()
    return {p.name: p.annotation for p in parameters if is_dataclass(factory) or p.kind is p.KEYWORD_ONLY}


def _checked(kind: str, name: str, factory: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    if not options:
        return {}
    known = _options(factory)
    from pydantic import ValidationError  # 0.25 s, and most parts are chosen without options

    from blemish.core.manifest import adapter_of

    checked = {}
    for option, value in options.items():
        if option not in known:
            hint = nearest(option, known) if known else "it has none"
            raise ConfigError(f"{kind} {name!r} has no option {option!r}; {hint}")
        try:
            checked[option] = adapter_of(known[option]).validate_python(value)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in (option, *first["loc"]))
            raise ConfigError(f"{kind} {name!r}, option {where!r}: {first['msg']}, got {first['input']!r}") from None
    return checked
