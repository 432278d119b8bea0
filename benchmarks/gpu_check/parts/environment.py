"""What machine this is, and what it could do at best."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import time
from importlib.util import find_spec

import torch

from benchmarks.gpu_check.bench import Bench
from benchmarks.gpu_check.floors import measure_floors
from benchmarks.gpu_check.rows import Rows

PACKAGES = (
    "torch",
    "torchaudio",
    "numpy",
    "safetensors",
    "sentencepiece",
    "transformers",
    "pyyaml",
)
OTHERS = ("soundfile", "soxr", "wetext", "flask", "pytest", "deepspeed", "triton")


def run(rows: Rows, bench: Bench) -> None:
    rows.note("software", _software())
    rows.note("host", f"{platform.platform()}, {os.cpu_count()} cores")
    if bench.cuda:
        if shutil.which("nvidia-smi") is None:
            rows.skip("driver", "nvidia-smi is not there")
        else:
            with rows.guard("driver"):
                rows.note("driver", _driver())
        start = time.perf_counter()
        # The first call on the device makes the context; everything behind hangs on it.
        torch.zeros(1, device=bench.device)
        bench.sync()
        rows.figure("context", time.perf_counter() - start, "s")
        rows.note("card", _card(bench.device))
    else:
        rows.skip("card", "a dry run on the CPU")
    with rows.guard("arithmetic"):
        x = torch.linspace(-2, 2, 1000, device=bench.device)
        expected = torch.linspace(-2, 2, 1000).exp()
        bench_error = float((x.exp().cpu() - expected).abs().max())
        rows.check("arithmetic", bench_error < 1e-5, "exp beside the CPU's", bench_error)
    with rows.guard("floors"):
        floors = measure_floors(bench)
        rows.figure("copy", floors.bandwidth / 1e9, "GB/s", note="read and written counted")
        rows.figure("upload", floors.upload / 1e9, "GB/s", note="from ordinary memory")
        rows.figure("upload, pinned", floors.pinned_upload / 1e9, "GB/s")
        for kind, rate in floors.products.items():
            rows.figure(f"product, {kind}", rate / 1e12, "TFLOP/s")


def _software() -> str:
    found = [f"python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} MISSING")
    found.append(f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}")
    there = [name for name in OTHERS if find_spec(name) is not None]
    return ", ".join(found) + f"; also there: {', '.join(there) or 'nothing'}"


def _driver() -> str:
    query = "name,driver_version,memory.total,memory.used,clocks.sm,power.limit"
    done = subprocess.run(
        ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return done.stdout.strip()


def _card(device: torch.device) -> str:
    properties = torch.cuda.get_device_properties(device)
    return (
        f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, "
        f"{properties.multi_processor_count} multiprocessors, "
        f"capability {properties.major}.{properties.minor}"
    )
