"""Load the service the way strangers do: requests arrive at a fixed rate, ready or not.

    python benchmarks/service.py --rate 4 --seconds 30                    # stand-in engine
    python benchmarks/service.py --url http://127.0.0.1:8000 --clip voice.wav --rate 0.5

An open model: a slow server does not slow the arrivals down, and a latency counts from the moment
the request was due, so that waiting cannot hide (no coordinated omission).  Without --url a server
with the stand-in engine is started, whose synthesis takes --work seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Sample:
    """One request: when it was due, when it was answered, how."""

    due: float
    ended: float
    status: int  # 0: no answer
    audio_seconds: float
    inference_seconds: float

    @property
    def latency(self) -> float:
        return self.ended - self.due


@dataclass(frozen=True)
class Report:
    """The summary; times in seconds."""

    offered_per_second: float
    requests: int
    served: int
    served_per_second: float
    refused: int
    failed: int
    statuses: dict[str, int]
    latency_p50: float
    latency_p95: float
    latency_p99: float
    refusal_p95: float
    audio_seconds_per_second: float
    rtf: float


def arrivals(rate: float, seconds: float, poisson: bool, seed: int) -> list[float]:
    """Times at which requests are due, from 0.

    Args:
        rate: requests a second.
        seconds: length of the test.
        poisson: random gaps with that mean instead of equal ones.
        seed: of the gaps.
    """
    if not poisson:
        return [index / rate for index in range(math.ceil(rate * seconds))]
    generator = random.Random(seed)
    times: list[float] = []
    now = generator.expovariate(rate)
    while now < seconds:
        times.append(now)
        now += generator.expovariate(rate)
    return times


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest-rank percentile; 0 for no values."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def summarise(samples: Sequence[Sample], rate: float) -> Report:
    """Put the samples together; throughput counts until the last answer."""
    served = [s for s in samples if s.status == 200]
    refused = [s for s in samples if s.status in (429, 503)]
    span = max((s.ended for s in samples), default=0.0) or 1.0
    audio = sum(s.audio_seconds for s in served)
    work = sum(s.inference_seconds for s in served)
    latencies = [s.latency for s in served]
    return Report(
        offered_per_second=rate,
        requests=len(samples),
        served=len(served),
        served_per_second=len(served) / span,
        refused=len(refused),
        failed=len(samples) - len(served) - len(refused),
        statuses=dict(sorted(Counter(str(s.status) for s in samples).items())),
        latency_p50=percentile(latencies, 50),
        latency_p95=percentile(latencies, 95),
        latency_p99=percentile(latencies, 99),
        refusal_p95=percentile([s.latency for s in refused], 95),
        audio_seconds_per_second=audio / span,
        rtf=work / audio if audio else 0.0,
    )


class Load:
    """Sends the requests of a plan.

    Args:
        url: of the service.
        body: JSON of each request.
        timeout: after which an answer is given up, in seconds.
        headers: further request headers.
    """

    def __init__(self, url: str, body: bytes, timeout: float, headers: dict[str, str]) -> None:
        self._url = url
        self._body = body
        self._timeout = timeout
        self._headers = {"Content-Type": "application/json", "Accept": "audio/wav", **headers}
        self._lock = threading.Lock()
        self._samples: list[Sample] = []

    def run(self, times: Sequence[float]) -> list[Sample]:
        """Send a request at each of `times`; returns when the last is answered."""
        start = time.monotonic()
        threads = []
        for due in times:
            time.sleep(max(0.0, start + due - time.monotonic()))
            thread = threading.Thread(target=self._send, args=(start, due))
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()
        return self._samples

    def _send(self, start: float, due: float) -> None:
        status, audio, work = 0, 0.0, 0.0
        with contextlib.suppress(requests.RequestException):
            answer = requests.post(
                f"{self._url}/tts", data=self._body, headers=self._headers, timeout=self._timeout
            )
            status = answer.status_code
            audio = float(answer.headers.get("X-Audio-Length", 0))
            work = float(answer.headers.get("X-Inference-Time", 0))
        sample = Sample(due, time.monotonic() - start, status, audio, work)
        with self._lock:
            self._samples.append(sample)


@contextlib.contextmanager
def target(options: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    """URL of the service, the clip as hexadecimal digits, and the text."""
    sys.path.insert(0, str(ROOT))
    from tests.app.conftest import wave_bytes
    from tests.app.gunicorn_server import running_server

    clip = options.clip.read_bytes() if options.clip else wave_bytes()
    if options.url:
        yield options.url.rstrip("/"), clip.hex(), options.text
        return
    with (
        tempfile.TemporaryDirectory(prefix="indextts-benchmark-") as folder,
        running_server(
            Path(folder), clip.hex(), workers=options.workers, queue_size=options.queue_size
        ) as server,
    ):
        yield server.url, clip.hex(), f"[slow {options.work}] {options.text}"


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="a running service; without it a stand-in is started")
    parser.add_argument("--rate", type=float, default=4.0, help="requests a second (4)")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long they arrive (20)")
    parser.add_argument("--poisson", action="store_true", help="random gaps between the arrivals")
    parser.add_argument("--seed", type=int, default=1, help="of the gaps (1)")
    parser.add_argument("--timeout", type=float, default=120.0, help="for an answer (120)")
    parser.add_argument("--text", default="A sentence of ordinary length, to be spoken.")
    parser.add_argument("--clip", type=Path, help="audio file of the voice (default: a tone)")
    parser.add_argument("--api-key", default="", help="for services that need one")
    parser.add_argument("--work", type=float, default=0.2, help="stand-in: synthesis time (0.2)")
    parser.add_argument("--workers", type=int, default=1, help="stand-in: workers (1)")
    parser.add_argument("--queue-size", type=int, default=6, help="stand-in: queue (6)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run the test; the exit status is 1 when a request failed (refusals are no failures)."""
    options = parse_arguments(arguments)
    headers = {"X-API-Key": options.api_key} if options.api_key else {}
    times = arrivals(options.rate, options.seconds, options.poisson, options.seed)
    with target(options) as (url, clip_hex, text):
        body = json.dumps({"text": text, "spk_audio": clip_hex}).encode()
        samples = Load(url, body, options.timeout, headers).run(times)
    report = summarise(samples, options.rate)
    if options.json:
        print(json.dumps(asdict(report), indent=2))
    else:
        for name, value in asdict(report).items():
            print(f"{name:26}{value:.3f}" if isinstance(value, float) else f"{name:26}{value}")
    return 1 if report.failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
