"""Dataclasses of tensors whose first axis is the sequences: joined, and thinned out."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

T = TypeVar("T")


def joined(first: T, second: T) -> T:
    """The sequences of both; where the last axis differs, the shorter is filled up with zeros."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return _joined_tensors(first, second)  # type: ignore[return-value]
    values: dict[str, Any] = {
        field.name: joined(getattr(first, field.name), getattr(second, field.name))
        for field in fields(first)  # type: ignore[arg-type]
    }
    return type(first)(**values)


def kept(state: T, index: Tensor) -> T:
    """Only the sequences `index` (int64 [n]), in new tensors."""
    if isinstance(state, Tensor):
        return state.index_select(0, index)  # type: ignore[return-value]
    values: dict[str, Any] = {
        field.name: kept(getattr(state, field.name), index)
        for field in fields(state)  # type: ignore[arg-type]
    }
    return type(state)(**values)


def _joined_tensors(first: Tensor, second: Tensor) -> Tensor:
    if first.dim() > 1:
        width = max(first.shape[-1], second.shape[-1])
        first = F.pad(first, (0, width - first.shape[-1]))
        second = F.pad(second, (0, width - second.shape[-1]))
    return torch.cat((first, second))
