"""The soak: a small one through a real server, and that it sees what is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.soak import Soaked, main

FINE = Soaked(
    sent=10,
    ends=Counter(answered=7, cancelled=3),
    refused=2,
    seconds=1.0,
    resident=[100 << 20] * 9,
    workers=(frozenset({7}), frozenset({7})),
)


def test_what_is_wrong_is_said() -> None:
    assert FINE.faults(1.0) == []
    assert replace(FINE, sent=11).faults(1.0) == ["1 requests did not end"]
    grown = replace(FINE, resident=[100 << 20] * 5 + [110 << 20] * 4)
    assert grown.faults(9.0) == ["the workers have grown by 10.0 MiB"]
    assert grown.faults(11.0) == []
    left = replace(FINE, left={"indextts_segmentsdecoding": 1.0})
    assert left.faults(1.0) == ["at rest indextts_segmentsdecoding is 1"]
    replaced = replace(FINE, workers=(frozenset({7}), frozenset({8})))
    assert replaced.faults(1.0) == ["workers were replaced: [7] by [8]"]
    failed = replace(FINE, ends=Counter({"answered": 9, "500 oh": 1}))
    assert failed.faults(1.0) == ["1 requests ended so: 500 oh"]


@pytest.mark.deploy
def test_clients_that_hang_up_leave_nothing(
    tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model-dir", str(tiny_model_dir), "--requests", "40", "--clients", "6"]
    code = main(
        [*arguments, "--codes", "12", "--cancel-share", "0.5", "--growth", "64", "--english"]
    )
    printed = capsys.readouterr().out
    assert code == 0, printed
    row = [cell.strip() for cell in printed.splitlines()[2].split("|")]
    answered, cancelled = int(row[2]), int(row[3])
    assert answered + cancelled == 52
    assert min(answered, cancelled) > 5
