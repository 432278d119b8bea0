"""Read checkpoint files and put them into modules, without a second copy in memory.

A module is built on the ``meta`` device (shapes only), then the tensors of the
memory-mapped file *become* its parameters::

    with skeleton():
        module = Generator(config)
    load_into(module, read_state_dict(path, unwrap="generator"), path)

Modules that need constants which are no part of a checkpoint register them as
non-persistent buffers and fill them in ``compute_buffers(device)``.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from indextts.errors import ModelFileError

StateDict = dict[str, Tensor]

FETCH_HINT = "Fetch it with: indextts download --dir {folder}"

# What torch's reader stumbles over in a file that is cut off, damaged or of another kind.
_DAMAGE = (
    RuntimeError,
    pickle.UnpicklingError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    struct.error,
)


def read_pickle(path: Path) -> Any:
    """Load a torch checkpoint without running code from it; storages stay memory-mapped.

    Raises:
        ModelFileError: missing, truncated, or not a checkpoint of plain tensors.
    """
    hint = FETCH_HINT.format(folder=path.parent)
    if not path.is_file():
        raise ModelFileError(path, "is missing.", hint)
    try:
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError as error:
            if "mmap can only be used" not in str(error):
                raise
            # Files of the format before torch 1.6 are no archives and cannot be mapped.
            return torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        raise ModelFileError(path, f"is truncated or not a checkpoint ({error}).", hint) from error


def read_safetensors(path: Path, wanted: Callable[[str], bool] | None = None) -> StateDict:
    """Load (the wanted keys of) a safetensors file, memory-mapped.

    Raises:
        ModelFileError: missing, truncated or of another format.
    """
    hint = FETCH_HINT.format(folder=path.parent)
    if not path.is_file():
        raise ModelFileError(path, "is missing.", hint)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {
                key: file.get_tensor(key)
                for key in file.keys()  # noqa: SIM118 - a safe_open handle is no mapping
                if wanted is None or wanted(key)
            }
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(path, f"is truncated or not safetensors ({error}).", hint) from error


def read_state_dict(path: Path, *, unwrap: Iterable[str] = ()) -> StateDict:
    """Load a flat state dict from a torch pickle or a safetensors file.

    Args:
        path: the file; its suffix decides the format.
        unwrap: keys of wrapping dictionaries to open where they are present, outermost first.

    Raises:
        ModelFileError: missing, truncated, or no state dict inside.
    """
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    content = read_pickle(path)
    for key in unwrap:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    return tensors_of(content, path)


def tensors_of(content: object, path: Path) -> StateDict:
    """The tensors of a flat mapping, with a data-parallel prefix ``module.`` taken off."""
    if not isinstance(content, Mapping):
        raise ModelFileError(path, f"holds no state dict but a {type(content).__name__}.")
    return {
        str(key).removeprefix("module."): value
        for key, value in content.items()
        if isinstance(value, Tensor)
    }


def fold_weight_norm(state: Mapping[str, Tensor], path: Path | str) -> StateDict:
    """Replace each pair ``weight_g``, ``weight_v`` by the plain ``weight`` it stands for.

    weight = g * v / ||v||, the norm over all axes but the first (Salimans and Kingma 2016;
    s2mel.md 4.7, vocoder.md 4).  A state dict without weight norm comes back unchanged.

    Args:
        state: content of a checkpoint.
        path: named in errors.

    Raises:
        ModelFileError: a direction ``weight_v`` has no magnitude ``weight_g`` that fits.
    """
    folded: StateDict = {}
    for key, value in state.items():
        if key.endswith(".weight_g"):
            continue
        if not key.endswith(".weight_v"):
            folded[key] = value
            continue
        stem = key.removesuffix("_v")
        magnitude = state.get(f"{stem}_g")
        hint = FETCH_HINT.format(folder=Path(path).parent)
        if magnitude is None:
            problem = f"has no entry {stem + '_g'!r}; is it another model's file?"
            raise ModelFileError(path, problem, hint)
        if magnitude.numel() != len(value):
            problem = (
                f"{stem + '_g'!r} has shape {tuple(magnitude.shape)}, which does not fit {key!r} "
                f"of shape {tuple(value.shape)}."
            )
            raise ModelFileError(path, problem, hint)
        direction = value.float()
        norm = direction.flatten(1).norm(dim=1).view(-1, *[1] * (value.dim() - 1))
        folded[stem] = direction * (magnitude.float().view_as(norm) / norm)
    return folded


def load_into(
    module: nn.Module,
    state: Mapping[str, Tensor],
    path: Path | str,
    *,
    prefix: str = "",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> None:
    """Make the tensors of `state` the parameters of `module` (which may be on ``meta``).

    Floating tensors are cast to `dtype` only where they differ; keys that the module does not
    know are passed over.  Ends in eval mode with gradients off.

    Args:
        module: usually built in a :func:`~indextts.utils.skeleton.skeleton`.
        state: key -> tensor.
        path: named in errors.
        prefix: what to put before the module's own keys to find them in `state`.

    Raises:
        ModelFileError: a parameter or persistent buffer has no entry, or one of another shape.
    """
    hint = FETCH_HINT.format(folder=Path(path).parent)
    wanted: StateDict = {}
    for key, target in module.state_dict().items():
        full = prefix + key
        if full not in state:
            raise ModelFileError(path, f"has no entry {full!r}; is it another model's file?", hint)
        value = state[full]
        if value.shape != target.shape:
            raise ModelFileError(
                path,
                f"{full!r} has shape {tuple(value.shape)}, config.yaml asks for "
                f"{tuple(target.shape)}.",
                hint,
            )
        wanted[key] = value.to(device, dtype if value.is_floating_point() else value.dtype)
    module.load_state_dict(wanted, strict=True, assign=True)
    for child in module.modules():
        compute = getattr(child, "compute_buffers", None)
        if compute is not None:
            compute(torch.device(device))
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_meta:
            raise RuntimeError(f"{type(module).__name__}.{name} was never given a value")
    module.requires_grad_(False).eval()
