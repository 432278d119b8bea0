"""Segment times as subtitles: SubRip (SRT) and WebVTT."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Literal, Protocol

from indextts.request import SegmentAudio

SubtitleFormat = Literal["srt", "vtt"]
SUBTITLE_FORMATS: tuple[SubtitleFormat, ...] = ("srt", "vtt")


class Cue(Protocol):
    """Something that is said for a while."""

    @property
    def text(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


@dataclass(frozen=True)
class SegmentCue:
    """When a segment is heard, in seconds from the beginning."""

    text: str
    start: float
    end: float


def segment_cues(segments: Iterable[SegmentAudio]) -> Iterator[SegmentCue]:
    """The cues of the segments of one synthesis, in order; pauses lie between cues."""
    begin = 0
    for segment in segments:
        rate = segment.sample_rate
        begin += segment.lead
        end = begin + len(segment.waveform)
        yield SegmentCue(segment.text, begin / rate, end / rate)
        begin = end + segment.pause


def subtitles(cues: Iterable[Cue], format: SubtitleFormat) -> str:
    """The cues as the text of a subtitle file; times in seconds."""
    comma = "," if format == "srt" else "."
    blocks = []
    for number, cue in enumerate(cues, start=1):
        span = f"{_clock(cue.start, comma)} --> {_clock(cue.end, comma)}"
        # A blank line would end the cue.
        text = " ".join(cue.text.split())
        text = text.replace("-->", "→") if format == "srt" else escape(text, quote=False)
        blocks.append(f"{number}\n{span}\n{text}\n")
    head = "" if format == "srt" else "WEBVTT\n\n"
    return head + "\n".join(blocks)


def _clock(seconds: float, comma: str) -> str:
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{comma}{rest % 1000:03}"
