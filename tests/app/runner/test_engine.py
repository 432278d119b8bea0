from __future__ import annotations

import subprocess
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.factory import engine_options
from app.runner import engine
from app.runner.engine import (
    EngineOptions,
    device_memory,
    engine_factory,
    is_out_of_memory,
    poisons_device,
    release_memory,
)
from app.settings import load_settings
from indextts.utils import device_errors
from tests.app.stand_in_engine import OutOfMemoryError, StandInEngine

ROOT = Path(__file__).resolve().parents[3]


def test_a_stand_in_can_be_named() -> None:
    factory = engine_factory("tests.app.stand_in_engine:make")
    options = EngineOptions("models", "cpu", "fp32", "off", "wetext", "natural", cache_bytes=0)
    assert isinstance(factory(options), StandInEngine)


def test_the_settings_say_where_clips_are_read() -> None:
    assert engine_options(load_settings({})).encoders_device == "auto"
    read = load_settings({"INDEXTTS_ENCODERS_DEVICE": "cpu"})
    assert engine_options(read, "cuda:0").encoders_device == "cpu"


@pytest.mark.parametrize("spec", ["no.such.module:make", "tests.app.conftest:absent", "nonsense"])
def test_a_wrong_name_is_told(spec: str) -> None:
    with pytest.raises(ValueError, match="INDEXTTS_ENGINE"):
        engine_factory(spec)
    with pytest.raises(ValueError, match="cannot be called"):
        engine_factory("tests.app.conftest:STAND_IN")


@pytest.mark.parametrize(
    ("error", "memory", "poison"),
    [
        (OutOfMemoryError("x"), True, False),
        (RuntimeError("CUDA error: out of memory"), True, False),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
            True,
            False,
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True, False),
        (RuntimeError("CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True, False),
        (
            RuntimeError("FIND was unable to find an engine to execute this computation"),
            True,
            False,
        ),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False, True),
        (RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED"), False, True),
        (type("AcceleratorError", (RuntimeError,), {})("x"), False, True),
        (RuntimeError("shape mismatch"), False, False),
        (ValueError("CUDA error in a text"), False, False),
        (MemoryError(), False, False),
    ],
)
def test_kinds_of_failure(error: Exception, memory: bool, poison: bool) -> None:
    assert is_out_of_memory(error) is memory
    assert poisons_device(error) is poison


class Cuda:
    """What of torch.cuda is asked; its cache cannot be emptied."""

    def empty_cache(self) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    def memory_allocated(self, device: str) -> int:
        return {"cuda:0": 10, "cuda:1": 20}[device]


def use_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (engine, device_errors):
        monkeypatch.setattr(module, "loaded_torch", lambda: SimpleNamespace(cuda=Cuda()))


def test_the_memory_is_that_of_the_engines_device(monkeypatch: pytest.MonkeyPatch) -> None:
    use_cuda(monkeypatch)
    assert [device_memory(name) for name in ("cuda:0", "cuda:1", "cpu")] == [10, 20, 0]


class Tensor:
    """Something large that a frame holds."""


def fail_while_failing(alive: list[weakref.ref[Tensor]]) -> None:
    try:
        _fail(alive)
    except OutOfMemoryError:
        _fail(alive)


def _fail(alive: list[weakref.ref[Tensor]]) -> None:
    held = Tensor()
    alive.append(weakref.ref(held))
    raise OutOfMemoryError("x")


def test_everything_that_led_to_a_failure_is_released(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    use_cuda(monkeypatch)
    alive: list[weakref.ref[Tensor]] = []
    try:
        fail_while_failing(alive)
    except OutOfMemoryError as error:
        failure = error
    failure.__context__.__cause__ = failure  # type: ignore[union-attr]
    release_memory(failure)
    assert [reference() for reference in alive] == [None, None]
    assert "could not be released" in caplog.text


def test_the_master_imports_neither_torch_nor_prometheus() -> None:
    code = (
        "import sys, runpy; runpy.run_path('gunicorn.conf.py');"
        "import app.gunicorn.worker;"
        "print([m for m in ('torch', 'prometheus_client', 'flask') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_application_needs_no_torch() -> None:
    code = "import sys, app.factory; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "False", done.stderr
