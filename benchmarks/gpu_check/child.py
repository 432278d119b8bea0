"""The process of one part."""

from __future__ import annotations

import argparse
import importlib
import sys

import torch

from benchmarks.gpu_check import faults
from benchmarks.gpu_check.bench import Bench
from benchmarks.gpu_check.catalogue import PARTS
from benchmarks.gpu_check.rows import Rows
from indextts.stages.device import set_cuda_arithmetic


def run_part(args: argparse.Namespace, fault: faults.Fault | None) -> int:
    """Run ``args.part``; what it raises becomes a row."""
    part = next(part for part in PARTS if part.name == args.part)
    rows = Rows(part.name, args.rows)
    device = torch.device("cpu" if args.dry_run else args.device)
    bench = Bench(device, args.dry_run, args.seed, args.model_dir, fault)
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
            # As the engine does when it loads a model; ours are not loaded.
            set_cuda_arithmetic(tf32=False)
        faults.begin(fault)
        importlib.import_module(part.module).run(rows, bench)
    except Exception as error:
        rows.error("the part itself", error)
    sys.stdout.flush()
    return 0
