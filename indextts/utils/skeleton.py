"""Modules that have shapes and no numbers yet, for weights that come from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


@contextmanager
def skeleton() -> Iterator[None]:
    """What is made inside lies on the ``meta`` device, without first values.

    Those would be replaced anyway, and drawing them for ``meta`` makes torch import its compiler
    (``torch._dynamo``), which takes about a second.
    """
    with torch.device("meta"), _WithoutFirstValues():
        yield


class _WithoutFirstValues(TorchFunctionMode):
    """Leaves tensors as they are where ``torch.nn.init`` would fill them."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if getattr(func, "__module__", None) == "torch.nn.init":
            return named["tensor"] if "tensor" in named else args[0]
        return func(*args, **named)
