"""A limit of requests for each caller: in memory, or shared through Redis."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

from app.settings import Settings, SettingsError

log = logging.getLogger(__name__)

MAX_CALLERS = 10_000
REDIS_PAUSE_SECONDS = 10.0


class RateLimiter(Protocol):
    """Grants or refuses requests."""

    def wait_seconds(self, caller: str) -> float:
        """0 when the request is granted (and counted), else how long to wait."""
        ...


class TokenBucket:
    """A bucket for each caller: `burst` requests at once, `per_minute` in the long run.

    Args:
        per_minute: how fast a bucket fills.
        burst: how much it holds.
        clock: seconds, never going back.
    """

    def __init__(
        self, per_minute: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = per_minute / 60.0
        self._burst = float(burst)
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, caller: str, *, take: bool = True) -> float:
        """See :class:`RateLimiter`; without `take` a granted request is not counted."""
        now = self._clock()
        with self._lock:
            level, then = self._buckets.get(caller, (self._burst, now))
            level = min(self._burst, level + (now - then) * self._rate)
            granted = level >= 1.0
            if take:
                self._buckets[caller] = (level - 1.0 if granted else level, now)
                self._buckets.move_to_end(caller)
            # The caller who was silent longest has the fullest bucket: least is lost.
            while len(self._buckets) > MAX_CALLERS:
                self._buckets.popitem(last=False)
        return 0.0 if granted else (1.0 - level) / self._rate


class RedisWindow:
    """Counts in a sliding minute, kept in Redis for all processes; memory while Redis is away.

    The minute slides by weighting the count of the minute before with what is left of it.

    Args:
        client: a ``redis.Redis``.
        errors: what `client` raises when it cannot be reached.
        per_minute: requests granted in a minute.
        fallback: decides while Redis does not answer.
        clock: seconds of the day's time, the same for all processes.
    """

    def __init__(
        self,
        client: Any,
        errors: type[Exception],
        per_minute: float,
        fallback: RateLimiter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._errors = errors
        self._limit = per_minute
        self._fallback = fallback
        self._clock = clock
        self._away_until = -math.inf

    def wait_seconds(self, caller: str) -> float:
        now = self._clock()
        if now < self._away_until:
            return self._fallback.wait_seconds(caller)
        try:
            return self._ask(caller, now)
        except self._errors:
            log.warning("Redis does not answer; the rate limit counts in memory for a while")
            self._away_until = now + REDIS_PAUSE_SECONDS
            return self._fallback.wait_seconds(caller)

    def _ask(self, caller: str, now: float) -> float:
        minute, passed = divmod(now, 60.0)
        key = f"indextts:rate:{caller}:{int(minute)}"
        before = f"indextts:rate:{caller}:{int(minute) - 1}"
        pipeline = self._client.pipeline(transaction=True)
        pipeline.incr(key)
        pipeline.expire(key, 120)
        pipeline.get(before)
        count, _, previous = pipeline.execute()
        weighted = float(previous or 0) * (60.0 - passed) / 60.0 + float(count)
        if weighted <= self._limit:
            return 0.0
        self._client.decr(key)  # a refused request does not count
        return max(1.0, min(60.0 - passed, 60.0 / self._limit))


def make_rate_limiter(settings: Settings) -> RateLimiter | None:
    """The limiter that the settings ask for; None for no limit.

    Raises:
        SettingsError: Redis is asked for without its client, or with a URL it cannot read.
    """
    if settings.rate_limit <= 0:
        return None
    bucket = TokenBucket(settings.rate_limit, settings.rate_burst)
    if not settings.redis_url:
        return bucket
    try:
        import redis
    except ImportError:
        raise SettingsError(
            "INDEXTTS_REDIS_URL needs the client: pip install 'indextts-service[redis]'"
        ) from None
    try:
        client = redis.Redis.from_url(
            settings.redis_url, socket_timeout=0.5, socket_connect_timeout=0.5
        )
    except ValueError:
        raise SettingsError("INDEXTTS_REDIS_URL: not a Redis URL") from None
    return RedisWindow(client, redis.RedisError, settings.rate_limit, bucket)
