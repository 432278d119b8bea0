"""Two instances that share a folder of voices, behind Nginx."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.app.conftest import wave_bytes
from tests.app.gunicorn_server import wait_for
from tests.deploy.instances import Instance, running_instance
from tests.deploy.nginx_site import Certificate, Site, running_nginx
from tests.deploy.tools import free_port, tool

pytestmark = pytest.mark.deploy

VOICES = "/v1/audio/voices"
CLIP = wave_bytes()


@dataclass(frozen=True)
class Twins:
    """Two instances, Nginx in front of them, and what they share."""

    first: Instance
    second: Instance
    site: Site
    folder: Path

    @property
    def urls(self) -> tuple[str, str]:
        """Addresses of the instances themselves."""
        return f"http://{self.first.address}", f"http://{self.second.address}"


@pytest.fixture(scope="module")
def twins(
    tmp_path_factory: pytest.TempPathFactory, certificate: Certificate, clip_hex: str
) -> Iterator[Twins]:
    tool("nginx", "apt: nginx-light")
    root = tmp_path_factory.mktemp("twins")
    folder = root / "voices"
    common = {"trust_proxy": "1", "voices_dir": folder, "voices_write": "true"}
    generous = ("--rate", "100r/s", "--burst", "1000", "--connections", "60")
    addresses = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"]
    with contextlib.ExitStack() as stack:
        # Both find the folder missing, and fill it at the same moment.
        first = stack.enter_context(running_instance(addresses[0], root / "a", **common))
        second = stack.enter_context(running_instance(addresses[1], root / "b", **common))
        first.start(ready=False)
        second.start(ready=False)
        first.wait_ready()
        second.wait_ready()
        site = stack.enter_context(
            running_nginx(root / "nginx", addresses, certificate, clip_hex, *generous)
        )
        yield Twins(first, second, site, folder)


def add(url: str, name: str, clip: bytes = CLIP, verify: str | bool = True) -> requests.Response:
    return requests.post(
        url + VOICES,
        data={"name": name, "consent": "a test"},
        files={"audio_sample": ("clip.wav", io.BytesIO(clip))},
        timeout=30,
        verify=verify,
    )


def speak(url: str, name: str, text: str = "hello") -> requests.Response:
    body = {"text": text, "spk_audio": f"voice:{name}"}
    return requests.post(f"{url}/tts", json=body, timeout=60)


def test_both_filled_the_folder(twins: Twins) -> None:
    lists = [requests.get(url + VOICES, timeout=10).json() for url in twins.urls]
    assert lists[0] == lists[1]
    assert "en_female" in lists[0]["voices"]
    assert lists[0]["default"] == "en_female"


def test_a_voice_added_through_one_is_spoken_by_the_other_at_once(twins: Twins) -> None:
    for number in range(10):
        name = f"new-{number}"
        here, there = twins.urls if number % 2 else twins.urls[::-1]
        assert add(here, name).status_code == 201
        assert speak(there, name).status_code == 200
        assert name in requests.get(there + VOICES, timeout=10).json()["voices"]
        assert requests.delete(f"{there}{VOICES}/{name}", timeout=10).status_code == 200
        assert speak(here, name).status_code == 404


def test_through_nginx(twins: Twins) -> None:
    verify = str(twins.site.certificate.cert)
    assert add(twins.site.url, "张三", verify=verify).status_code == 201
    for _ in range(4):  # whichever instance it is
        body = {"text": "hello", "spk_audio": "voice:张三"}
        assert twins.site.post("/tts", json=body).status_code == 200
        assert twins.site.get(f"{VOICES}/张三/sample").content == CLIP
    assert add(twins.site.url, "张三", verify=verify).status_code == 409
    removed = requests.delete(f"{twins.site.url}{VOICES}/张三", timeout=10, verify=verify)
    assert removed.status_code == 200
    assert twins.site.get(f"{VOICES}/张三/sample").status_code == 404


@pytest.mark.parametrize("path", ["..%2fcanary", "%2e%2e%2f%2e%2e%2fcanary", "..%5ccanary", "a%00"])
def test_paths_in_names_lead_nowhere_through_nginx(twins: Twins, path: str) -> None:
    (twins.folder.parent / "canary").write_bytes(CLIP)
    answer = twins.site.get(f"{VOICES}/{path}/sample")
    assert 400 <= answer.status_code < 500
    assert (twins.folder.parent / "canary").read_bytes() == CLIP


def test_removing_a_voice_that_is_being_spoken_breaks_nothing(twins: Twins) -> None:
    here, there = twins.urls
    assert add(here, "leaving").status_code == 201
    before = len(twins.second.events("start"))
    answers: list[requests.Response] = []
    thread = threading.Thread(
        target=lambda: answers.append(speak(there, "leaving", "first\n[slow 1.5] second"))
    )
    thread.start()
    wait_for(lambda: len(twins.second.events("start")) > before)
    assert requests.delete(f"{here}{VOICES}/leaving", timeout=10).status_code == 200
    assert speak(here, "leaving").status_code == 404
    thread.join(60)
    assert [answer.status_code for answer in answers] == [200]


def test_coming_and_going_while_others_speak(twins: Twins) -> None:
    """An answer is the speech or says that there is no such voice; nothing else happens."""
    statuses: Counter[int] = Counter()
    lock = threading.Lock()
    over = threading.Event()

    def ask(url: str) -> None:
        while not over.is_set():
            for status in (
                speak(url, "restless").status_code,
                requests.get(f"{url}{VOICES}/restless/sample", timeout=10).status_code,
            ):
                with lock:
                    statuses[status] += 1

    threads = [threading.Thread(target=ask, args=(url,)) for url in twins.urls]
    for thread in threads:
        thread.start()
    try:
        for number in range(20):
            here, there = twins.urls if number % 2 else twins.urls[::-1]
            assert add(here, "restless", wave_bytes(0.3 + 0.01 * number)).status_code == 201
            assert requests.delete(f"{there}{VOICES}/restless", timeout=10).status_code == 200
        wait_for(lambda: statuses[404] > 0)
        assert add(twins.urls[0], "restless").status_code == 201
        wait_for(lambda: statuses[200] > 0)
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    assert set(statuses) == {200, 404}


def test_one_of_two_that_add_the_same_name_wins(twins: Twins) -> None:
    clips = [wave_bytes(0.4), wave_bytes(0.6)]
    barrier = threading.Barrier(2)
    answers: dict[int, int] = {}

    def run(number: int) -> None:
        barrier.wait(10)
        answers[number] = add(twins.urls[number], "wanted", clips[number]).status_code

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers.values()) == [201, 409]
    (winner,) = [number for number, status in answers.items() if status == 201]
    for url in twins.urls:
        heard = requests.get(f"{url}{VOICES}/wanted/sample", timeout=10).content
        assert heard == clips[winner]


def test_two_hundred_voices_are_listed_without_delay(twins: Twins) -> None:
    """A generous bound; benchmarks/voices.py measures."""
    for number in range(200):
        (twins.folder / f"many-{number}.wav").write_bytes(CLIP)
        (twins.folder / f"many-{number}.json").write_text('{"language": "en"}')
    try:
        times = []
        for _ in range(3):
            started = time.monotonic()
            found = twins.site.get(VOICES).json()
            times.append(time.monotonic() - started)
            assert sum(name.startswith("many-") for name in found["voices"]) == 200
        assert min(times) < 1
    finally:
        for path in twins.folder.glob("many-*"):
            path.unlink()
