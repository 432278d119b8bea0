"""Dataclasses and tuples that hold tensors, at any depth, beside plain values."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from torch import Tensor

T = TypeVar("T")

_PLAIN = (bool, int, float, str, type(None))


def tensors(tree: object) -> list[Tensor]:
    """All tensors, in a fixed order; raises TypeError for what is neither they nor plain."""
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, _PLAIN):
        return []
    return [tensor for part in _parts(tree) for tensor in tensors(part)]


def cloned(tree: T) -> T:
    """The same in memory of its own."""
    if isinstance(tree, Tensor):
        return tree.clone()  # type: ignore[return-value]
    if isinstance(tree, _PLAIN):
        return tree
    parts: list[Any] = [cloned(part) for part in _parts(tree)]
    if isinstance(tree, tuple):
        return tuple(parts)  # type: ignore[return-value]
    names = (field.name for field in fields(tree))  # type: ignore[arg-type]
    return type(tree)(**dict(zip(names, parts, strict=True)))


def copy_tensors(places: object, tree: object) -> None:
    """Copy the tensors of a tree into those of another one of the same layout."""
    for own, new in zip(tensors(places), tensors(tree), strict=True):
        if own is not new:
            own.copy_(new)


def layout(tree: object) -> Hashable:
    """What two trees have in common between which tensors can be copied: shapes, plain values."""
    if isinstance(tree, Tensor):
        return (tree.shape, tree.dtype)
    if isinstance(tree, _PLAIN):
        return tree
    return (type(tree), *(layout(part) for part in _parts(tree)))


def _parts(tree: object) -> list[Any]:
    if isinstance(tree, tuple):
        return list(tree)
    if is_dataclass(tree):
        return [getattr(tree, field.name) for field in fields(tree)]
    raise TypeError(f"a tree of tensors cannot hold a {type(tree).__name__}")
