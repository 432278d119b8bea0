"""Settings of the model, of how it is used, and of the stored voices."""

from __future__ import annotations

from dataclasses import dataclass

from app.settings.fields import DAY, Check, setting


@dataclass(frozen=True)
class EngineSettings:
    """What speaks; see :class:`app.settings.model.Settings`."""

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
