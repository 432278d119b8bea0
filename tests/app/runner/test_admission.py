"""The queue: who may wait, and who is told at once that it would take too long."""

from __future__ import annotations

import math

import numpy as np
import pytest

from app.runner.admission import Admission
from app.runner.channel import Completed
from app.runner.clock import Clock
from app.runner.engine import ReferenceAudio, StageSeconds, SynthesisRequest
from app.runner.errors import QueueFullError, QueueTimeoutError
from app.runner.job import Job
from app.runner.work import FIRST_PACE, OVERHEAD, Pace, work_of

VOICE = ReferenceAudio(np.zeros(16000, dtype=np.float32), 16000)
SENTENCE = "x" * 80
WORK = 100.0  # of the sentence, with the overhead
NOW, FAR = 1e6, 1e9


class StandingClock(Clock):
    """No time passes but what a test adds."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        return self.time


def admission_of(
    *, queue_seconds: float = 60.0, clock: StandingClock | None = None, room: int = 1
) -> Admission:
    return Admission(32, queue_seconds, clock or StandingClock(), lambda: room)


def completed(seconds: float, sound: float = 1.0) -> Completed:
    return Completed(
        seed=0,
        quality="exact",
        warnings=(),
        stages=StageSeconds(),
        queue_seconds=0.0,
        inference_seconds=seconds,
        audio_seconds=sound,
    )


def job_of(admission: Admission, text: str = SENTENCE) -> Job:
    seat = admission.take_seat(work_of(text), FAR)
    job = Job(SynthesisRequest(text, VOICE), FAR, lambda: False, "", seat)
    assert admission.add(job)
    return job


def test_chinese_weighs_as_long_as_it_is_spoken() -> None:
    assert work_of("abc") - OVERHEAD == 3
    assert work_of("\u4f60\u597d") - OVERHEAD == 6


def test_slow_speech_is_more_work_and_fast_speech_less() -> None:
    plain, slow, fast = (work_of("x" * 100, speed) - OVERHEAD for speed in (1.0, 0.5, 2.0))
    assert (plain, slow, fast) == (100.0, 150.0, 75.0)
    request = SynthesisRequest(SENTENCE, VOICE, speed=0.5)
    job = Job(request, FAR, lambda: False, "", None)
    assert job.work == work_of(SENTENCE, 0.5) > work_of(SENTENCE)


def test_the_pace_is_time_for_work_of_late() -> None:
    pace = Pace()
    assert pace.value == FIRST_PACE
    pace.add(10.0, 100.0)
    assert pace.value == pytest.approx(0.1)
    for _ in range(40):  # it has moved to the CPU
        pace.add(100.0, 100.0)
    assert pace.value == pytest.approx(1.0, rel=0.01)


def test_a_burst_of_sentences_waits() -> None:
    admission = admission_of()
    for _ in range(20):  # 2 s each, as far as anybody knows
        admission.take_seat(WORK, NOW + 120.0)
    assert admission.counts().wait_seconds == pytest.approx(40.0)


def test_who_would_wait_too_long_is_refused_at_once() -> None:
    admission = admission_of(queue_seconds=3.0)
    admission.take_seat(WORK, FAR)
    second = admission.take_seat(WORK, FAR)
    with pytest.raises(QueueFullError) as caught:
        admission.require_seat(WORK, FAR)
    assert not isinstance(caught.value, QueueTimeoutError)
    assert caught.value.retry_after == 2
    second.leave()
    admission.require_seat(WORK, FAR)


def test_who_would_miss_the_deadline_is_refused_at_once() -> None:
    admission = admission_of()
    # With the engine to itself it may try, whatever is guessed.
    only = admission.take_seat(WORK, NOW + 1.0)
    with pytest.raises(QueueTimeoutError):
        admission.take_seat(WORK, NOW + 3.0)
    admission.take_seat(WORK, NOW + 9.0)
    only.leave()


def test_a_long_text_fills_the_queue_sooner_than_many_short_ones() -> None:
    admission = admission_of()
    admission.take_seat(work_of("x" * 4000), FAR)
    with pytest.raises(QueueFullError):
        admission.take_seat(work_of("x"), FAR)


def test_the_engine_that_is_fast_lets_more_in() -> None:
    clock = StandingClock()
    admission = admission_of(queue_seconds=0.5, clock=clock)
    job = job_of(admission)
    with pytest.raises(QueueFullError):
        admission.require_seat(WORK, FAR)
    assert admission.next() is job
    clock.time += 0.02
    admission.done(job, completed(0.02))
    assert admission.counts().wait_seconds == 0.0
    for _ in range(20):
        job_of(admission)
    assert admission.counts().waiting == 20
    assert admission.counts().wait_seconds == pytest.approx(0.4)


def test_what_has_been_done_of_the_running_job_is_not_waited_for() -> None:
    clock = StandingClock()
    admission = admission_of(clock=clock)
    job = job_of(admission)
    assert admission.counts().wait_seconds == pytest.approx(2.0)
    assert admission.next() is job
    clock.time += 0.5
    assert admission.counts().wait_seconds == pytest.approx(1.5)
    clock.time += 9.0  # longer than was guessed: nobody knows how much is left
    assert admission.counts().wait_seconds == 0.0


def test_the_wait_ends_where_there_is_room() -> None:
    admission = admission_of(room=4)
    seats = []
    for expected in (0.0, 0.0, 0.0, 0.0, 2.0, 4.0):  # of a sentence alone, 2 s
        assert admission.counts().wait_seconds == pytest.approx(expected)
        seats.append(admission.take_seat(WORK, FAR))
    # All who are before it, and its own: only then it has been spoken.
    with pytest.raises(QueueTimeoutError):
        admission.require_seat(WORK, NOW + 13.0)
    admission.require_seat(WORK, NOW + 15.0)
    seats.pop(0).leave()
    assert admission.counts().wait_seconds == pytest.approx(4.0)


def test_short_requests_say_little_about_long_ones() -> None:
    clock = StandingClock()
    admission = admission_of(clock=clock)
    assert admission.throughput() == math.inf

    def work_through(seconds: float, sound: float) -> None:
        job = job_of(admission)
        admission.next()
        clock.time += seconds
        admission.done(job, completed(seconds, sound))

    work_through(1.0, 0.5)
    assert admission.throughput() == math.inf
    work_through(60.0, 300.0)
    for _ in range(64):
        work_through(0.3, 0.5)
    assert admission.throughput() > 3.0
    for _ in range(4):  # it has moved to the CPU
        work_through(60.0, 10.0)
    assert admission.throughput() < 0.3


def test_jobs_that_run_together_count_once() -> None:
    clock = StandingClock()
    admission = admission_of(clock=clock, room=2)
    jobs = [job_of(admission), job_of(admission)]
    assert [admission.next(), admission.next()] == jobs
    for job in jobs:
        clock.time += 5.0
        admission.done(job, completed(clock.time - NOW, 20.0))
    assert admission.throughput() == pytest.approx(4.0)


def test_left_seats_leave_no_crumbs() -> None:
    admission = admission_of()
    texts = ["x" * length for length in (1, 7, 50, 333)]
    seats = [admission.take_seat(work_of(text), FAR) for text in texts]
    for seat in seats:
        seat.leave()
        seat.leave()
    assert admission.counts().wait_seconds == 0.0


def test_the_engine_may_look_without_waiting() -> None:
    admission = admission_of()
    assert admission.next() is None
    job = job_of(admission)
    assert admission.next() is job
    assert not admission.closed
    waiting = job_of(admission)
    assert admission.close() == ((waiting,), (job,))
    assert admission.next() is None
    assert admission.closed
