from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from app.settings import Settings, SettingsError
from app.web.rate_limit import MAX_CALLERS, RedisWindow, TokenBucket, make_rate_limiter
from tests.app.conftest import AppMaker


@dataclass
class Clock:
    now: float = 6000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class TinyRedis:
    """The four commands that RedisWindow uses, in a dictionary."""

    values: dict[str, int] = field(default_factory=dict)
    away: bool = False

    def pipeline(self, transaction: bool) -> TinyPipeline:
        assert transaction
        return TinyPipeline(self)

    def decr(self, key: str) -> None:
        self.values[key] -= 1


@dataclass
class TinyPipeline:
    redis: TinyRedis
    results: list[object] = field(default_factory=list)

    def incr(self, key: str) -> None:
        self.redis.values[key] = self.redis.values.get(key, 0) + 1
        self.results.append(self.redis.values[key])

    def expire(self, key: str, seconds: int) -> None:
        assert seconds >= 120
        self.results.append(True)

    def get(self, key: str) -> None:
        value = self.redis.values.get(key)
        self.results.append(None if value is None else str(value).encode())

    def execute(self) -> list[object]:
        if self.redis.away:
            raise ConnectionError
        return self.results


def test_a_burst_then_the_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(per_minute=30, burst=3, clock=clock)
    assert [bucket.wait_seconds("a") for _ in range(3)] == [0, 0, 0]
    assert bucket.wait_seconds("a") == pytest.approx(2.0)
    assert bucket.wait_seconds("b") == 0
    clock.now += 2.0
    assert bucket.wait_seconds("a") == 0
    assert bucket.wait_seconds("a") > 0
    clock.now += 3600
    assert [bucket.wait_seconds("a") for _ in range(4)][:3] == [0, 0, 0]


def test_memory_is_bounded() -> None:
    bucket = TokenBucket(per_minute=1, burst=1, clock=Clock())
    for index in range(MAX_CALLERS + 50):
        bucket.wait_seconds(str(index))
    assert len(bucket._buckets) == MAX_CALLERS


def window(redis: TinyRedis, clock: Clock, per_minute: float = 10) -> RedisWindow:
    fallback = TokenBucket(per_minute, 1, clock)
    return RedisWindow(redis, ConnectionError, per_minute, fallback, clock)


def test_processes_share_the_window() -> None:
    redis, clock = TinyRedis(), Clock()
    limiters = [window(redis, clock), window(redis, clock)]
    granted = [limiters[i % 2].wait_seconds("a") == 0 for i in range(14)]
    assert granted == [True] * 10 + [False] * 4
    assert limiters[0].wait_seconds("b") == 0


def test_the_window_slides() -> None:
    redis, clock = TinyRedis(), Clock(6000.0)
    limiter = window(redis, clock)
    for _ in range(10):
        limiter.wait_seconds("a")
    clock.now = 6090.0  # half of the minute before still counts
    granted = [limiter.wait_seconds("a") == 0 for _ in range(8)]
    assert sum(granted) == 5


def test_memory_counts_while_redis_is_away(caplog: pytest.LogCaptureFixture) -> None:
    redis, clock = TinyRedis(away=True), Clock()
    limiter = window(redis, clock)
    assert limiter.wait_seconds("a") == 0
    assert limiter.wait_seconds("a") > 0  # the bucket of one is empty
    assert len([r for r in caplog.records if "Redis" in r.getMessage()]) == 1
    redis.away = False
    clock.now += 11
    assert limiter.wait_seconds("a") == 0


def test_answers(make_app: AppMaker) -> None:
    client = make_app(start=False, rate_limit=6.0, rate_burst=2).test_client()
    codes = [client.post("/tts", json={}).status_code for _ in range(3)]
    assert codes == [422, 422, 429]
    refused = client.post("/tts", json={})
    assert refused.get_json()["error"] == "rate_limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 10
    assert client.get("/health/live").status_code == 200


def test_each_key_has_its_own_limit(make_app: AppMaker) -> None:
    settings = {"rate_limit": 6.0, "rate_burst": 1, "api_keys": ("a", "b")}
    client = make_app(start=False, **settings).test_client()
    codes = [
        client.post("/tts", json={}, headers={"X-API-Key": key}).status_code
        for key in ("a", "a", "b", "wrong")
    ]
    assert codes == [422, 429, 422, 401]


@pytest.mark.parametrize(
    "addresses",
    [
        ["9.9.9.9"] * 8,
        [f"2600::{n:x}" for n in range(8)],
        [f"8.8.8.8:{1000 + n}" for n in range(8)],
        [f"[2600:0:0:1::{n}]:{1000 + n}" for n in range(8)],
    ],
    ids=["address", "IPv6 network", "ports", "IPv6 with ports"],
)
def test_what_one_caller_can_choose_makes_no_new_callers(
    make_app: AppMaker, addresses: list[str]
) -> None:
    settings = {"rate_limit": 6.0, "rate_burst": 3, "trust_proxy": 1}
    client = make_app(start=False, **settings).test_client()
    codes = [
        client.post("/tts", json={}, headers={"X-Forwarded-For": address}).status_code
        for address in addresses
    ]
    assert codes == [422] * 3 + [429] * 5


def test_choices() -> None:
    assert make_rate_limiter(Settings()) is None
    assert isinstance(make_rate_limiter(Settings(rate_limit=1)), TokenBucket)
    redis = Settings(rate_limit=1, redis_url="redis://127.0.0.1:1/0")
    assert isinstance(make_rate_limiter(redis), RedisWindow)
    with pytest.raises(SettingsError, match="not a Redis URL"):
        make_rate_limiter(Settings(rate_limit=1, redis_url="nonsense"))


def test_an_unreachable_redis_does_not_stop_the_service() -> None:
    settings = Settings(rate_limit=60, rate_burst=2, redis_url="redis://127.0.0.1:1/0")
    limiter = make_rate_limiter(settings)
    assert limiter is not None
    assert limiter.wait_seconds("a") == 0
