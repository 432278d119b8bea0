"""Every setting of the service: typed, documented, read once from the environment."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from app.settings.checks import check_together
from app.settings.fields import Check, setting

_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
_IPV6 = r"[0-9A-Fa-f]*(:[0-9A-Fa-f.]*){2,}"
_PORT = r"[0-9]{1,5}"

# Threads of a worker that wait for neither the engine nor a clip: they answer /health and
# /metrics, read bodies, and refuse what does not fit into the queue.
SPARE_THREADS = 9
# Each holds a thread while the engine does not care.
MAX_DOWNLOADS = 15
MAX_SLOW_READERS = 15
DAY = 86_400


@dataclass(frozen=True)
class Settings:
    """The configuration of one process; :func:`app.settings.source.load_settings` makes it."""

    # Server
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
    # Model
    model_dir: str = setting(
        "auto",
        "Model",
        (
            "Folder with the model, or the folder around it. `auto`: `models/IndexTTS`, or "
            "the small demonstration model `models/demo` until you have fetched the official "
            "one."
        ),
    )
    device: str = setting(
        "auto",
        "Model",
        "`auto`, `cpu` or `cuda`; INDEXTTS_GPUS selects the GPU.",
        check=Check(r"auto|cpu|cuda(:[0-9]{1,3})?", "auto, cpu or cuda"),
    )
    precision: str = setting(
        "auto", "Model", "Number format of the GPT.", choices=("auto", "fp32", "fp16", "bf16")
    )
    encoders_device: str = setting(
        "auto",
        "Model",
        "Where clips are read, which takes more than half of the weights: on the `same` device, or "
        "on the `cpu`, where a new clip takes seconds but no GPU memory. `auto`: `cpu` where a GPU "
        "has less memory free than the files of the weights take.",
        choices=("auto", "same", "cpu"),
    )
    deepspeed: str = setting(
        "auto",
        "Model",
        "Whether to use DeepSpeed when it is installed; only with INDEXTTS_MAX_BATCH=1.",
        choices=("auto", "off"),
    )
    max_batch: str = setting(
        "auto",
        "Model",
        (
            "Sentences that share the model's steps, of one request or of several; this many "
            "requests are spoken at once. `auto`: 4 on a CPU, 1 to 16 on a GPU, as its memory "
            "allows. With `1` a seed gives the same bytes whatever else is spoken, and DeepSpeed "
            "can be used."
        ),
        check=Check(r"auto|[1-9][0-9]{0,2}", "auto or a number from 1 to 999"),
    )
    verbalizer: str = setting(
        "wetext",
        "Model",
        "What reads numbers and symbols under `reference` normalization.",
        choices=("wetext", "wetextprocessing"),
    )
    normalization: str = setting(
        "natural",
        "Model",
        ("How texts are read unless a request says otherwise; `reference` follows the original."),
        choices=("natural", "reference", "off"),
    )
    voice_cache_bytes: int = setting(
        256 * 1024 * 1024,
        "Model",
        "Memory for what the model has computed from recent clips.",
        minimum=0,
        maximum=1 << 44,
    )
    quality: str = setting(
        "exact",
        "Model",
        "Class of the requests that name none: `exact` follows the original, `fast` leaves out "
        "what is hard to hear.",
        choices=("exact", "fast"),
    )
    fast_weights: str = setting(
        "auto",
        "Model",
        "What `fast` multiplies large matrices in; `auto`: bf16, or else int8, where the processor "
        "has instructions for it.",
        choices=("auto", "fp32", "bf16", "int8"),
    )
    fast_steps: str = setting(
        "auto",
        "Model",
        "Diffusion steps of `fast` at most: 1 to 100, `exact` for all of them, or `auto` for what "
        "has been measured to be enough.",
        check=Check(r"auto|exact|[1-9][0-9]?|100", "auto, exact or a number from 1 to 100"),
    )
    fast_prompt_seconds: str = setting(
        "auto",
        "Model",
        "Seconds of the clip that the acoustic model of `fast` reads at most: 1 to 15, `exact` or "
        "`auto`.",
        check=Check(
            r"auto|exact|([1-9]|1[0-4])(\.[0-9]{1,3})?|15(\.0+)?",
            "auto, exact or a number from 1 to 15",
        ),
    )
    fast_beams: str = setting(
        "auto",
        "Model",
        "Beams of `fast` at most, where a request does not say: 1 to 16, `exact` or `auto`.",
        check=Check(r"auto|exact|[1-9]|1[0-6]", "auto, exact or a number from 1 to 16"),
    )
    gpus: tuple[str, ...] = setting(
        (),
        "Model",
        (
            "GPUs for the workers, one each, in order (`0,1` or UUIDs). Empty: those in "
            "CUDA_VISIBLE_DEVICES, or else all of them."
        ),
        check=Check(
            r"[0-9]{1,3}|(GPU|MIG)-[A-Za-z0-9/-]+", "numbers, or UUIDs that begin with GPU- or MIG-"
        ),
    )
    engine: str = setting(
        "",
        "Model",
        "Development only: `module:factory` of a stand-in for the engine.",
        check=Check(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", "module:factory"),
    )
    oom_fallback: bool = setting(
        True, "Model", "Move to the CPU when the GPU runs out of memory twice for the same request."
    )
    load_failure_seconds: float = setting(
        10.0,
        "Model",
        "How long /health shows a failed load or a broken device. Then the worker tries to load "
        "the model again (at doubling intervals when files or settings are wrong), or exits and is "
        "restarted.",
        minimum=0,
        maximum=3600,
    )
    stuck_seconds: float = setting(
        120.0,
        "Model",
        "An inference that makes no progress for this long counts as `stuck`.",
        minimum=0.1,
        maximum=DAY,
    )
    stuck_exit_seconds: float = setting(
        15.0,
        "Model",
        "A worker that stays stuck for this much longer exits and is restarted.",
        minimum=0.1,
        maximum=DAY,
    )
    idle_unload_seconds: float = setting(
        0.0,
        "Model",
        "After so long without work the model's memory is freed; the next request loads it again "
        "(0: never).",
        minimum=0,
        maximum=30 * DAY,
    )
    idle_reload: str = setting(
        "wait",
        "Model",
        "What becomes of requests while it is loaded again: they `wait`, within their time limit, "
        "or are refused (`refuse`) with 503 and Retry-After.",
        choices=("wait", "refuse"),
    )
    # Voices
    voices_dir: str = setting(
        "auto",
        "Voices",
        "Folder of the stored voices. `auto`: `voices` beside the program. One that is empty is "
        "filled with the clips of `examples/voices`.",
    )
    voices_write: bool = setting(
        False, "Voices", "Let clients add and remove voices (with a key, if keys are set)."
    )
    voice_fallback: str = setting(
        "",
        "Voices",
        "Voice for requests that name one that is not there; without it they are refused.",
        check=Check(r"[^\W_][\w-]*", "the name of a stored voice, or default"),
    )
    # Requests
    queue_size: int = setting(
        32, "Requests", "Requests that may wait while another is running.", minimum=0, maximum=256
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

    def __post_init__(self) -> None:
        check_together(self)

    @property
    def thread_count(self) -> int:
        """Request threads of a worker."""
        if self.threads:
            return self.threads
        return 1 + self.queue_size + self.download_places + self.stream_places + SPARE_THREADS

    @property
    def download_places(self) -> int:
        """Clips that may be downloaded at once: as many as may wait for the engine, to a bound."""
        return 1 + min(self.queue_size, MAX_DOWNLOADS)

    @property
    def stream_places(self) -> int:
        """Streams that may be open at once; their readers may need longer than the engine."""
        return 1 + self.queue_size + 1 + min(self.queue_size, MAX_SLOW_READERS)

    @property
    def binds(self) -> tuple[str, ...]:
        """Addresses in Gunicorn's notation."""
        if self.bind:
            return self.bind
        host = self.host.removeprefix("[").removesuffix("]")  # as in URLs
        host = f"[{host}]" if ":" in host else host
        return (f"{host}:{self.port}",)

    @property
    def is_public(self) -> bool:
        """Whether other machines may reach the service directly."""
        return any(not _is_local(address) for address in self.binds)

    @property
    def uses_tokens(self) -> bool:
        """Whether signed tokens are accepted."""
        return bool(self.jwt_secret or self.jwt_public_key_file)

    @property
    def has_auth(self) -> bool:
        """Whether callers must show a key or a token."""
        return bool(self.api_keys or self.api_keys_file or self.uses_tokens)


def _is_local(address: str) -> bool:
    if address.startswith(("unix:", "fd://")):
        return True
    host = address.rsplit(":", 1)[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
