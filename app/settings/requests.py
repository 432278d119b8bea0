"""Settings of what requests may ask for, who may send them, and what is written down."""

from __future__ import annotations

from dataclasses import dataclass

from app.settings.fields import DAY, Check, setting


@dataclass(frozen=True)
class RequestSettings:
    """What is answered; see :class:`app.settings.model.Settings`."""

    # Requests
    queue_size: int = setting(
        32,
        "Requests",
        "Requests that may be inside beside the first one, running or waiting.",
        minimum=0,
        maximum=256,
    )
    queue_seconds: float = setting(
        60.0,
        "Requests",
        "Longest wait that a request is let in for, by the length of the texts before it; a "
        "longer one is refused at once.",
        minimum=0,
        maximum=DAY,
    )
    request_seconds: float = setting(
        120.0,
        "Requests",
        "Time limit for a request. Reading the answer may take as long again, plus the length of "
        "its sound.",
        minimum=0.1,
        maximum=DAY,
    )
    max_text_chars: int = setting(
        5000, "Requests", "Longest text, in characters.", minimum=1, maximum=1_000_000
    )
    max_answer_seconds: float = setting(
        1500.0,
        "Requests",
        "Longest speech with its pauses; a text that needs more is refused before it is spoken.",
        minimum=1.0,
        maximum=DAY,
    )
    max_audio_seconds: float = setting(
        60.0, "Requests", "Longest reference clip, in seconds.", minimum=0.2, maximum=3600
    )
    max_audio_channels: int = setting(
        8, "Requests", "Most channels that a reference clip may have.", minimum=1, maximum=64
    )
    fetch_seconds: float = setting(
        15.0, "Requests", "Total time allowed for a download.", minimum=0.1, maximum=3600
    )
    fetch_max_bytes: int = setting(
        20 * 1024 * 1024,
        "Requests",
        "Largest reference clip, whether downloaded or uploaded.",
        minimum=1024,
        maximum=1 << 31,
    )
    fetch_max_redirects: int = setting(
        3, "Requests", "Most redirects that a download follows.", minimum=0, maximum=10
    )
    fetch_allow: tuple[str, ...] = setting(
        (), "Requests", "Private networks from which clips may be downloaded, e.g. `10.1.0.0/16`."
    )
    fetch_ports: tuple[str, ...] = setting(
        ("80", "443", "21"), "Requests", "Ports from which clips may be downloaded."
    )
    # Access
    api_keys: tuple[str, ...] = setting(
        (),
        "Access",
        "API keys; with none, anyone may use the service.",
        secret=True,
        check=Check(r"[!-~]+", "ASCII characters without spaces, as headers carry them"),
    )
    api_keys_file: str = setting("", "Access", "File with one API key per line.")
    jwt_secret: str = setting(
        "", "Access", "Secret for HS256 tokens, at least 32 characters.", secret=True
    )
    jwt_public_key_file: str = setting(
        "", "Access", "PEM file with the public key for RS256 tokens."
    )
    jwt_audience: str = setting("", "Access", "Audience that tokens must carry.")
    jwt_issuer: str = setting("", "Access", "Issuer that tokens must carry.")
    metrics_public: bool = setting(
        False, "Access", "Serve /metrics without a key even when keys are set."
    )
    page: bool = setting(True, "Access", "Serve a page at / on which to try the service.")
    docs: bool = setting(True, "Access", "Serve /docs, /redoc and /openapi.json.")
    cors_origins: tuple[str, ...] = setting(
        (),
        "Access",
        "Origins whose pages may call the service from a browser; `*` for all.",
        check=Check(r"\*|null|[a-z][a-z0-9+.-]*://[^/\s]+", "*, or scheme://host without a path"),
    )
    rate_limit: float = setting(
        0.0,
        "Access",
        "Requests per minute for each key or address (0: no limit).",
        minimum=0,
        maximum=1e6,
    )
    rate_burst: int = setting(
        10,
        "Access",
        "Requests that may come at once within the rate limit.",
        minimum=1,
        maximum=1_000_000,
    )
    redis_url: str = setting(
        "",
        "Access",
        "Redis server through which processes share the rate limit.",
        secret=True,
        check=Check(r"(rediss?|unix)://.+", "redis://, rediss:// or unix://"),
    )
    # Logs and metrics
    log_level: str = setting(
        "info",
        "Logs",
        "Lowest level that is logged.",
        choices=("debug", "info", "warning", "error"),
    )
    log_format: str = setting("text", "Logs", "Format of log lines.", choices=("text", "json"))
    metrics_dir: str = setting(
        "",
        "Logs",
        ("Folder for the counters that workers share, ideally in memory; empty: a temporary one."),
    )
    env_file: str = setting(
        "", "Logs", "File with more settings; environment variables take precedence."
    )
