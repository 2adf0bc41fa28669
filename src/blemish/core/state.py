"""What a part learnt, as a frozen dataclass of arrays: its annotations are the schema of the model file."""

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import MISSING, fields
from functools import cache
from types import UnionType
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, get_args, get_type_hints

import numpy as np

from blemish.core.errors import ArtifactError

Sizes = dict[str, int]
"""Lengths of axes by their names; an axis of one name has one length in all arrays of a state."""


class Stored:
    """The arrays of a file, each handed out once and only as it was declared (decisions.md 89).

    Example:
        >>> stored = Stored({"tail.grid": np.zeros(3)})
        >>> stored.under("tail").take("grid", ("float64",), ("level",), {})
        array([0., 0., 0.])
        >>> stored.check_empty()
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Hand these out."""
        self._left, self.prefix = dict(arrays), ""

    def under(self, name: str) -> "Stored":
        """Those whose names continue with a name and a dot; what is taken there is taken here."""
        those = copy(self)
        those.prefix += f"{name}."
        return those

    def __contains__(self, name: str) -> bool:
        """Whether there is an array of this name that was not taken."""
        return self.prefix + name in self._left

    def __bool__(self) -> bool:
        """Whether there is any left."""
        return any(name.startswith(self.prefix) for name in self._left)

    def take(
        self, name: str, dtypes: tuple[str, ...], axes: tuple[str | int, ...], sizes: Sizes, empty: tuple[str, ...] = ()
    ) -> np.ndarray:
        """One array.

        Args:
            name: In the file, after the prefix.
            dtypes: Types that it may have.
            axes: Length, or name, of each axis.
            sizes: Lengths of named axes so far; those that are new are added.
            empty: Names of axes whose length may be 0.

        Raises:
            ArtifactError: If it is missing, was taken, is of another type or shape, or is not finite.
        """
        name = self.prefix + name
        if name not in self._left:
            raise ArtifactError(f"array {name!r} is missing")
        array = self._left.pop(name)
        if array.dtype not in dtypes:
            raise ArtifactError(f"array {name!r} holds {array.dtype.name}, expected {' or '.join(dtypes)}")
        fits = len(axes) == array.ndim
        for axis, length in zip(axes, array.shape, strict=False):
            expected = axis if isinstance(axis, int) else sizes.setdefault(axis, length)
            fits = fits and length == expected and (length > 0 or isinstance(axis, int) or axis in empty)
        if not fits:
            shape = ", ".join(f"{axis} = {sizes[axis]}" if axis in sizes else str(axis) for axis in axes)
            raise ArtifactError(f"array {name!r} has shape {array.shape}, expected ({shape})")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ArtifactError(f"array {name!r} holds NaN or infinity")
        return array

    def check_empty(self) -> None:
        """Refuse what no part has asked for: raises ArtifactError."""
        if self._left:
            raise ArtifactError(f"array {min(self._left)!r} belongs to no part of the model")


Learnt = TypeVar("Learnt", bound="State")
"""The state that a part learns."""


