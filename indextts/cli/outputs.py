"""Where the command line's speech goes: a file, or standard output while it is being made."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from indextts.cli.standard_streams import binary_output, writing_output
from indextts.errors import OutputError
from indextts.request import SegmentAudio, Sound
from indextts.subtitles import SUBTITLE_FORMATS, SubtitleFormat, segment_cues, subtitles
from indextts.utils.output_file import SoundFile, check_writable, write_output
from indextts.utils.pcm import pcm16, wav_header

STDOUT = "-"


class Output(Protocol):
    """Takes the sound of one synthesis, in order.

    Attributes:
        name: of the place, for people.
    """

    name: str

    def write(self, sound: Sound) -> None:
        """Take the next segment, and its pause, or what there is of it before."""
        ...

    def finish(self) -> None:
        """All segments are there."""
        ...


class FileOutput:
    """A sound file, written when all of it is there.

    Raises:
        OutputError: it cannot be written there, or not in this format.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._file = SoundFile(path)
        self._rate = 0
        self._parts: list[NDArray[np.float32]] = []

    def write(self, sound: Sound) -> None:
        self._rate = sound.sample_rate
        if isinstance(sound, SegmentAudio):
            self._parts.append(sound.with_pause())

    def finish(self) -> None:
        self._file.write(np.concatenate(self._parts), self._rate)


class PipeOutput:
    """A WAV for a pipe: the header does not know the length, and what is there goes out at once."""

    name = "standard output"

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._started = False

    def write(self, sound: Sound) -> None:
        header = b"" if self._started else wav_header(sound.sample_rate)
        self._started = True
        samples = pcm16(sound.rest()).astype("<i2", copy=False).tobytes()
        with writing_output():
            self._pipe.write(header + samples)
            self._pipe.flush()

    def finish(self) -> None:
        """Everything has been written."""


class SubtitleOutput:
    """A subtitle file beside the sound.

    Raises:
        OutputError: it cannot be written there, or not in this format.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._format = subtitle_format(path)
        check_writable(path)
        self._segments: list[SegmentAudio] = []

    def write(self, sound: Sound) -> None:
        if isinstance(sound, SegmentAudio):
            self._segments.append(sound)

    def finish(self) -> None:
        text = subtitles(segment_cues(self._segments), self._format)
        write_output(self._path, text.encode("utf-8"))


def subtitle_format(path: Path) -> SubtitleFormat:
    """The format that a file's name asks for; raises OutputError where there is none."""
    for name in SUBTITLE_FORMATS:
        if path.suffix.lower() == f".{name}":
            return name
    raise OutputError(f"{path}: the name of a subtitle file must end in .srt or .vtt")


def open_output(name: str) -> Output:
    """The place that ``--output`` names; "-" is standard output.

    Raises:
        OutputError: nothing can be written there.
    """
    return PipeOutput(binary_output()) if name == STDOUT else FileOutput(Path(name))
