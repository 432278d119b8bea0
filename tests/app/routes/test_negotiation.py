"""What ``Accept`` asks for."""

from __future__ import annotations

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from app.routes.negotiation import AnswerForm, StreamForm, negotiate, negotiate_stream

JSON = AnswerForm(False, "wav")


def request_with(accept: str) -> Request:
    return Request(EnvironBuilder(headers={"Accept": accept}).get_environ())


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("audio/aac, audio/mpeg;q=0.9", AnswerForm(True, "mp3")),
        ("audio/mpeg;q=0.9, audio/aac", AnswerForm(True, "mp3")),
        ("audio/aac, audio/flac;q=0.3, audio/mpeg;q=0.2", AnswerForm(True, "flac")),
        ("audio/pcm, audio/ogg;q=0.5", AnswerForm(True, "ogg")),
        ("audio/webm; codecs=opus, audio/ogg; codecs=opus;q=0.5", AnswerForm(True, "opus")),
        ("audio/aac, audio/*;q=0.5", AnswerForm(True, "wav")),
        ("audio/*, audio/mpeg;q=0.5", AnswerForm(True, "wav")),
        ("audio/mpeg, audio/*", AnswerForm(True, "mp3")),
        ("audio/flac, application/json", AnswerForm(True, "flac")),
        # What is not made here is no reason against JSON, where JSON is named.
        ("audio/aac, application/json;q=0.5", JSON),
        ("audio/aac, audio/mpeg;q=0.4, application/json;q=0.5", JSON),
        # Where it is not, sound is nearer to the wish.
        ("audio/aac", AnswerForm(True, "wav")),
        ("audio/aac, */*;q=0.1", AnswerForm(True, "wav")),
        ("audio/mpeg;q=0", JSON),
        ("*/*", JSON),
        ("", JSON),
    ],
)
def test_of_the_types_that_are_listed_the_best_that_can_be_made_is_sent(
    accept: str, form: AnswerForm
) -> None:
    assert negotiate(request_with(accept), None) == form


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("audio/aac, audio/mpeg;q=0.9", StreamForm(False, "mp3")),
        ("audio/aac, audio/pcm;q=0.5, audio/mpeg;q=0.4", StreamForm(False, "pcm")),
        ("audio/aac, audio/*;q=0.5", StreamForm(False, "wav")),
        ("audio/aac", StreamForm(False, "wav")),
        ("audio/mpeg;q=0", StreamForm(False, "wav")),
        ("audio/aac, text/event-stream;q=0.5", StreamForm(True, "wav")),
        ("text/event-stream;q=0.5, audio/mpeg;q=0.9, audio/aac", StreamForm(False, "mp3")),
        ("text/event-stream, audio/mpeg;q=0.9", StreamForm(True, "mp3")),
        ("*/*", StreamForm(False, "wav")),
    ],
)
def test_streams_choose_in_the_same_way(accept: str, form: StreamForm) -> None:
    assert negotiate_stream(request_with(accept), None) == form


@pytest.mark.parametrize("accept", ["audio/aac", "audio/aac, audio/flac;q=0.5", "audio/*"])
def test_the_field_decides_about_the_format(accept: str) -> None:
    assert negotiate(request_with(accept), "mp3") == AnswerForm(True, "mp3")
    assert negotiate_stream(request_with(accept), "mp3") == StreamForm(False, "mp3")
