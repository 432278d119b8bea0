"""A real Gunicorn that starts, fails, hangs, loses workers and stops."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.app.gunicorn_server import Pending, Server, running_server, wait_for

pytestmark = pytest.mark.deploy


def test_sigterm_loses_nothing(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex) as server:
        pending = [server.speak_later(f"[slow 0.7] {i}") for i in range(4)]
        wait_for(lambda: server.health().json()["queue_length"] == 3)
        server.terminate()
        assert [p.result().status_code for p in pending] == [200] * 4
        assert server.process.wait(20) == 0
        assert not list(tmp_path.glob("indextts-metrics-*"))


def test_connections_during_the_drain_are_refused(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex) as server:
        pending = server.speak_later("[slow 3]")
        wait_for(lambda: server.events("start"))
        server.terminate()
        wait_for(lambda: _is_refused(server.port), 2.5)
        assert not server.events("done")  # refused while the request still runs
        assert pending.result().status_code == 200


def test_ctrl_c_ends_at_once(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex) as server:
        server.speak_later("[slow 30]")
        wait_for(lambda: server.events("start"))
        os.killpg(server.process.pid, signal.SIGINT)
        server.process.wait(5)


def test_a_killed_worker_comes_back_in_its_slot(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex, workers=2, gpus="7,9") as server:
        wait_for(lambda: len(_slots(server)) == 2)
        slots = _slots(server)
        assert sorted(slots.values()) == [(0, "7"), (1, "9")]
        victim, survivor = sorted(slots)
        pending = _occupy(server, {victim, survivor})
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(_slots(server)) == 3)
        newcomer = next(pid for pid in _slots(server) if pid not in slots)
        assert _slots(server)[newcomer] == slots[victim]
        assert pending[survivor].result().status_code == 200
        wait_for(lambda: f"[{newcomer}] app.runner.loading: Model" in server.log)
        assert server.speak("after").status_code == 200


def test_a_model_that_is_missing_is_shown_until_it_is_there(tmp_path: Path, clip_hex: str) -> None:
    absent = tmp_path / "absent"
    absent.touch()
    settings: dict[str, Any] = {"test_load_error": str(absent), "load_failure_seconds": "0.3"}
    with running_server(tmp_path, clip_hex, ready=False, **settings) as server:
        wait_for(lambda: server.log.count("/models/gpt.pth: is missing. Fetch it.") >= 2)
        health = server.health()
        assert (health.status_code, health.json()["status"]) == (503, "failed")
        assert "missing or damaged" in health.json()["reason"]
        assert "/models" not in health.text
        assert server.speak("no").status_code == 503
        assert "Traceback" not in server.log
        workers = server.worker_pids()
        absent.unlink()
        wait_for(lambda: server.health().status_code == 200)
        assert server.speak("yes").status_code == 200
        assert server.worker_pids() == workers


def test_pauses_grow_while_loading_kills_the_worker(tmp_path: Path, clip_hex: str) -> None:
    settings: dict[str, Any] = {"test_load_crash": "1", "log_format": "json"}
    with running_server(tmp_path, clip_hex, ready=False, **settings) as server:
        wait_for(lambda: "failed 3 times in a row; the next one waits for 2 s" in server.log)
        wait_for(lambda: server.health().json()["status"] == "failed")
        assert "failed 3 times in a row" in server.health().json()["reason"]
        assert server.speak("no").status_code == 503
        started = time.monotonic()
        server.terminate()  # in the pause
        assert server.process.wait(20) == 0
        assert time.monotonic() - started < 10


def test_totals_outlive_workers_and_files_do_not_pile_up(tmp_path: Path, clip_hex: str) -> None:
    folder = tmp_path / "counters"
    with running_server(tmp_path, clip_hex, metrics_dir=folder) as server:
        for count in range(1, 4):
            assert server.speak("count me").status_code == 200
            (worker,) = server.worker_pids()
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda worker=worker: worker not in server.worker_pids())
            wait_for(lambda: server.health().status_code == 200)
            metrics = requests.get(f"{server.url}/metrics", timeout=10).text
            line = 'indextts_http_requests_total{code="200",method="POST",route="/tts"}'
            assert f"{line} {float(count)}" in metrics
            assert 'indextts_model_state{state="healthy"} 1.0' in metrics
            assert len(list(folder.glob("*.db"))) == 4


def test_a_stuck_inference_is_shown_then_the_worker_ends(tmp_path: Path, clip_hex: str) -> None:
    settings: dict[str, Any] = {"stuck_seconds": "0.6", "stuck_exit_seconds": "1"}
    with running_server(tmp_path, clip_hex, **settings) as server:
        stuck = server.speak_later("[hang 60]")
        wait_for(lambda: server.health().json()["status"] == "stuck")
        health = server.health()
        assert health.status_code == 503
        assert health.json()["model_loaded"] is False
        answer = stuck.result()
        assert answer.status_code == 500
        assert answer.json()["detail"] == "TTS inference failed"
        wait_for(lambda: "exited with code 70" in server.log)
        wait_for(lambda: server.health().status_code == 200)
        assert server.speak("again").status_code == 200


def test_a_broken_device_ends_the_worker(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex, load_failure_seconds="1") as server:
        assert server.speak("[poison]").status_code == 500
        health = server.health()
        assert (health.status_code, health.json()["status"]) == (503, "failed")
        wait_for(lambda: "exited with code 70" in server.log)
        wait_for(lambda: server.health().status_code == 200)


def test_a_wrong_setting_ends_the_start_with_one_line(tmp_path: Path, clip_hex: str) -> None:
    with (
        pytest.raises(AssertionError, match="INDEXTTS_QUEUE_SIZE"),
        running_server(tmp_path, clip_hex, queue_size="many"),
    ):
        raise RuntimeError("it started")
    log = (tmp_path / "log").read_text()
    assert log == "configuration error: INDEXTTS_QUEUE_SIZE: expected a whole number\n"


def test_the_start_ends_with_the_address_to_open(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex, ready=False, test_load_seconds=1) as server:
        assert "Ready" not in server.log
        wait_for(lambda: server.health().status_code == 200)
        wait_for(lambda: f"Ready: {server.url}\n" in server.log)
        assert server.log.count("Ready: ") == 1
        assert "without API keys" not in server.log


def test_the_start_is_announced(tmp_path: Path, clip_hex: str) -> None:
    settings: dict[str, Any] = {"bind": "127.0.0.1:0", "api_keys": "very-secret", "quue_size": "3"}
    with running_server(tmp_path, clip_hex, log_format="json", **settings) as server:
        assert "very-secret" not in server.log
        assert "unknown setting INDEXTTS_QUUE_SIZE is ignored" in server.log
        assert '"api_keys": "***"' in server.log
        assert requests.get(f"{server.url}/metrics", timeout=10).status_code == 401


def _slots(server: Server) -> dict[int, tuple[int, str]]:
    found = re.findall(r"\[(\d+)\] gunicorn\.error: worker in slot (\d+), GPU (\w+)", server.log)
    return {int(pid): (int(slot), gpu) for pid, slot, gpu in found}


def _occupy(server: Server, pids: set[int]) -> dict[int, Pending]:
    """Send slow requests until each worker runs one; worker -> the request that it runs."""
    owners: dict[int, Pending] = {}
    for index in range(14):
        name = f"request-{index}."
        pending = server.speak_later(f"[slow 4] {name}")
        time.sleep(0.3)  # what has not started by now waits behind another
        for line in server.events("start"):
            if name in line:
                owners[int(line.split()[1])] = pending
        if set(owners) == pids:
            return owners
    raise AssertionError("not every worker got a request")


def _is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # just while the socket is closed
        return False
    return False
