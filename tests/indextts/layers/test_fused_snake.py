"""The fused activation gives what the plain one does: Triton's interpreter runs it on the CPU."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor

from indextts.layers.alias_free import AliasFreeActivation, FusedActivation
from indextts.layers.fused_snake import (
    FusedActivationUnavailableError,
    WrongKernelError,
    fuse_activations,
    open_fused_activation,
)
from indextts.stages.vocoder import vocoder_on
from tests.indextts.layers.vocoder_models import small_model
from tests.indextts.pretend_cuda import PretendCuda

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")

COMPARE = """
import torch
from indextts.layers.alias_free import AliasFreeActivation
from indextts.layers.snake_kernel import fused_activation

torch.manual_seed(0)
for length in (1, 2, 3, 4, 5, 7, 13, 511, 512, 513):
    batch, channels = (2, 3) if length < 5 else (1, 2)
    one = AliasFreeActivation(channels, separate_beta=True, logscale=True).requires_grad_(False)
    one.act.alpha.copy_(torch.randn(channels))
    one.act.beta.copy_(torch.randn(channels))
    # Not symmetric, and not the same in both directions.
    one.upsample.filter.copy_(torch.randn(1, 1, 12))
    one.downsample.lowpass.filter.copy_(torch.randn(1, 1, 12))
    one.compute_buffers(torch.device("cpu"))
    x = torch.randn(batch, length, channels).transpose(1, 2)
    plain = one(x)
    one.fused = fused_activation
    print(length, float((one(x) - plain).abs().max() / plain.abs().max()))
"""

COMPILE = """
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from indextts.layers.snake_kernel import _activation

names = ("x", "y", "frequency", "amplitude", "up", "down")
signature = {name: "*fp32" for name in names}
signature |= {"channels": "i32", "length": "i32", "lanes": "constexpr"}
source = ASTSource(_activation, signature=signature, constexprs={"lanes": 128})
made = compile(source, target=GPUTarget("cuda", 80, 32))
print(len(made.asm["cubin"]), "sin.approx" in made.asm["ptx"])
"""


def run(program: str, folder: Path, **environment: str) -> list[list[str]]:
    """What a program prints, in words by line."""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=200,
        env=os.environ | {"PYTHONPATH": str(root), "TRITON_CACHE_DIR": str(folder)} | environment,
    )
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


@needs_triton
@pytest.mark.slow
def test_the_kernel_gives_what_the_plain_form_does(tmp_path: Path) -> None:
    found = run(COMPARE, tmp_path, TRITON_INTERPRET="1")
    assert [int(length) for length, _ in found] == [1, 2, 3, 4, 5, 7, 13, 511, 512, 513]
    # Sums of twelve products in another order; a wrong tap or edge is off by a tenth.
    assert all(float(apart) < 1e-5 for _, apart in found), found


@needs_triton
@pytest.mark.slow
def test_the_kernel_is_made_for_a_gpu_with_sines_in_full(tmp_path: Path) -> None:
    ((size, approximate),) = run(COMPILE, tmp_path)
    assert int(size) > 1000
    assert approximate == "False"


@pytest.fixture
def cuda() -> Iterator[torch.device]:
    with PretendCuda(devices=2):
        yield torch.device("cuda:1")


def plain_rows(x: Tensor, frequency: Tensor, amplitude: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """In place of the kernel."""
    one = AliasFreeActivation(x.shape[1], separate_beta=False, logscale=False)
    one.frequency, one.amplitude = frequency, amplitude
    result: Tensor = one(x)
    return result


def spoiled(x: Tensor, *more: Tensor) -> Tensor:
    return plain_rows(x, *more) * 1.001


def with_kernel(monkeypatch: pytest.MonkeyPatch, kernel: FusedActivation) -> None:
    module = types.SimpleNamespace(fused_activation=kernel)
    monkeypatch.setitem(sys.modules, "indextts.layers.snake_kernel", module)


def test_a_kernel_that_agrees_is_used(cuda: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, ...]] = []

    def counted(x: Tensor, *more: Tensor) -> Tensor:
        calls.append(tuple(x.shape))
        return plain_rows(x, *more)

    with_kernel(monkeypatch, counted)
    model = small_model().to(cuda)
    with torch.inference_mode():
        vocoder = vocoder_on(model, cuda)
        tried = len(calls)
        waveform = vocoder.waveform(torch.randn(4, 9, device="cpu")).cpu()
        activations = sum(isinstance(one, AliasFreeActivation) for one in model.modules())
        assert len(calls) - tried == activations
        assert not fuse_activations(model, torch.device("cpu"))
        plain = vocoder.waveform(torch.randn(4, 9, device="cpu")).cpu()
    assert len(calls) - tried == activations
    assert waveform.shape == plain.shape


def test_a_kernel_that_disagrees_is_not_used(
    cuda: torch.device, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_kernel(monkeypatch, spoiled)
    with caplog.at_level(logging.INFO):
        assert not fuse_activations(small_model().to(cuda), cuda)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "off by" in record.message


def test_without_a_kernel_the_plain_form_runs_and_the_log_says_why(
    cuda: torch.device, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_compiler(*_: Tensor) -> Tensor:
        raise RuntimeError("Failed to find C compiler.\nPlease specify via CC.")

    with_kernel(monkeypatch, no_compiler)
    with caplog.at_level(logging.INFO):
        assert not fuse_activations(small_model().to(cuda), cuda)
        monkeypatch.setitem(sys.modules, "indextts.layers.snake_kernel", None)
        assert not fuse_activations(small_model().to(cuda), cuda)
    first, second = caplog.records
    assert first.message.endswith("(Failed to find C compiler.)")
    assert "snake_kernel" in second.message
    assert {first.levelno, second.levelno} == {logging.INFO}


def test_a_broken_device_is_not_taken_for_a_missing_kernel(
    cuda: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("CUDA error: an illegal memory access", "CUDA out of memory"):

        def broken(*_: Tensor, text: str = text) -> Tensor:
            raise RuntimeError(text)

        with_kernel(monkeypatch, broken)
        with pytest.raises(RuntimeError, match=text):
            fuse_activations(small_model().to(cuda), cuda)


@pytest.mark.cuda
def test_a_gpu_makes_the_kernel_and_agrees() -> None:
    device = torch.device("cuda")
    try:
        kernel = open_fused_activation(device)
    except WrongKernelError:
        raise
    except FusedActivationUnavailableError as reason:
        pytest.skip(str(reason))
    for length in (1, 2, 5, 513, 4097):
        one = AliasFreeActivation(5, separate_beta=True, logscale=True).to(device)
        x = torch.randn(2, 5, length, device=device)
        with torch.inference_mode():
            plain = one(x)
            one.fused = kernel
            assert float((one(x) - plain).abs().max()) < 1e-4
