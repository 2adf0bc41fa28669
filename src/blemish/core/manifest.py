"""What the JSON of a file may hold: declared types, checked when it is read; nothing is converted."""

from functools import cache
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from blemish.core.errors import ArtifactError

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""Settings of a pydantic model that describes what a file holds."""
declared = with_config(STRICT)
"""Decorator of a `TypedDict` that describes what a file holds; a key that is added is `NotRequired`: older files."""
open_declared = with_config(STRICT | ConfigDict(extra="allow"))
"""The same where more may be said."""
Count = Annotated[int, Ge(0), Le(2**53)]
Size = Annotated[int, Ge(1), Le(2**20)]
"""Length of an axis that has weights, or of a picture or clip: a number that arrays are made from."""
Positive = Annotated[float, Gt(0)]
Fraction = Annotated[float, Gt(0), Le(1)]


@cache
def adapter_of(kind: Any) -> Any:
    """The checks of a declared kind; they are compiled once."""
    return TypeAdapter(kind)


def checked(kind: Any, value: Any, what: str) -> Any:
    """A value, or JSON as text, of a declared kind.

    Args:
        kind: A pydantic model, or a `declared` dictionary.
        value: JSON values; a string or bytes is JSON.
        what: What it is, for the message.

    Raises:
        ArtifactError: If it is anything else; the first place is named.

    Example:
        >>> checked(dict[str, Size], '{"width": 0}', "the manifest")
        Traceback (most recent call last):
        blemish.core.errors.ArtifactError: the manifest, 'width': Input should be greater than or equal to 1, got 0
    """
    adapter = adapter_of(kind)
    try:
        return adapter.validate_json(value) if isinstance(value, (str, bytes)) else adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = f", {'.'.join(map(str, first['loc']))!r}" if first["loc"] else ""
        got = f", got {first['input']!r:.60}" if first["loc"] else ""
        raise ArtifactError(f"{what}{where}: {first['msg']}{got}".replace("\n", " ")) from None
