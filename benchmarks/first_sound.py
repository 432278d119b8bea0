"""Seconds to the first sound of ``POST /tts/stream``, and to the last, for some clients at once.

    python benchmarks/first_sound.py                                   # models/demo, own server
    python benchmarks/first_sound.py --quality exact fast
    python benchmarks/first_sound.py --url http://127.0.0.1:8000 --clip voice.wav

For each text and number of clients the same requests are sent to /tts/stream and to /tts, in one
class and in the next, taking turns, so that a busy machine slows all.  Compare ratios, not seconds,
between machines.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[1]
VOICE = ROOT / "examples" / "voices" / "en_female.flac"
_SENTENCES = (
    "The rain had stopped before the first guests came.",
    "Someone had already put the chairs back in the garden.",
    "We sat down under the trees and talked about the journey.",
    "Nobody wanted to be the first to leave.",
)
TEXTS = {
    "short": _SENTENCES[0],
    "medium": " ".join(_SENTENCES),
    "long": " ".join(_SENTENCES * 3),
}
HEADER_BYTES = 44


@dataclass(frozen=True)
class Sample:
    """One stream, and the whole answer that was made in the same round; times in seconds."""

    first_sound: float
    total: float
    whole: float
    audio_seconds: float


@dataclass(frozen=True)
class Row:
    """Medians over the samples of a class, a text and a number of clients."""

    quality: str
    text: str
    clients: int
    audio_seconds: float
    first_sound: float
    total: float
    whole: float

    def markdown(self) -> str:
        return (
            f"| {self.quality} | {self.text} | {self.clients} | {self.audio_seconds:.1f} | "
            f"{self.first_sound:.2f} | {self.total:.2f} | {self.first_sound / self.total:.0%} | "
            f"{self.whole:.2f} |"
        )


HEAD = (
    "| class | text | clients | audio s | first sound s | stream s | first / stream | /tts s |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


class Client:
    """Sends one text both ways.

    Attributes:
        quality: the class that the last whole answer told; "-" where the service knows none.
    """

    def __init__(
        self, url: str, clip_hex: str, text: str, timeout: float, quality: str | None
    ) -> None:
        self._url = url
        self._body = {"text": text, "spk_audio": clip_hex, "format": "wav"}
        if quality is not None:
            self._body["quality"] = quality
        self._timeout = timeout
        self.quality = "-"

    def stream(self, seed: int) -> tuple[float, float, int]:
        """Seconds to the first sound and to the end, and the bytes of sound."""
        started = time.perf_counter()
        first, size = 0.0, 0
        with requests.post(
            f"{self._url}/tts/stream",
            json={**self._body, "seed": seed},
            timeout=self._timeout,
            stream=True,
        ) as answer:
            answer.raise_for_status()
            for piece in answer.iter_content(None):
                size += len(piece)
                if not first and size > HEADER_BYTES:
                    first = time.perf_counter() - started
        return first, time.perf_counter() - started, size - HEADER_BYTES

    def whole(self, seed: int) -> float:
        """Seconds of the answer in one piece."""
        started = time.perf_counter()
        answer = requests.post(
            f"{self._url}/tts",
            json={**self._body, "seed": seed},
            headers={"Accept": "audio/wav"},
            timeout=self._timeout,
        )
        answer.raise_for_status()
        self.quality = answer.headers.get("X-Quality", "-")
        return time.perf_counter() - started


def measure(client: Client, seeds: Sequence[int], rate: int) -> list[Sample]:
    """Let as many threads as there are seeds send at once, each way."""
    with ThreadPoolExecutor(len(seeds)) as pool:
        streams = list(pool.map(client.stream, seeds))
        wholes = list(pool.map(client.whole, seeds))
    return [
        Sample(first, total, whole, size / 2 / rate)
        for (first, total, size), whole in zip(streams, wholes, strict=True)
    ]


def compare(
    clients: Sequence[Client], text: str, at_once: int, rounds: int, rate: int
) -> list[Row]:
    """The rows of clients of different classes that take turns."""
    samples: list[list[Sample]] = [[] for _ in clients]
    for first_seed in range(0, rounds * at_once, at_once):
        for client, own in zip(clients, samples, strict=True):
            own += measure(client, range(first_seed, first_seed + at_once), rate)
    return [
        _row(client.quality, text, at_once, own)
        for client, own in zip(clients, samples, strict=True)
    ]


def _row(quality: str, text: str, clients: int, samples: Sequence[Sample]) -> Row:
    """The medians."""

    def median(name: str) -> float:
        return statistics.median(getattr(sample, name) for sample in samples)

    return Row(
        quality,
        text,
        clients,
        median("audio_seconds"),
        median("first_sound"),
        median("total"),
        median("whole"),
    )


@contextlib.contextmanager
def target(options: argparse.Namespace) -> Iterator[str]:
    """URL of the service; without --url a server with the model in --model-dir is started."""
    if options.url:
        yield options.url.rstrip("/")
        return
    sys.path.insert(0, str(ROOT))
    from tests.app.gunicorn_server import running_server

    with (
        tempfile.TemporaryDirectory(prefix="indextts-benchmark-") as folder,
        running_server(Path(folder), "", engine="", model_dir=options.model_dir) as server,
    ):
        yield server.url


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="a running service; without it one is started")
    parser.add_argument("--model-dir", default=str(ROOT / "models" / "demo"), help="for that one")
    parser.add_argument("--clip", type=Path, default=VOICE, help="audio file of the voice")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4], help="(1 2 4)")
    parser.add_argument("--texts", nargs="+", choices=TEXTS, default=list(TEXTS))
    parser.add_argument(
        "--quality",
        nargs="+",
        choices=("exact", "fast"),
        default=[None],
        help="classes, taking turns (the service's own)",
    )
    parser.add_argument("--rounds", type=int, default=3, help="each way (3)")
    parser.add_argument("--timeout", type=float, default=300.0, help="for an answer (300)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    options = parse_arguments(arguments)
    with target(options) as url:
        clip_hex = options.clip.read_bytes().hex()
        rate = requests.get(f"{url}/health", timeout=30).json()["sample_rate"]
        print(HEAD, flush=True)
        for quality in options.quality:
            # The first request of a class encodes the clip; everybody after it finds it encoded.
            Client(url, clip_hex, TEXTS["short"], options.timeout, quality).whole(0)
        for name in options.texts:
            clients = [
                Client(url, clip_hex, TEXTS[name], options.timeout, quality)
                for quality in options.quality
            ]
            for at_once in options.clients:
                for told in compare(clients, name, at_once, options.rounds, rate):
                    print(told.markdown(), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
