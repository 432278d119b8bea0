"""Nginx in front of two Gunicorn instances: what clients see while instances come and go."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.app.gunicorn_server import wait_for
from tests.deploy.instances import Instance, running_instance
from tests.deploy.nginx_site import Certificate, Load, Site, running_nginx

pytestmark = pytest.mark.deploy

Pair = tuple[Instance, Instance]


def test_steady_load_is_shared(site: Site, pair: Pair) -> None:
    _until_both_serve(site, pair)
    before = [len(instance.events("done")) for instance in pair]
    with Load(site, "[slow 0.15]", clients=4) as load:
        load.wait_for_more(20)
    assert load.problems == []
    served = [
        len(instance.events("done")) - old for instance, old in zip(pair, before, strict=True)
    ]
    assert sum(served) == load.answers
    # Equal but for chance; one that took nearly everything would be the fault of the balancing.
    assert min(served) >= load.answers // 4


@pytest.mark.parametrize("victim", [0, 1], ids=["unix socket", "port"])
def test_a_killed_instance_costs_no_request(site: Site, pair: Pair, victim: int) -> None:
    _until_both_serve(site, pair)
    with Load(site, "[slow 0.4]", clients=4) as load:
        wait_for(lambda: _running(pair[victim]))
        pair[victim].kill()
        load.wait_for_more(4)
        pair[victim].start(ready=False, test_load_seconds=2)
        pair[victim].wait_ready()
        load.wait_for_more(6)
    assert load.problems == []
    assert set(load.statuses) == {200}


def test_a_killed_worker_costs_no_request(site: Site, pair: Pair) -> None:
    """The master keeps listening while its worker is replaced and loads the model anew."""
    _until_both_serve(site, pair)
    with Load(site, "[slow 0.4]", clients=4) as load:
        wait_for(lambda: _running(pair[0]))
        (worker,) = pair[0].children()
        os.kill(worker, signal.SIGKILL)
        load.wait_for_more(8)
    assert load.problems == []


def test_a_loading_instance_is_no_black_hole(site: Site, pair: Pair) -> None:
    assert pair[0].terminate() == 0
    pair[0].start(ready=False, test_load_seconds=600)
    wait_for(lambda: pair[0].status() == "loading")
    try:
        with Load(site, "[slow 0.05]", clients=4) as load:
            # Longer than fail_timeout, so that it is tried again in between.
            wait_for(lambda: load.answers >= 40, 60)
            time.sleep(5.5)
            load.wait_for_more(10)
        assert load.problems == []
        assert site.get("/health").status_code == 200
    finally:
        pair[0].kill()
    # Otherwise nothing was shown.
    assert any("503, 200" in str(line["upstream_status"]) for line in site.access_lines())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_all_loading_is_503_from_the_service(
    tmp_path: Path, certificate: Certificate, clip_hex: str, count: int
) -> None:
    addresses = [f"unix:{tmp_path}/{number}.sock" for number in range(count)]
    with contextlib.ExitStack() as stack:
        for number, address in enumerate(addresses):
            folder = tmp_path / str(number)
            instance = stack.enter_context(running_instance(address, folder, test_load_seconds=600))
            instance.start(ready=False)
            wait_for(lambda instance=instance: instance.status() == "loading")  # type: ignore[misc]
        site = stack.enter_context(
            running_nginx(tmp_path / "nginx", addresses, certificate, clip_hex)
        )
        # The first requests find instances that are thought well of, the later ones do not.
        for _ in range(3):
            answer = site.speak("too early")
            assert (answer.status_code, answer.json()["error"]) == (503, "model_not_loaded")
            assert int(answer.headers["Retry-After"]) >= 1
            health = site.get("/health")
            assert (health.status_code, health.json()["status"]) == (503, "loading")
            assert site.get("/health/live").status_code == 200


def test_drain_and_restart_cost_no_request(site: Site, pair: Pair) -> None:
    _until_both_serve(site, pair)
    with Load(site, "[slow 0.3]", clients=4) as load:
        for instance in pair:
            wait_for(lambda instance=instance: _running(instance))  # type: ignore[misc]
            assert instance.terminate() == 0
            load.wait_for_more(2)
            instance.start()
            load.wait_for_more(4)
    assert load.problems == []


def test_all_busy_is_429_from_the_service(
    tmp_path: Path, certificate: Certificate, clip_hex: str
) -> None:
    addresses = [f"unix:{tmp_path}/{name}.sock" for name in "ab"]
    with (
        running_instance(addresses[0], tmp_path / "a", queue_size=0) as first,
        running_instance(addresses[1], tmp_path / "b", queue_size=0) as second,
        running_nginx(tmp_path / "nginx", addresses, certificate, clip_hex) as site,
    ):
        first.start(ready=False)
        second.start()
        first.wait_ready()
        with Load(site, "[slow 8]", clients=2) as load:
            wait_for(lambda: _running(first) and _running(second))
            refused = [site.speak("no room") for _ in range(4)]
            load.stop_asking()
        for answer in refused:
            assert answer.status_code == 429
            assert answer.json()["error"] == "queue_full"
            assert int(answer.headers["Retry-After"]) >= 1
        # Being busy is no failure: both are still in use.
        assert load.problems == []
        assert site.speak("room again").status_code == 200
        lines = [site.access_line(answer.json()["request_id"]) for answer in refused]
        assert {line["upstream"] for line in lines} == set(addresses)


def test_slow_uploads_hold_no_thread(site: Site, pair: Pair) -> None:
    before = sum(len(instance.events("start")) for instance in pair)
    # More than the 16 threads of each instance.
    connections = [site.connect() for _ in range(40)]
    try:
        for connection in connections:
            connection.sendall(
                b"POST /tts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 500000\r\n\r\n" + b'{"text": "' + b"a" * 1000
            )
        answers = [site.speak("quick") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200] * 4
        assert [instance.get("/health")[0] for instance in pair] == [200, 200]
        assert sum(len(instance.events("start")) for instance in pair) == before + 4
    finally:
        for connection in connections:
            connection.close()


def test_a_client_that_hangs_up_frees_the_engine(site: Site, pair: Pair) -> None:
    before = _cancelled(pair)
    body = json.dumps({"text": "[slow 60]", "spk_audio": site.clip_hex}).encode()
    connection = site.connect()
    connection.sendall(
        b"POST /tts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body) + body
    )
    wait_for(lambda: any(_running(instance) for instance in pair))
    connection.close()
    wait_for(lambda: _cancelled(pair) == before + 1)


def test_callers_have_limits_of_their_own(
    site: Site, pair: Pair, tmp_path: Path, certificate: Certificate, clip_hex: str
) -> None:
    limits = ("--rate", "1r/m", "--burst", "2")
    addresses = [instance.address for instance in pair]
    with running_nginx(tmp_path / "nginx", addresses, certificate, clip_hex, *limits) as strict:
        # One of the rate and two of the burst, for each caller.
        for headers in (
            {"X-API-Key": "a-key"},
            {"Authorization": "Bearer " + "same.start." * 9 + "end-of-one"},
            {"Authorization": "Bearer " + "same.start." * 9 + "end-of-two"},
        ):
            statuses = [strict.speak("hello", **headers).status_code for _ in range(4)]
            assert statuses == [200, 200, 200, 429]
        refused = strict.speak("hello", **{"X-API-Key": "a-key"})
        assert refused.status_code == 429
        assert refused.headers["Content-Type"] == "application/json"
        assert refused.headers["Retry-After"] == "2"
        assert refused.headers["X-Request-ID"] == refused.json()["request_id"]
        assert refused.json()["error"] == "rate_limited"
        assert strict.access_line(refused.json()["request_id"])["limited"] == "REJECTED"
        assert "a-key" not in (strict.folder / "indextts.access.json").read_text()


def test_invented_keys_do_not_escape_the_limit_of_an_address(
    site: Site, pair: Pair, tmp_path: Path, certificate: Certificate, clip_hex: str
) -> None:
    limits = ("--rate", "1r/m", "--burst", "1")
    addresses = [instance.address for instance in pair]
    with running_nginx(tmp_path / "nginx", addresses, certificate, clip_hex, *limits) as strict:
        keys = [f"invented-{index}" for index in range(9)]
        statuses = Counter(strict.speak("hi", **{"X-API-Key": key}).status_code for key in keys)
        # 5 r/m and a burst of 5 for the address.
        assert statuses[429] >= 2
        assert statuses[200] >= 6


@pytest.mark.parametrize(
    ("addresses", "caller"),
    [
        ([f"2001:db8:a:b::{number:x}" for number in range(1, 9)], "one"),
        ([f"2001:db8:{number:x}0a::1" for number in range(1, 9)], "many"),
        ([f"[2001:db8::1]:{number}" for number in range(2001, 2009)], "one"),
        ([f"198.51.100.7:{number}" for number in range(2001, 2009)], "one"),
        ([f"198.51.100.{number}" for number in range(8, 16)], "many"),
        ([f"::ffff:198.51.100.{number}" for number in range(8, 16)], "many"),
        (["198.51.100.7", "::ffff:198.51.100.7"] * 4, "one"),
    ],
    ids=[
        *("a network of IPv6", "networks of IPv6", "ports of IPv6", "ports", "addresses"),
        *("IPv4 as IPv6", "both ways of writing"),
    ],
)
def test_who_is_one_caller(
    tmp_path: Path,
    certificate: Certificate,
    clip_hex: str,
    addresses: list[str],
    caller: str,
) -> None:
    def believe(text: str) -> str:
        """The test's own address is always the same: Nginx takes it from a header."""
        trust = "set_real_ip_from 127.0.0.1;\n    real_ip_header X-Test-Address;"
        return text.replace("    access_log off;", f"    access_log off;\n    {trust}")

    nobody = [f"unix:{tmp_path}/none.sock"]
    limits = ("--rate", "1r/m", "--burst", "1")
    with running_nginx(
        tmp_path / "nginx", nobody, certificate, clip_hex, *limits, edit=believe
    ) as strict:
        answers = [strict.speak("hi", **{"X-Test-Address": address}) for address in addresses]
    expected = [502] * 8 if caller == "many" else [502] * 2 + [429] * 6
    assert [answer.status_code for answer in answers] == expected


def _running(instance: Instance) -> bool:
    return bool(instance.get("/health")[1]["running"])


def _cancelled(pair: Pair) -> int:
    return sum(len(instance.events("CancelledError")) for instance in pair)


def _until_both_serve(site: Site, pair: Pair) -> None:
    """After a failure Nginx leaves an instance alone for some seconds."""
    before = [len(instance.events("done")) for instance in pair]

    def both() -> bool:
        assert site.speak("who is there?").status_code == 200
        return all(
            len(instance.events("done")) > old for instance, old in zip(pair, before, strict=True)
        )

    wait_for(both, 30)
