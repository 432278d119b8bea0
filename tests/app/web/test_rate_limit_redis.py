"""The shared rate limit with a real Redis, which may vanish."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from app.settings import Settings
from app.web.rate_limit import RateLimiter, make_rate_limiter
from tests.app.conftest import wait_until

REDIS = shutil.which("redis-server")

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.skipif(REDIS is None, reason="redis-server is not installed"),
]


@dataclass(frozen=True)
class RunningRedis:
    url: str
    process: subprocess.Popen[bytes]

    def limiter(self) -> RateLimiter:
        settings = Settings(rate_limit=5, rate_burst=1, redis_url=self.url)
        limiter = make_rate_limiter(settings)
        assert limiter is not None
        return limiter


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningRedis]:
    assert REDIS is not None
    path = tmp_path / "redis.sock"
    # No port: only this test can reach it.
    command = [
        REDIS,
        "--port",
        "0",
        "--unixsocket",
        str(path),
        "--save",
        "",
        "--dir",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_until(path.exists)
        yield RunningRedis(f"unix://{path}", process)
    finally:
        process.kill()
        process.wait(5)


def test_two_processes_share_a_limit_and_keys_expire(running: RunningRedis) -> None:
    limiters = [running.limiter(), running.limiter()]
    granted = [limiters[i % 2].wait_seconds("caller") == 0 for i in range(9)]
    assert granted[:5] == [True] * 5
    assert sum(granted) in (5, 6)  # 6 when the minute ended meanwhile
    client = redis.Redis.from_url(running.url)
    keys = client.keys("indextts:rate:caller:*")
    assert keys
    assert all(0 < client.ttl(key) <= 120 for key in keys)


def test_memory_takes_over_when_redis_dies(running: RunningRedis) -> None:
    limiter = running.limiter()
    assert limiter.wait_seconds("caller") == 0
    running.process.kill()
    running.process.wait(5)
    assert limiter.wait_seconds("caller") == 0
    assert limiter.wait_seconds("caller") > 0
