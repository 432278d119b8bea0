"""A real Gunicorn under load: ten times too much, signals, workers that are killed."""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from tests.app.gunicorn_server import Server, running_server, wait_for

pytestmark = pytest.mark.deploy


@dataclass
class Load:
    """What clients saw: a status, or what the connection met."""

    results: list[tuple[str, float]] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        return Counter(result for result, _ in self.results)

    def seconds(self, result: str) -> list[float]:
        return [seconds for found, seconds in self.results if found == result]


@contextmanager
def load(server: Server, text: str, clients: int) -> Iterator[Load]:
    """Clients that ask one after the other, each with a connection of its own."""
    found, stop = Load(), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            started = time.perf_counter()
            try:
                result = str(server.speak(text, timeout=60).status_code)
            except requests.ConnectionError as error:
                refused = "refused" in str(error)
                result = "refused" if refused else "lost"
                if refused:
                    return  # the service has stopped listening: it ends
            found.results.append((result, time.perf_counter() - started))

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    yield found
    stop.set()
    for thread in threads:
        thread.join(60)


def test_ten_times_too_much_is_refused_quickly_and_the_rest_is_served(
    tmp_path: Path, clip_hex: str
) -> None:
    with running_server(tmp_path, clip_hex, queue_size=1) as server:
        with load(server, "[slow 0.3]", clients=20) as found:
            wait_for(lambda: found.counts()["200"] >= 6 and found.counts()["429"] >= 100)
            assert server.health().status_code == 200
        assert set(found.counts()) == {"200", "429"}
        assert statistics.median(found.seconds("429")) < 1.0
        assert server.speak("after").status_code == 200


def test_sigterm_under_load_loses_nothing(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex) as server:
        with load(server, "[slow 0.1]", clients=4) as found:
            wait_for(lambda: found.counts()["200"] >= 8)
            server.terminate()
            assert server.process.wait(20) == 0
        assert set(found.counts()) <= {"200", "refused"}


def test_sighup_under_load_loses_nothing(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex) as server:
        (before,) = server.worker_pids()
        with load(server, "[slow 0.1]", clients=4) as found:
            wait_for(lambda: found.counts()["200"] >= 8)
            server.process.send_signal(signal.SIGHUP)
            wait_for(
                lambda: (
                    server.worker_pids() not in ([before], [])
                    and before not in server.worker_pids()
                )
            )
            served = found.counts()["200"]
            wait_for(lambda: found.counts()["200"] >= served + 8)
        # The new worker says 503 while it loads; nothing is cut off.
        assert set(found.counts()) <= {"200", "503"}


def test_a_killed_worker_takes_only_its_own_requests_along(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex) as server:
        (before,) = server.worker_pids()
        with load(server, "[slow 0.1]", clients=4) as found:
            wait_for(lambda: found.counts()["200"] >= 8)
            os.kill(before, signal.SIGKILL)
            wait_for(lambda: server.worker_pids() not in ([before], []))
            served = found.counts()["200"]
            wait_for(lambda: found.counts()["200"] >= served + 8)
        assert found.counts()["lost"] <= 2 * 4  # in work, and on their way
        assert set(found.counts()) <= {"200", "503", "lost"}


def test_memory_does_not_grow_with_requests(tmp_path: Path, clip_hex: str) -> None:
    """Good ones, wrong ones, broken clips and long texts, again and again."""
    bodies: list[dict[str, object]] = [
        {"text": "good", "spk_audio": clip_hex},
        {"text": "x" * 4000, "spk_audio": clip_hex},
        {"text": "good", "spk_audio": clip_hex, "format": "mp3"},
        {"text": "good", "spk_audio": "ab" * 50_000},
        {"text": "good", "spk_audio": clip_hex, "nonsense": list(range(400))},
        {"text": "[fail]", "spk_audio": clip_hex},
    ]
    with running_server(tmp_path, clip_hex) as server:
        (worker,) = server.worker_pids()

        def rounds(count: int) -> float:
            with requests.Session() as session:
                for _ in range(count):
                    for body in bodies:
                        session.post(f"{server.url}/tts", json=body, timeout=60)
                        session.post(f"{server.url}/tts/stream", json=body, timeout=60)
            return resident_megabytes(worker)

        before = rounds(8)
        # A request that left its clip or its answer behind would be 0.1 MB at least.
        assert rounds(20) - before < 8.0


def resident_megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the process is gone")
