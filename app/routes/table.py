"""Every address of the service, once: what it is for deployment, metrics and logs.

Standard library only: ``nginx/render.py`` reads this without the service's packages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# speech: works the model and answers once; stream: works the model and answers while it does;
# light: answers at once; changing: answers at once, but must not be asked twice for one request;
# hidden: for monitoring, not for the outside.
Kind = Literal["speech", "stream", "light", "changing", "hidden"]


@dataclass(frozen=True)
class Route:
    """An address.

    Attributes:
        path: Flask's rule; the ``route`` label of the metrics.
        methods: that it answers.
        kind: what a proxy must know about it.
        quiet: asked so often by machines that its good answers are logged at debug level only.
    """

    path: str
    methods: tuple[str, ...]
    kind: Kind
    quiet: bool = False


ROUTES = (
    Route("/tts", ("POST",), "speech"),
    Route("/tts/stream", ("POST",), "stream"),
    Route("/v1/audio/voices", ("GET", "POST"), "changing"),
    Route("/v1/audio/voices/<name>", ("DELETE",), "changing"),
    Route("/v1/audio/voices/<name>/sample", ("GET",), "light"),
    Route("/v1/audio/speech", ("POST",), "stream"),
    Route("/v1/models", ("GET",), "light"),
    Route("/v1/models/<name>", ("GET",), "light"),
    Route("/health", ("GET",), "light", quiet=True),
    Route("/health/live", ("GET",), "light", quiet=True),
    Route("/metrics", ("GET",), "hidden", quiet=True),
    Route("/", ("GET",), "light"),
    Route("/page/<version>/<name>", ("GET",), "light"),
    Route("/openapi.json", ("GET",), "light"),
    Route("/docs", ("GET",), "light"),
    Route("/docs/assets/<name>", ("GET",), "light"),
    Route("/redoc", ("GET",), "light"),
)


def paths(*kinds: Kind) -> tuple[str, ...]:
    """The paths of the routes of these kinds, in order."""
    return tuple(route.path for route in ROUTES if route.kind in kinds)


QUIET_PATHS = frozenset(route.path for route in ROUTES if route.quiet)
