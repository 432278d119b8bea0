"""Parts that compare, on a GPU that is not there: nothing of theirs meets the wrong device.

The whole engine is tried in this way in tests/indextts/test_cuda.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
import torch

from benchmarks.gpu_check.bench import Bench
from benchmarks.gpu_check.parts import flow, graphs, loop, robust, slots, stages
from benchmarks.gpu_check.rows import Outcome, Row, Rows, read_rows
from tests.indextts.pretend_cuda import PretendCuda
from tests.indextts.pretend_streams import Graph

pytestmark = pytest.mark.slow


class FewPrecisions(Bench):
    """Pretending is slow; the tests of the decoder go through all of them."""

    @property
    def precisions(self) -> tuple[str, ...]:
        return ("fp32", "fp16")


@pytest.fixture
def bench() -> Iterator[Bench]:
    # One of two cards, so that a tensor on the first is found out.
    with PretendCuda(devices=2) as gpu, torch.inference_mode():
        recording = type(
            "Recording",
            (Graph,),
            {"__init__": lambda self: Graph.__init__(self, gpu)},
        )
        # Undone before the pretending ends: the other way round, a part of it would stay.
        counters = ("memory_allocated", "memory_reserved", "max_memory_allocated")
        with mock.patch.multiple(
            torch.cuda,
            CUDAGraph=recording,
            set_sync_debug_mode=lambda mode: None,
            reset_peak_memory_stats=lambda device: None,
            **dict.fromkeys(counters, lambda device: 1 << 20),
        ):
            yield FewPrecisions(
                torch.device("cuda:1"), dry=True, seed=1, model_dir=None, fault=None
            )


Part = Callable[[Rows, Bench], None]


def rows_of(part: Part, bench: Bench, path: Path) -> list[Row]:
    part(Rows("part", path / "rows.jsonl"), bench)
    return read_rows(path / "rows.jsonl")


@pytest.mark.parametrize(
    "part", [flow, graphs, loop, slots, stages], ids=lambda part: part.__name__
)
def test_a_part_is_green(part: object, bench: Bench, tmp_path: Path) -> None:
    rows = rows_of(part.run, bench, tmp_path)  # type: ignore[attr-defined]
    assert [row for row in rows if row.outcome is Outcome.FAILED] == []
    assert any(row.outcome is Outcome.OK for row in rows)
    if part is flow:
        assert any(" 4 replayed" in row.note for row in rows)
    if part in (graphs, stages):
        assert any("fp16" in row.name for row in rows)


def test_a_failing_recording_is_survived(bench: Bench, tmp_path: Path) -> None:
    rows = Rows("robust", tmp_path / "rows.jsonl")
    robust._failing_recording(rows, bench)
    found = read_rows(tmp_path / "rows.jsonl")
    assert [row.outcome for row in found] == [Outcome.OK] * 3
