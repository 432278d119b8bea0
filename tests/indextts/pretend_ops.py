"""What a pretend GPU (pretend_cuda.py) knows of torch's operations."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ENGINE = str(Path(__file__).resolve().parents[2] / "indextts")
aten = torch.ops.aten


def engine_line() -> str:
    """The innermost line of the engine that is being run."""
    frame = sys._getframe()
    while frame is not None and not frame.f_code.co_filename.startswith(ENGINE):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return "outside the engine"
    code = frame.f_code
    return f"{Path(code.co_filename).relative_to(ENGINE)}:{frame.f_lineno} {code.co_name}"


def flat(x: Any) -> list[Any]:
    """What is in nested tuples, lists and dictionaries; torch's own pytrees are slow."""
    if isinstance(x, tuple | list):
        return [leaf for part in x for leaf in flat(part)]
    return flat(tuple(x.values())) if isinstance(x, dict) else [x]


def mapped(function: Callable[[Any], Any], x: Any) -> Any:
    """The same structure with every leaf put through a function."""
    if isinstance(x, tuple | list):
        return type(x)([mapped(function, part) for part in x])
    if isinstance(x, dict):
        return {key: mapped(function, part) for key, part in x.items()}
    return function(x)


@functools.cache
def is_composite(func: Any) -> bool:
    if func is aten.scaled_dot_product_attention.default:
        return False  # one kernel, in which nothing can go wrong with devices
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    return has(func.name(), "CompositeImplicitAutograd") and not has(func.name(), "CPU")


def with_schema(func: Any, args: Any, kwargs: Any) -> list[tuple[Any, Any]]:
    """Arguments, each with what the operation does to it."""
    declared = func._schema.arguments
    pairs = [(x, a.alias_info) for x, a in zip(args, declared, strict=False)]
    return pairs + [(kwargs[a.name], a.alias_info) for a in declared if a.name in kwargs]


@functools.cache
def writes(func: Any) -> bool:
    return any(a.alias_info and a.alias_info.is_write for a in func._schema.arguments)


@functools.cache
def is_view(func: Any) -> bool:
    returned = func._schema.returns
    return not writes(func) and any(r.alias_info is not None for r in returned)


def cpu_equivalent(func: Any, args: Any, kwargs: Any) -> Any:
    """Operations that exist on CUDA only, in terms of those of the CPU."""
    name = func._schema.name.split("::")[1]
    if name == "cudnn_batch_norm":

        def batch_norm(*values: Any) -> tuple[Tensor, ...]:
            nothing = torch.zeros(0)
            return (aten.native_batch_norm(*values)[0], nothing, nothing, nothing)

        batch_norm._schema = func._schema  # type: ignore[attr-defined]
        return batch_norm, args[:8], {}
    return func, args, kwargs
