"""What callers give, as plain values; what is of another type is refused with a sentence.

Said here, at the door: further in, a float where an integer belongs stops a step that many
requests share, and the message is one of torch's.
"""

from __future__ import annotations

import operator
import reprlib
import sys
from collections.abc import Iterable
from numbers import Integral, Real

from indextts.errors import RequestError


def number(name: str, value: object, wanted: str = "a number") -> float:
    """The value as a float; NumPy's numbers are taken, booleans and texts are not.

    Raises:
        RequestError: it is no number.
    """
    if not _is_bool(value) and isinstance(value, Real):
        try:
            return float(value)
        except OverflowError:
            pass
    raise RequestError(f"{name} must be {wanted}, got {shown(value)}")


def whole(name: str, value: object, wanted: str = "a whole number") -> int:
    """The value as an int; 3.0 counts as 3, as it does in JSON.

    Raises:
        RequestError: it is no whole number.
    """
    if isinstance(value, Real) and not isinstance(value, Integral) and float(value).is_integer():
        return int(float(value))
    if not _is_bool(value):
        try:
            return operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
    raise RequestError(f"{name} must be {wanted}, got {shown(value)}")


def numbers(name: str, value: object, count: int) -> tuple[float, ...]:
    """`count` numbers of a list, a tuple or an array.

    Raises:
        RequestError: they are not so many, or not all of them are numbers.
    """
    wanted = f"{name} must have {count} numbers"
    if not isinstance(value, Iterable) or isinstance(value, str | bytes):
        raise RequestError(f"{wanted}, got {shown(value)}")
    found = tuple(value)
    if len(found) != count:
        raise RequestError(f"{wanted}, got {len(found)}")
    return tuple(number(f"{name}[{index}]", one) for index, one in enumerate(found))


def flag(name: str, value: object) -> bool:
    """True or False.

    Raises:
        RequestError: it is something else, such as the text "false", which would count as true.
    """
    if _is_bool(value):
        return bool(value)
    raise RequestError(f"{name} must be True or False, got {shown(value)}")


def text(name: str, value: object) -> str:
    """A text.

    Raises:
        RequestError: it is something else.
    """
    if isinstance(value, str):
        return value
    raise RequestError(f"{name} must be a text (str), got {shown(value)}")


def shown(value: object) -> str:
    """A value in a message: short, whatever it is."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an integer of thousands of digits has no decimal form
        return "a huge number"


def _is_bool(value: object) -> bool:
    """Python's or NumPy's, which the command line does without."""
    numpy = sys.modules.get("numpy")
    return isinstance(value, bool) or (numpy is not None and isinstance(value, numpy.bool_))
