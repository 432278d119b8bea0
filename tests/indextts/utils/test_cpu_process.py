from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from indextts.utils.cpu_process import tune_process

# Takes and frees what a tensor of 20 MB takes, ten times, in a thread as a service's engine does;
# prints how many pages the last nine cost.
PROGRAM = """
import ctypes, resource, sys, threading
from indextts.utils.cpu_process import tune_process

libc, size = ctypes.CDLL(None), 20 * 2**20
libc.malloc.restype = ctypes.c_void_p
environ = dict(pair.split("=") for pair in sys.argv[1:])
tune_process(environ)

def use():
    block = ctypes.c_void_p(libc.malloc(size))
    ctypes.memset(block, 1, size)
    libc.free(block)

def work():
    use()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(9):
        use()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
PAGES = 9 * 20 * 2**20 // 4096


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="glibc only"
)
def test_freed_memory_is_used_again_unless_the_environment_says_otherwise() -> None:
    def faults(*environ: str) -> int:
        own = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
        command = [sys.executable, "-c", PROGRAM, *environ]
        told = subprocess.run(command, env=own, stdout=subprocess.PIPE, check=True, timeout=60)
        return int(told.stdout)

    assert faults() < PAGES // 20
    assert faults("MALLOC_ARENA_MAX=4") > PAGES // 20


HUGE = """
import os, sys
from indextts.utils.cpu_process import tune_process

tune_process(os.environ)
import torch

weights = torch.ones(2**24)
inside = None
for line in open("/proc/self/smaps"):
    head = line.split()
    if not head[0].endswith(":"):
        first, last = (int(part, 16) for part in head[0].split("-"))
        inside = first <= weights.data_ptr() < last
    elif inside and head[0] == "AnonHugePages:":
        print(int(head[1]) * 1024)
"""


def test_weights_lie_in_large_pages_where_the_kernel_has_them() -> None:
    enabled = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not enabled.is_file() or "[never]" in enabled.read_text():
        pytest.skip("this kernel gives no large pages")
    own = {name: value for name, value in os.environ.items() if "THP" not in name}
    told = subprocess.run(
        [sys.executable, "-c", HUGE], env=own, stdout=subprocess.PIPE, check=True, timeout=60
    )
    # One page of 2 MB is enough: how many there are depends on what else is on the machine.
    assert int(told.stdout) >= 2**21


def test_threads_wait_passively_unless_the_environment_says_otherwise() -> None:
    environ = {"MALLOC_TRIM_THRESHOLD_": "1"}
    tune_process(environ, stays=False)
    assert environ == {"MALLOC_TRIM_THRESHOLD_": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    environ["OMP_WAIT_POLICY"] = "ACTIVE"
    tune_process(environ)
    assert environ["OMP_WAIT_POLICY"] == "ACTIVE"
