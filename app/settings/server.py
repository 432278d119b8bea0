"""Settings of the server: where it listens, its processes, its limits on connections."""

from __future__ import annotations

from dataclasses import dataclass

from app.settings.fields import DAY, Check, setting

_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
_IPV6 = r"[0-9A-Fa-f]*(:[0-9A-Fa-f.]*){2,}"
_PORT = r"[0-9]{1,5}"


@dataclass(frozen=True)
class ServerSettings:
    """How it listens; see :class:`app.settings.model.Settings`."""

    host: str = setting(
        "0.0.0.0",  # noqa: S104 - as people expect of a server; the start warns without keys
        "Server",
        "Address to listen on; `127.0.0.1` serves this machine only.",
        check=Check(
            rf"{_NAME}|{_IPV6}|\[{_IPV6}\]",
            "a name or an address, such as 0.0.0.0, 127.0.0.1 or ::1",
        ),
    )
    port: int = setting(8000, "Server", "Port to listen on.", minimum=0, maximum=65535)
    bind: tuple[str, ...] = setting(
        (),
        "Server",
        (
            "Addresses in Gunicorn's notation, in place of host and port, e.g. "
            "`unix:/run/tts.sock,127.0.0.1:9101`."
        ),
        check=Check(
            rf"unix:.+|fd://[0-9]+|({_NAME}|\[{_IPV6}\]):{_PORT}",
            "host:port, unix:/path/of/socket or fd://3",
        ),
    )
    workers: int = setting(
        1,
        "Server",
        "Worker processes; each loads its own copy of the model.",
        minimum=1,
        maximum=64,
    )
    threads: int = setting(
        0,
        "Server",
        "Request threads per worker; 0 derives the number from the queue size.",
        minimum=0,
        maximum=512,
    )
    reload: bool = setting(False, "Server", "Restart workers when the code changes (development).")
    graceful_seconds: int = setting(
        180,
        "Server",
        "Time that running requests get to finish after SIGTERM.",
        minimum=1,
        maximum=DAY,
    )
    worker_timeout: int = setting(
        60,
        "Server",
        "Gunicorn kills a worker whose main thread has not responded for this long.",
        minimum=5,
        maximum=DAY,
    )
    keepalive_seconds: int = setting(
        5, "Server", "How long an idle connection stays open.", minimum=0, maximum=300
    )
    client_seconds: int = setting(
        30,
        "Server",
        "A client that neither sends nor reads anything for this long during a request is "
        "disconnected. So is one that takes longer to send the request's head, or that then sends "
        "the body at less than 8 kB/s.",
        minimum=1,
        maximum=3600,
    )
    trust_proxy: int = setting(
        0,
        "Server",
        "Number of proxies in front whose X-Forwarded-For and -Proto headers are trusted.",
        minimum=0,
        maximum=10,
    )
    max_body_bytes: int = setting(
        40_000_000, "Server", "Largest request body.", minimum=1024, maximum=1 << 31
    )
