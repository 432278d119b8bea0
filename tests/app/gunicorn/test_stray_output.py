"""Lines of libraries in the log: by themselves, and from a real worker that dies."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile

from app.gunicorn.stray_output import LONGEST_LINE, MOST_LINES_A_SECOND, LineLog
from tests.app.gunicorn_server import running_server, wait_for


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "app.output"]


def test_lines_are_put_together(caplog: pytest.LogCaptureFixture) -> None:
    lines = LineLog(Clock())
    for part in (b"one\ntw", b"o\n\n  \nthr", b"ee \xff\r\nend"):
        lines.add(part)
    assert messages(caplog) == ["one", "two", "three \\xff"]
    lines.end()
    assert messages(caplog)[3:] == ["end"]


def test_lines_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    lines = LineLog(clock)
    lines.add(b"noise\n" * 1000)
    assert messages(caplog) == ["noise"] * MOST_LINES_A_SECOND
    clock.now += 1
    lines.add(b"later\n")
    left_out = f"{1000 - MOST_LINES_A_SECOND} more lines of libraries are left out"
    assert messages(caplog)[MOST_LINES_A_SECOND:] == [left_out, "later"]
    lines.add(b"x" * 10 * LONGEST_LINE)
    assert max(map(len, messages(caplog))) == LONGEST_LINE


def damaged_mp3() -> bytes:
    """A file about which decoders complain."""
    file = io.BytesIO()
    noise = np.random.default_rng(0).standard_normal(44100) * 0.1
    soundfile.write(file, noise, 22050, format="MP3", subtype="MPEG_LAYER_III")
    data = bytearray(file.getvalue())
    for start in range(500, len(data), 300):
        data[start : start + 3] = b"abc"
    return bytes(data)


@pytest.mark.deploy
def test_every_line_of_a_json_log_is_json(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex, log_format="json", log_level="debug") as server:
        with pytest.raises(requests.ConnectionError):
            server.speak("[die]")
        wait_for(lambda: "last words" in server.log)
        wait_for(lambda: server.health().status_code == 200)
        files = {"spk_audio": ("a.mp3", damaged_mp3())}
        requests.post(f"{server.url}/tts", data={"text": "x"}, files=files, timeout=20)
        assert server.speak("[noise 30]").status_code == 200
        wait_for(lambda: "more lines of libraries are left out" in server.log)
        server.terminate()
        server.process.wait(20)
        lines = [json.loads(line) for line in server.log.splitlines()]
    assert {"app.output", "gunicorn.error"} <= {line["logger"] for line in lines}
