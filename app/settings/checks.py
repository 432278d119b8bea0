"""What no single setting can tell: whether the settings fit together."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from app.settings.fields import SettingsError

if TYPE_CHECKING:
    from app.settings.model import Settings


def check_together(settings: Settings) -> None:
    """Raises SettingsError for settings that exclude each other or make no sense together."""
    _check_network(settings)
    _check_model(settings)
    _check_tokens(settings)
    _check_threads(settings)


def _check_network(settings: Settings) -> None:
    for network in settings.fetch_allow:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise SettingsError(
                f"INDEXTTS_FETCH_ALLOW: {network!r} is no network; write e.g. 10.1.0.0/16"
            ) from None
    for port in settings.fetch_ports:
        if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise SettingsError(f"INDEXTTS_FETCH_PORTS: {port!r} is no port")
    for address in settings.bind:
        port = address.rpartition(":")[2]
        if not address.startswith(("unix:", "fd://")) and int(port) > 65535:
            raise SettingsError(f"INDEXTTS_BIND: {address!r} has a port above 65535")


def _check_model(settings: Settings) -> None:
    if settings.device.startswith("cuda:") and settings.device != "cuda:0":
        # A worker sees the GPU of its slot and no other.
        raise SettingsError(
            f"INDEXTTS_DEVICE: a worker sees one GPU only, not {settings.device!r}; choose it with "
            f"INDEXTTS_GPUS={settings.device.removeprefix('cuda:')} and INDEXTTS_DEVICE=cuda"
        )
    if settings.device == "cpu" and settings.precision == "fp16":
        raise SettingsError("INDEXTTS_PRECISION: fp16 needs a GPU; the CPU takes fp32 or bf16")


def _check_tokens(settings: Settings) -> None:
    if settings.jwt_secret and settings.jwt_public_key_file:
        raise SettingsError(
            "INDEXTTS_JWT_SECRET and INDEXTTS_JWT_PUBLIC_KEY_FILE exclude each other"
        )
    if settings.jwt_secret and len(settings.jwt_secret) < 32:
        raise SettingsError("INDEXTTS_JWT_SECRET: use at least 32 characters")
    if (settings.jwt_audience or settings.jwt_issuer) and not settings.uses_tokens:
        raise SettingsError(
            "INDEXTTS_JWT_AUDIENCE and INDEXTTS_JWT_ISSUER need INDEXTTS_JWT_SECRET or "
            "INDEXTTS_JWT_PUBLIC_KEY_FILE"
        )


def _check_threads(settings: Settings) -> None:
    if 0 < settings.threads < settings.queue_size + 3:
        raise SettingsError(
            f"INDEXTTS_THREADS: at least {settings.queue_size + 3} for a queue of "
            f"{settings.queue_size} (INDEXTTS_QUEUE_SIZE), or 0 to have it computed"
        )
