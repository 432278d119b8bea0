"""Random numbers that depend on the request only, not on caches or on other requests."""

from __future__ import annotations

import hashlib
import secrets

import torch
from torch import Tensor


def draw_seed() -> int:
    """A seed for a request that brings none; small enough for every JSON reader."""
    return secrets.randbits(32)


def derive_seed(seed: int, purpose: str, index: int = 0) -> int:
    """An independent seed for one use of one segment."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # torch takes 63 bits


def generator(seed: int, device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def normal(seed: int, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Standard normal float32 of `shape`, drawn on `device`."""
    return torch.randn(shape, generator=generator(seed, device), device=device)
