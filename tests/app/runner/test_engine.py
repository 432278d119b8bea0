from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.runner.engine import EngineOptions, engine_factory, is_out_of_memory, poisons_device
from tests.app.stand_in_engine import OutOfMemoryError, StandInEngine

ROOT = Path(__file__).resolve().parents[3]


def test_a_stand_in_can_be_named() -> None:
    factory = engine_factory("tests.app.stand_in_engine:make")
    assert isinstance(
        factory(EngineOptions("models", "cpu", "fp32", "off", "wetext", 0)), StandInEngine
    )


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