class State:
    """Base of what parts learn and model files keep; subclasses are frozen dataclasses.

    A field is an array with a jaxtyping annotation (`Float64[np.ndarray, "point feature"]`), or another state, whose
    arrays stand among its own; either may be optional (`| None`). What has a default may be absent from a file: a field
    that is added needs one, so that older files load.

    Attributes:
        may_be_empty: Names of axes whose length may be 0.
        stored_as: Names in the file of fields that have another one there; before those of a state's arrays.

    Example:
        >>> from dataclasses import dataclass
        >>> from jaxtyping import Float64
        >>> @dataclass(frozen=True)
        ... class Line(State):
        ...     slope: Float64[np.ndarray, " feature"]
        >>> Line(np.ones(2)).arrays()
        {'slope': array([1., 1.])}
        >>> Line.read(Stored({"slope": np.ones(2)}), feature=3)
        Traceback (most recent call last):
        blemish.core.errors.ArtifactError: array 'slope' has shape (2,), expected (feature = 3)
    """

    may_be_empty: ClassVar[tuple[str, ...]] = ()
    stored_as: ClassVar[Mapping[str, str]] = {}

    def check(self) -> None:
        """Refuse what types and shapes cannot tell, by `need`: indices outside their table, a scale of 0."""

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays, by the names that model files use."""
        found: dict[str, np.ndarray] = {}
        for one, value in zip(_declared(type(self)), _values(self), strict=True):
            if isinstance(value, State):
                found |= {one.prefix + name: array for name, array in value.arrays().items()}
            elif isinstance(value, tuple):
                found |= {f"{i}.{name}": x for i, part in enumerate(value) for name, x in part.arrays().items()}
            elif value is not None:
                found[one.name] = value
        return found

    @classmethod
    def read(cls: type[Learnt], stored: Stored, given: Mapping[str, bool] | None = None, /, **sizes: int) -> Learnt:
        """The inverse of `arrays`, checked.

        Args:
            stored: Where the arrays are.
            given: Which fields that have a default must be there (True) or must not (False).
            sizes: Known lengths of axes, by name.

        Raises:
            ArtifactError: If an array is missing, or not as it was declared.
        """
        known, values = dict(sizes), {}
        for one in _declared(cls):
            must = (given or {}).get(one.field, None if one.optional else True)
            first = one.name if one.state is None else one.prefix + one.state.first_name()
            if must is False or (must is None and first not in stored):
                continue
            if one.state is not None:
                # What has a prefix of its own has axes of its own.
                values[one.field] = (
                    one.state.read(stored.under(one.name)) if one.name else one.state.read(stored, **known)
                )
            else:
                values[one.field] = stored.take(one.name, one.dtypes, one.axes, known, cls.may_be_empty)
        made = cls(**values)
        try:
            made.check()
        except ArtifactError as error:
            raise ArtifactError(f"arrays {stored.prefix + '…'!r}: {error}") from None
        return made

    @classmethod
    def first_name(cls) -> str:
        """The name in a file by which a state is there or not."""
        one = _declared(cls)[0]
        return one.name if one.state is None else one.prefix + one.state.first_name()


class Learns(Generic[Learnt]):
    """Base of parts that learn a `State`; a part whose `fit` has no declared state could not be stored, nor checked.

    Attributes:
        state: The class of what `fit` learns.
    """

    state: type[Learnt]

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a part that learns and does not declare what: raises TypeError."""
        super().__init_subclass__(**options)
        learns = "fit" in vars(cls) and not getattr(vars(cls)["fit"], "__isabstractmethod__", False)
        if learns and not (isinstance(getattr(cls, "state", None), type) and issubclass(cls.state, State)):
            raise TypeError(f"{cls.__name__} needs a class attribute 'state', the State that its fit learns")


def need(holds: Any, otherwise: str) -> None:
    """Raise ArtifactError unless something holds, for all elements of an array."""
    if not np.all(holds):
        raise ArtifactError(otherwise)


class _Declared(NamedTuple):
    """One field of a state: an array, or (then with `state`) another state, which may have no name of its own."""

    field: str
    name: str
    optional: bool
    state: type[State] | None
    dtypes: tuple[str, ...]
    axes: tuple[str | int, ...]

    @property
    def prefix(self) -> str:
        """What stands before the names of a state's arrays."""
        return f"{self.name}." if self.name else ""


@cache
def _declared(cls: type[State]) -> tuple[_Declared, ...]:
    """The fields of a state.

    Raises:
        TypeError: If one is neither an array of a declared shape nor a state: it could not be checked.
    """
    hints, found = get_type_hints(cls), []
    for one in fields(cls):  # pyright: ignore[reportArgumentType]
        kind: Any = hints[one.name]
        optional = one.default is not MISSING or one.default_factory is not MISSING
        if isinstance(kind, UnionType) or type(None) in get_args(kind):
            kind = next(arg for arg in get_args(kind) if arg is not type(None))
        state = kind if isinstance(kind, type) and issubclass(kind, State) else None
        array: Any = kind if hasattr(kind, "dim_str") else None
        many = get_args(kind)[:1] if array is None else ()
        if array is None and state is None and not (many and issubclass(many[0], State)):
            raise TypeError(
                f"{cls.__name__}.{one.name} is neither a jaxtyping array nor a state; a file cannot keep it"
            )
        name = cls.stored_as.get(one.name, "" if array is None else one.name)
        names = () if array is None else array.dim_str.split()
        axes = tuple(int(axis) if axis.isdigit() else axis for axis in names)
        found.append(_Declared(one.name, name, optional, state, () if array is None else tuple(array.dtypes), axes))
    return tuple(found)


def _values(state: State) -> Iterator[Any]:
    return (getattr(state, one.field) for one in _declared(type(state)))
