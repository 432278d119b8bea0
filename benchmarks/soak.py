"""Soak: many mixed requests, many of whose clients hang up; nothing may be lost, left over or grow.

    python benchmarks/soak.py                              # models/demo, in a server of its own
    python benchmarks/soak.py --model-dir DIR --requests 2000 --clients 12
    python benchmarks/soak.py --url http://127.0.0.1:8000 --pid 4711

The requests are those of benchmarks/load.py.  Each is answered whole, or its client leaves after a
random time: while it waits, or in the middle of a stream.  Then the service is left alone, and its
metrics must show it at rest.  Memory is that of the workers, after a warm-up: the first third of
the requests against the last.  Of a service at --url it is looked at with --pid only.  The exit
code is 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import requests
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.load_requests import LoadRequest, make_requests, shipped_voices  # noqa: E402

# What must be 0 once nobody asks for anything.
AT_REST = (
    "indextts_running",
    "indextts_queue_length",
    "indextts_streams_open",
    "indextts_segments",
)
REST_SECONDS = 30.0
SAMPLES = 60
# Clients that hang up do so within so many times the mean time of an answer.
PATIENCE = 1.2

HEAD = (
    "| requests | answered | cancelled | failed | refused first | seconds | MiB, first third | "
    "last third | left over | workers |\n" + "| ---" * 10 + " |"
)


@dataclass(frozen=True)
class Soaked:
    """What a soak has shown.

    Attributes:
        sent: requests.
        ends: how the requests ended: "answered", "cancelled", or what went wrong.
        refused: answers that said "later", and were asked for again.
        seconds: from the first request to the last answer.
        resident: bytes of the workers, in the order of the requests.
        left: metrics that are not 0 at rest.
        workers: process ids before and after.
    """

    sent: int
    ends: Counter[str]
    refused: int
    seconds: float
    resident: Sequence[int] = ()
    left: dict[str, float] = field(default_factory=dict)
    workers: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())

    @property
    def thirds(self) -> tuple[float, float]:
        """Median memory in the first and in the last third, in MiB."""
        if len(self.resident) < 3:
            return 0.0, 0.0
        third = len(self.resident) // 3
        parts = self.resident[:third], self.resident[-third:]
        first, last = (statistics.median(part) / 2**20 for part in parts)
        return first, last

    def faults(self, growth: float) -> list[str]:
        """What is wrong, in sentences; `growth` MiB more memory are nothing."""
        found = [
            f"{count} requests ended so: {end}"
            for end, count in sorted(self.ends.items())
            if end not in ("answered", "cancelled")
        ]
        if self.ends.total() != self.sent:
            found.append(f"{self.sent - self.ends.total()} requests did not end")
        first, last = self.thirds
        if last - first > growth:
            found.append(f"the workers have grown by {last - first:.1f} MiB")
        found += [f"at rest {name} is {value:g}" for name, value in self.left.items()]
        before, after = self.workers
        if before != after:
            found.append(f"workers were replaced: {sorted(before)} by {sorted(after)}")
        return found

    def markdown(self) -> str:
        first, last = self.thirds
        failed = self.ends.total() - self.ends["answered"] - self.ends["cancelled"]
        before, after = self.workers
        return (
            f"| {self.ends.total()} | {self.ends['answered']} | {self.ends['cancelled']} | "
            f"{failed} | {self.refused} | {self.seconds:.0f} | {first:.1f} | {last:.1f} | "
            f"{len(self.left)} | {'the same' if before == after else 'replaced'} |"
        )


class Clients:
    """They ask one after the other, each with a connection of its own.

    Args:
        url: of the service.
        clips: the voices, as files.
        cancel_share: how many of the clients hang up.
        seed: of who hangs up, and when.
        timeout: for an answer, in seconds.
    """

    def __init__(
        self, url: str, clips: Sequence[bytes], cancel_share: float, seed: int, timeout: float
    ) -> None:
        self._url, self._clips, self._timeout = url, [clip.hex() for clip in clips], timeout
        self._cancel_share, self._seed = cancel_share, seed
        self._lock = threading.Lock()
        self._seconds: list[float] = []
        self.ends: Counter[str] = Counter()
        self.refused = 0

    def serve(self, request: LoadRequest) -> None:
        """Send a request, wait or leave, and note how it ended."""
        dice = random.Random(f"{self._seed} {request.number}")
        leaves = dice.random() < self._cancel_share
        patience = dice.uniform(0.0, PATIENCE) * self._usual() if leaves else None
        end = self._ask(request, patience)
        with self._lock:
            self.ends[end] += 1

    def _usual(self) -> float:
        """Seconds of an answer, of late."""
        with self._lock:
            return statistics.fmean(self._seconds[-50:]) if self._seconds else 1.0

    def _ask(self, request: LoadRequest, patience: float | None) -> str:
        begun = time.monotonic()
        while time.monotonic() < begun + self._timeout:
            try:
                end = self._answer(request, begun, patience)
            except requests.Timeout:
                return "no answer in time" if patience is None else "cancelled"
            except requests.RequestException as error:
                return f"{type(error).__name__}: the connection was lost"
            if end != "refused":
                return end
            with self._lock:
                self.refused += 1
            time.sleep(0.2)
        return "refused again and again"

    def _answer(self, request: LoadRequest, begun: float, patience: float | None) -> str:
        leave = None if patience is None else begun + patience
        wait = self._timeout if leave is None else max(0.01, leave - time.monotonic())
        path = "/tts/stream" if request.stream else "/tts"
        headers = {"Accept": "audio/wav"}
        size = 0
        with requests.post(
            self._url + path,
            json=request.for_service(self._clips),
            headers=headers,
            timeout=(self._timeout, wait),
            stream=True,
        ) as answer:
            if answer.status_code in (429, 503):
                return "refused"
            if answer.status_code != 200:
                told = answer.json()
                return f"{answer.status_code} {told['error']} {told.get('errors', '')}".rstrip()
            for piece in answer.iter_content(None):
                size += len(piece)
                if leave is not None and time.monotonic() > leave:
                    return "cancelled"
        if size <= 44:
            return "an answer without sound"
        with self._lock:
            self._seconds.append(time.monotonic() - begun)
        return "answered"


class Memory:
    """The workers of a Gunicorn master.

    Args:
        master: its process id; None: nothing is known.
    """

    def __init__(self, master: int | None) -> None:
        self._master = master

    def workers(self) -> frozenset[int]:
        if self._master is None:
            return frozenset()
        children = Path(f"/proc/{self._master}/task/{self._master}/children")
        return frozenset(int(pid) for pid in children.read_text().split())

    def resident(self) -> int | None:
        """Bytes of all workers."""
        found = [_resident(pid) for pid in self.workers()]
        return sum(found) if found else None


def _resident(pid: int) -> int:
    with contextlib.suppress(FileNotFoundError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def left_over(url: str, seconds: float) -> dict[str, float]:
    """Metrics that have not become 0 in this time; empty as soon as all have."""
    end = time.monotonic() + seconds
    while True:
        text = requests.get(f"{url}/metrics", timeout=30).text
        found = {
            sample.name + "".join(sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            if family.name in AT_REST
            for sample in family.samples
            if sample.value
        }
        health = requests.get(f"{url}/health", timeout=30).json()
        found |= {
            f"/health {name}": float(health[name])
            for name in ("queue_length", "running")
            if health[name]
        }
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.2)


def soak(
    clients: Clients, url: str, load: Sequence[LoadRequest], at_once: int, memory: Memory
) -> Soaked:
    """Send all requests, the first tenth of them twice: that is the warm-up."""
    warm_up = load[: max(len(load) // 10, 2 * at_once)]
    before = memory.workers()
    resident: list[int] = []

    def one(request: LoadRequest) -> None:
        clients.serve(request)
        done = clients.ends.total() - len(warm_up)
        if done > 0 and done % max(1, len(load) // SAMPLES) == 0:
            now = memory.resident()
            if now is not None:
                resident.append(now)

    begun = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, [*warm_up, *load]))
    seconds = time.monotonic() - begun
    left = left_over(url, REST_SECONDS)
    return Soaked(
        sent=len(warm_up) + len(load),
        ends=clients.ends,
        refused=clients.refused,
        seconds=seconds,
        resident=resident,
        left=left,
        workers=(before, memory.workers()),
    )


@contextlib.contextmanager
def service(options: argparse.Namespace) -> Iterator[tuple[str, int | None]]:
    """URL, and the process id of the master."""
    if options.url:
        yield options.url.rstrip("/"), options.pid
        return
    from tests.app.gunicorn_server import running_server

    with (
        tempfile.TemporaryDirectory(prefix="indextts-soak-") as folder,
        running_server(
            Path(folder),
            "",
            engine="",
            model_dir=options.model_dir,
            max_batch=options.max_batch,
            queue_size=2 * options.clients,
            queue_seconds=options.timeout,
            request_seconds=options.timeout,
        ) as server,
    ):
        yield server.url, server.process.pid


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="a running service; without it a server is started")
    parser.add_argument("--pid", type=int, help="master of the service at --url, on this machine")
    parser.add_argument("--model-dir", default=str(ROOT / "models" / "demo"))
    parser.add_argument("--max-batch", default="auto", help="slots of the server (auto)")
    parser.add_argument("--requests", type=int, default=2000, help="beside the warm-up (2000)")
    parser.add_argument("--clients", type=int, default=12, help="at once (12)")
    parser.add_argument("--cancel-share", type=float, default=0.3, help="who hangs up (0.3)")
    parser.add_argument("--seed", type=int, default=1, help="of who hangs up, and when (1)")
    parser.add_argument("--english", action="store_true", help="no Mandarin")
    parser.add_argument("--codes", type=int, help="bound on a segment's codes")
    parser.add_argument("--growth", type=float, default=16.0, help="MiB that are no leak (16)")
    parser.add_argument("--timeout", type=float, default=300.0, help="for an answer (300)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Print the table, and what is wrong; 1 if anything is."""
    options = parse_arguments(arguments)
    voices, english, mandarin = shipped_voices()
    mandarin = [] if options.english else mandarin
    load = make_requests(options.requests, english, mandarin, options.codes)
    with service(options) as (url, pid):
        clips = [path.read_bytes() for path in voices]
        clients = Clients(url, clips, options.cancel_share, options.seed, options.timeout)
        found = soak(clients, url, load, options.clients, Memory(pid))
    sys.stdout.write(f"{HEAD}\n{found.markdown()}\n")
    faults = found.faults(options.growth)
    sys.stdout.writelines(f"- {fault}\n" for fault in faults)
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
