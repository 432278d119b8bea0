"""Streams through Nginx: sound as it is made, and every way in which a stream can end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.app.gunicorn_server import wait_for
from tests.deploy.instances import Instance, running_instance
from tests.deploy.nginx_site import Certificate, Site, running_nginx
from tests.deploy.tools import tool

pytestmark = pytest.mark.deploy

QUEUE_SIZE = 4
SEATS = 1 + QUEUE_SIZE
THREADS = SEATS + 9
GENEROUS = ("--rate", "100r/s", "--burst", "100", "--connections", "60")


@dataclass
class Alone:
    """One instance behind Nginx."""

    instance: Instance
    site: Site

    @property
    def idle(self) -> bool:
        health = self.instance.get("/health")[1]
        return not health["running"] and health["queue_length"] == 0

    def open(self, gate: str) -> Path:
        """Let the engine go on behind ``[until gate]``, as long as the file is there."""
        path = self.instance.folder / gate
        path.touch()
        return path


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, certificate: Certificate, clip_hex: str
) -> Iterator[Alone]:
    folder = tmp_path_factory.mktemp("alone")
    address = f"unix:{folder}/api.sock"
    settings = {"trust_proxy": 1, "queue_size": QUEUE_SIZE, "max_text_chars": 100_000}
    with (
        running_instance(address, folder / "instance", **settings) as instance,
        running_nginx(folder / "nginx", [address], certificate, clip_hex, *GENEROUS) as site,
    ):
        yield Alone(instance, site)


@pytest.fixture
def alone(shared: Alone) -> Alone:
    """The instance is ready and has nothing to do, and its journal and gates are fresh."""
    instance = shared.instance
    if instance.process is None or instance.process.poll() is not None:
        instance.start()
    instance.wait_ready()
    wait_for(lambda: shared.idle)
    for path in (instance.folder / "journal", *instance.folder.glob("gate*")):
        path.unlink(missing_ok=True)
    return shared


def ask(site: Site, *lines: str, accept: str = "audio/pcm") -> requests.Response:
    """Begin a stream; each line is a segment.  The answer is there with the first sound."""
    body = {"text": "\n".join(lines), "spk_audio": site.clip_hex}
    return site.post("/tts/stream", json=body, headers={"Accept": accept}, stream=True)


def rest(pieces: Iterator[bytes]) -> bytes:
    return b"".join(pieces)


def events(answer: requests.Response) -> Iterator[tuple[str, str]]:
    """Name and text of each server-sent event, as it comes."""
    name = ""
    # One byte at a time: a larger piece would wait for more than the event.
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: ")).get("text", "")


# -- the sound comes when it is made ---------------------------------------------------------------


def test_segments_arrive_as_they_are_spoken(alone: Alone) -> None:
    lines = ("one", "[until gate1]", "[until gate2]")
    with ask(alone.site, *lines, accept="text/event-stream") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        heard = events(answer)
        assert next(heard)[0] == "start"
        assert next(heard) == ("segment", "one")
        # What comes now cannot have been made before.
        for number in (1, 2):
            alone.open(f"gate{number}")
            assert next(heard) == ("segment", lines[number])
        assert next(heard)[0] == "finished"
        assert next(heard, None) is None


@pytest.mark.parametrize("form", ["wav", "pcm", "mp3", "ogg", "opus", "flac"])
def test_every_format_sounds_before_the_end(alone: Alone, form: str) -> None:
    lines = ("a" * 190, "[until gate]")  # 2.0 and 0.2 s
    gate = alone.open("gate")
    with ask(alone.site, *lines, accept=f"audio/{form}") as answer:
        whole = answer.content
    gate.unlink()
    with ask(alone.site, *lines, accept=f"audio/{form}") as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert "Content-Encoding" not in answer.headers
        pieces = answer.iter_content(None)
        size = 0
        while size < len(whole) // 2:
            size += len(next(pieces))
        alone.open("gate")
        assert size + len(rest(pieces)) == len(whole)


def test_a_slow_reader_keeps_nobody_waiting(alone: Alone) -> None:
    """Its sound, 18 MB, fits into no buffer on the way, so the instance is still sending."""
    text = "\n".join(["a" * 199] * 200)
    body = json.dumps({"text": text, "spk_audio": alone.site.clip_hex, "format": "pcm"}).encode()
    with alone.site.connect() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(_post(body))
        assert slow.recv(1) == b"H"
        wait_for(lambda: alone.instance.events("done"))
        for _ in range(3):
            assert alone.site.speak("quick").status_code == 200
            with ask(alone.site, "also", "quick") as answer:
                assert rest(answer.iter_content(None))
            assert len(slow.recv(1)) == 1
        assert alone.instance.metric("indextts_streams_open") == 1
    wait_for(lambda: alone.instance.metric("indextts_streams_open") == 0)


# -- clients that go -------------------------------------------------------------------------------


def test_clients_that_hang_up_leave_nothing_behind(alone: Alone) -> None:
    instance = alone.instance
    threads = _fill_the_pool(alone)
    broken = alone.instance.metric("indextts_streams_broken_total")
    rounds = 4
    for number in range(rounds):
        callers = [threading.Thread(target=_hang_up, args=(alone.site,)) for _ in range(SEATS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(60)
        # Had one of them kept its seat, the next round would not find enough.
        wait_for(lambda: alone.idle)
        assert len(instance.events("start")) == (number + 1) * SEATS
    assert rounds * SEATS == 20
    wait_for(lambda: len(instance.events("CancelledError")) == 20)
    assert not instance.events("done")
    wait_for(lambda: alone.instance.metric("indextts_streams_open") == 0)
    assert alone.instance.metric("indextts_streams_broken_total") == broken + 20
    assert _threads(instance) == threads
    with ask(alone.site, "next") as answer:
        assert rest(answer.iter_content(None))


def test_a_client_of_http2_hangs_up(alone: Alone, tmp_path: Path) -> None:
    with _curl(alone.site, tmp_path, "one", "[slow 60]") as process:
        wait_for(lambda: (tmp_path / "sound").stat().st_size)
        process.kill()
        wait_for(lambda: alone.instance.events("CancelledError"))


# -- ends that must be seen ------------------------------------------------------------------------


def test_a_failure_breaks_the_stream(alone: Alone) -> None:
    with ask(alone.site, "one", "[until gate]", "[fail]") as answer:
        assert answer.status_code == 200
        pieces = answer.iter_content(None)
        assert next(pieces)
        alone.open("gate")
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            rest(pieces)
    assert len(alone.instance.events("start")) == 1


def test_a_failure_is_an_event_where_there_are_events(alone: Alone) -> None:
    with ask(alone.site, "one", "[fail]", accept="text/event-stream") as answer:
        assert [name for name, _ in events(answer)] == ["start", "segment", "error"]


def test_a_failure_before_the_first_sound_is_an_answer(alone: Alone) -> None:
    with ask(alone.site, "[fail]", "two") as answer:
        assert (answer.status_code, answer.json()["error"]) == (500, "inference_failed")
    assert len(alone.instance.events("start")) == 1


def test_a_killed_worker_breaks_the_stream(alone: Alone) -> None:
    with ask(alone.site, "one", "[slow 60]") as answer:
        pieces = answer.iter_content(None)
        assert next(pieces)
        os.kill(alone.instance.worker(), signal.SIGKILL)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            rest(pieces)


@pytest.mark.parametrize("cause", ["killed", "failed"])
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_notices_a_broken_stream(
    alone: Alone, tmp_path: Path, version: str, cause: str
) -> None:
    lines = ("one", "[slow 60]") if cause == "killed" else ("one", "[until gate]", "[fail]")
    with _curl(alone.site, tmp_path, *lines, version=version) as process:
        wait_for(lambda: (tmp_path / "sound").stat().st_size)
        if cause == "killed":
            os.kill(alone.instance.worker(), signal.SIGKILL)
        else:
            alone.open("gate")
        # "Partial file", or "stream error in the HTTP/2 framing layer".
        assert process.wait(30) in (18, 92)


def test_curl_is_content_with_a_whole_stream(alone: Alone, tmp_path: Path) -> None:
    with _curl(alone.site, tmp_path, "one", "two") as process:
        assert process.wait(30) == 0
    assert (tmp_path / "sound").stat().st_size


# -- ends that must not be seen --------------------------------------------------------------------


def test_sigterm_finishes_the_stream(alone: Alone) -> None:
    instance = alone.instance
    with ask(alone.site, "one", "[until gate]", accept="text/event-stream") as answer:
        heard = events(answer)
        assert next(heard)[0] == "start"
        assert instance.process is not None
        instance.process.send_signal(signal.SIGTERM)
        wait_for(lambda: instance.status() == "away")
        assert instance.process.poll() is None
        alone.open("gate")
        assert [name for name, _ in heard] == ["segment", "segment", "finished"]
    assert instance.process.wait(20) == 0


def test_a_reload_of_nginx_finishes_the_stream(alone: Alone) -> None:
    site = alone.site
    with ask(site, "one", "[until gate]", accept="text/event-stream") as answer:
        heard = events(answer)
        assert next(heard)[0] == "start"
        site.process.send_signal(signal.SIGHUP)
        wait_for(lambda: any("shutting down" in title for title in site.workers()))
        assert site.get("/health").status_code == 200
        alone.open("gate")
        assert [name for name, _ in heard] == ["segment", "segment", "finished"]


# -- two instances ---------------------------------------------------------------------------------

Pair = tuple[Instance, Instance]


def test_a_stream_that_has_begun_is_not_begun_again(site: Site, pair: Pair) -> None:
    before = _starts(pair)
    with ask(site, "one", "[slow 60]") as answer:
        pieces = answer.iter_content(None)
        assert next(pieces)
        _serving(pair).kill()
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            rest(pieces)
    assert site.speak("the other one").status_code == 200
    assert _starts(pair) == before + 2


def test_a_stream_without_a_sound_goes_to_another_instance(site: Site, pair: Pair) -> None:
    before = _starts(pair)
    answers: list[bytes] = []

    def listen() -> None:
        with ask(site, "[until gate]", "two") as answer:
            answers.append(rest(answer.iter_content(None)))

    listener = threading.Thread(target=listen)
    listener.start()
    wait_for(lambda: _starts(pair) == before + 1)
    victim = _serving(pair)
    victim.kill()
    wait_for(lambda: _starts(pair) == before + 2)
    (survivor,) = [instance for instance in pair if instance is not victim]
    gate = survivor.folder / "gate"
    gate.touch()
    listener.join(30)
    gate.unlink()
    assert len(answers) == 1
    assert answers[0]


# -- helpers ---------------------------------------------------------------------------------------


def _post(body: bytes) -> bytes:
    return (
        b"POST /tts/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body) + body
    )


def _hang_up(site: Site) -> None:
    with ask(site, "one", "[slow 60]") as answer:
        assert next(answer.iter_content(None))


def _starts(pair: Pair) -> int:
    return sum(len(instance.events("start")) for instance in pair)


def _serving(pair: Pair) -> Instance:
    (instance,) = [instance for instance in pair if instance.get("/health")[1]["running"]]
    return instance


def _threads(instance: Instance) -> int:
    return len(list(Path(f"/proc/{instance.worker()}/task").iterdir()))


def _fill_the_pool(alone: Alone) -> int:
    """Let every request thread come to life; the number of all threads of the worker."""
    path = alone.instance.address.removeprefix("unix:")
    with contextlib.ExitStack() as stack:
        for _ in range(THREADS):
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(path)
            connection.sendall(b"GET /health HTTP/1.1\r\n")
        before = 0

        def settled() -> bool:
            """The number does not grow any more."""
            nonlocal before
            old, before = before, _threads(alone.instance)
            return before == old > THREADS

        wait_for(settled)
    wait_for(lambda: alone.idle)
    return before


@contextlib.contextmanager
def _curl(
    site: Site, folder: Path, *lines: str, version: str = "--http2"
) -> Iterator[subprocess.Popen[bytes]]:
    """A curl that writes the sound of a stream to the file `sound` in a folder."""
    body = folder / "body"
    body.write_text(json.dumps({"text": "\n".join(lines), "spk_audio": site.clip_hex}))
    (folder / "sound").touch()
    command = [
        *(tool("curl", "apt: curl"), "--silent", "--no-buffer", version, "--max-time", "60"),
        *("--cacert", str(site.certificate.cert)),
        *("--resolve", f"localhost:{site.https_port}:127.0.0.1"),
        *("--header", "Content-Type: application/json", "--data-binary", f"@{body}"),
        *("--output", str(folder / "sound"), f"{site.url}/tts/stream"),
    ]
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.kill()
