"""Counters on a disk that is full, taken over from a dead worker, or broken."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from app.counter_files import CounterFile

ROOT = Path(__file__).resolve().parents[2]


class Full:
    """What the file told about its disk."""

    def __init__(self) -> None:
        self.errors: list[OSError] = []

    def __call__(self, name: str, error: OSError) -> None:
        self.errors.append(error)


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def on_disk(path: Path) -> dict[str, float]:
    return {key: value for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path))}


def test_every_page_has_its_block_before_it_is_touched(tmp_path: Path) -> None:
    path, full = tmp_path / "counter_0.db", Full()
    counters = CounterFile(str(path), full)
    for index in range(2000):
        counters.write_value(f"key {index} " + "x" * 100, float(index), 0.0)
        status = path.stat()
        assert status.st_blocks * 512 >= status.st_size
    assert on_disk(path)["key 1999 " + "x" * 100] == 1999.0
    assert not full.errors


def test_another_worker_goes_on_where_one_ended(tmp_path: Path) -> None:
    path, full = tmp_path / "counter_0.db", Full()
    CounterFile(str(path), full).write_value("a", 5.0, 0.0)
    assert CounterFile(str(path), full).read_value("a") == (5.0, 0.0)


def test_a_disk_that_is_full_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    path, full = tmp_path / "counter_0.db", Full()
    counters = CounterFile(str(path), full)
    for index in range(1000):
        counters.write_value(f"key {index} " + "x" * 100, float(index), 0.0)
    assert counters.read_value("key 999 " + "x" * 100) == (999.0, 0.0)
    assert len(full.errors) == 1
    assert not path.exists()  # an empty file would break /metrics


def test_a_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, full = tmp_path / "counter_0.db", Full()
    counters = CounterFile(str(path), full)
    counters.write_value("early", 1.0, 0.0)
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    for index in range(2000):
        counters.write_value(f"key {index} " + "x" * 100, float(index), 0.0)
    counters.write_value("early", 2.0, 0.0)
    assert len(full.errors) == 1
    assert counters.read_value("early") == (2.0, 0.0)
    assert counters.read_value("key 1999 " + "x" * 100) == (1999.0, 0.0)
    assert on_disk(path)["early"] == 1.0


def test_a_broken_file_starts_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "counter_0.db"
    # 64 bytes are in use, and the first key is 1000 bytes long.
    path.write_bytes(struct.pack("iii", 64, 0, 1000) + bytes(100))
    counters = CounterFile(str(path), Full())
    counters.write_value("a", 1.0, 0.0)
    assert on_disk(path) == {"a": 1.0}
    assert "start again at 0" in caplog.text


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("used", ["all of it", "all but the first counters"])
def test_metrics_outlive_a_really_full_disk(small_disk: Path, used: str) -> None:
    program = """
import logging, sys
from pathlib import Path
logging.basicConfig(stream=sys.stdout)
disk, all_of_it = Path(sys.argv[1]), sys.argv[2] == "all of it"
def fill():
    with (disk / "fill").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
if all_of_it:
    fill()
from app.metrics import Metrics
metrics = Metrics()
metrics.http("/kept", "GET", 200, 0.1)
fill()
for index in range(1000):
    metrics.http(f"/{index}", "GET", 200, 0.1)
print("shown" if b"/kept" in metrics.exposition() else "not shown")
"""
    environ = os.environ | {
        "PROMETHEUS_MULTIPROC_DIR": str(small_disk),
        "PROMETHEUS_MULTIPROC_ID": "0",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", program, str(small_disk), used],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done
    assert done.stdout.count("The disk of the counters is full") == 1
    assert done.stdout.endswith("not shown\n" if used == "all of it" else "shown\n")
