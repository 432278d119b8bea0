from __future__ import annotations

import numpy as np

from app.speech.events import SegmentReady
from indextts.request import SegmentAudio
from indextts.subtitles import SegmentCue, segment_cues, subtitles


def cue(text: str, start: float, end: float) -> SegmentReady:
    return SegmentReady(text, text, start, end, np.zeros(0, dtype=np.float32), 22050)


CUES = (cue("Good morning.", 0.0, 1.2344), cue("你好 -->\n\nagain", 3599.9996, 3661.5))


def test_srt() -> None:
    assert subtitles(CUES, "srt") == (
        "1\n00:00:00,000 --> 00:00:01,234\nGood morning.\n\n"
        "2\n01:00:00,000 --> 01:01:01,500\n你好 → again\n"
    )


def test_vtt() -> None:
    assert subtitles(CUES, "vtt") == (
        "WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.234\nGood morning.\n\n"
        "2\n01:00:00.000 --> 01:01:01.500\n你好 --&gt; again\n"
    )


def test_marks_of_webvtt_are_shown_and_not_obeyed() -> None:
    text = subtitles([cue("If 3 < 5 & x > 2, use <div>.", 0.0, 1.0)], "vtt")
    assert text.splitlines()[-1] == "If 3 &lt; 5 &amp; x &gt; 2, use &lt;div&gt;."


def test_nothing() -> None:
    assert subtitles((), "srt") == ""


def test_segments_have_pauses_between_them() -> None:
    def segment(index: int, samples: int, text: str, lead: int = 0) -> SegmentAudio:
        return SegmentAudio(
            index=index,
            count=2,
            text=text,
            text_tokens=1,
            codes=np.zeros(1, np.int64),
            waveform=np.zeros(samples, np.float32),
            sample_rate=100,
            pause=20,
            truncated=False,
            spoken_text="five dollars",
            lead=lead,
        )

    cues = list(segment_cues((segment(0, 150, "$5"), segment(1, 50, "Now."))))
    assert cues == [SegmentCue("$5", 0.0, 1.5), SegmentCue("Now.", 1.7, 2.2)]
    late = list(segment_cues((segment(0, 150, "$5", lead=30), segment(1, 50, "Now."))))
    assert late == [SegmentCue("$5", 0.3, 1.8), SegmentCue("Now.", 2.0, 2.5)]
