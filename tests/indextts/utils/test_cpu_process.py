from __future__ import annotations

import ctypes
import os
import subprocess
import sys

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


def test_threads_wait_passively_unless_the_environment_says_otherwise() -> None:
    environ = {"MALLOC_TRIM_THRESHOLD_": "1"}
    tune_process(environ)
    assert environ["OMP_WAIT_POLICY"] == "PASSIVE"
    environ["OMP_WAIT_POLICY"] = "ACTIVE"
    tune_process(environ)
    assert environ["OMP_WAIT_POLICY"] == "ACTIVE"
