"""The arithmetic of benchmarks/service.py, and one short run of it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def service() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "service_benchmark", ROOT / "benchmarks" / "service.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_arrivals(service: ModuleType) -> None:
    assert service.arrivals(4.0, 1.0, False, 0) == [0.0, 0.25, 0.5, 0.75]
    random = service.arrivals(50.0, 20.0, True, 1)
    assert random == service.arrivals(50.0, 20.0, True, 1)
    assert random == sorted(random)
    assert len(random) == pytest.approx(1000, rel=0.15)


def test_percentiles(service: ModuleType) -> None:
    values = list(range(1, 101))
    assert [service.percentile(values, p) for p in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert service.percentile([7.0], 50) == 7.0
    assert service.percentile([], 50) == 0.0


def test_the_summary_counts_the_wait_from_when_a_request_was_due(service: ModuleType) -> None:
    samples = [
        service.Sample(0.0, 1.0, 200, 2.0, 1.0),
        service.Sample(0.5, 4.0, 200, 2.0, 1.0),
        service.Sample(1.0, 1.1, 429, 0.0, 0.0),
        service.Sample(1.5, 2.0, 0, 0.0, 0.0),
    ]
    report = service.summarise(samples, 2.0)
    assert (report.requests, report.served, report.refused, report.failed) == (4, 2, 1, 1)
    assert (report.latency_p50, report.latency_p95) == (1.0, 3.5)
    assert report.refusal_p95 == pytest.approx(0.1)
    assert report.served_per_second == pytest.approx(0.5)
    assert report.rtf == pytest.approx(0.5)
    assert report.statuses == {"0": 1, "200": 2, "429": 1}


@pytest.mark.deploy
def test_a_short_run(service: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "--rate 10 --seconds 1 --work 0.2 --queue-size 1 --json"
    assert service.main(arguments.split()) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["requests"] == 10
    assert report["served"] >= 2
    assert report["refused"] >= 1
    assert report["served"] + report["refused"] == 10
