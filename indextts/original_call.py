"""The call of the reference implementation, for programs that were written for it."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indextts import given, options
from indextts.request import EMOTIONS, Control, ReferenceAudio, Synthesis, SynthesisRequest
from indextts.sampling import SamplingChanges
from indextts.utils.audio_file import read_audio
from indextts.utils.output_file import SoundFile

log = logging.getLogger(__name__)

AudioSource = str | Path | bytes | ReferenceAudio


class OriginalCall(ABC):
    """Gives an engine the method ``infer``."""

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Of all output, in Hz."""

    @abstractmethod
    def synthesize(self, request: SynthesisRequest, control: Control | None = None) -> Synthesis:
        """Speak a text."""

    def infer(
        self,
        spk_audio_prompt: AudioSource,
        text: str,
        output_path: str | Path | None = None,
        emo_audio_prompt: AudioSource | None = None,
        emo_alpha: float = 1.0,
        emo_vector: list[float] | None = None,
        use_emo_text: bool = False,
        emo_text: str | None = None,
        use_random: bool = False,
        interval_silence: int = options.INTERVAL_SILENCE.default,
        verbose: bool = False,
        max_text_tokens_per_segment: int = options.MAX_TEXT_TOKENS.default,
        seed: int | None = None,
        speed: float = options.SPEED.default,
        pauses: bool = True,
        **generation: Any,
    ) -> str | tuple[int, NDArray[np.int16]]:
        """Speak a text, with the argument names of the reference implementation.

        A vector or a text for the emotion takes precedence over an emotion clip, as there.

        Args:
            spk_audio_prompt: the voice: a path, the bytes of a file, or decoded audio.
            text: what to speak.
            output_path: where to write; its ending says the format (.wav, .flac, .mp3, .ogg,
                .opus).  None returns the samples.
            emo_audio_prompt: a clip that carries the emotion.
            emo_alpha: strength of the emotion.
            emo_vector: strengths of happy, angry, sad, afraid, disgusted, melancholic,
                surprised, calm; their sum should be 0.8 or less.
            use_emo_text: read the emotion from `emo_text`, or from `text` if that is None.
            emo_text: see `use_emo_text`.
            use_random: draw the emotion examples of the vector.
            interval_silence: pause between segments in ms.
            verbose: log the seconds of each stage, at level INFO.  The reference prints them; here
                they are seen where the program shows its log, e.g. after
                ``logging.basicConfig(level=logging.INFO)``.
            max_text_tokens_per_segment: longest segment.
            seed: makes the result reproducible.
            speed: factor on the pace of the voice.
            pauses: whether ``[pause 500ms]``, ``<break time="0.5s"/>`` and blank lines are silence.
            generation: fields of SamplingChanges; `do_sample` is ignored, as in the reference.

        Returns:
            The path, or the sample rate and int16 samples [n, 1].

        Raises:
            OutputError: `output_path` cannot be written; noticed before the work, unless the disk
                is full at its end.
            RequestError: an argument is of the wrong type or out of range; before the work.
        """
        output = None if output_path is None else SoundFile(output_path)
        generation.pop("do_sample", None)
        by_text = (emo_text or text) if use_emo_text else None
        vector = None
        if emo_vector is not None and not use_emo_text:
            vector = given.numbers("emo_vector", emo_vector, len(EMOTIONS))
        clip = None if by_text is not None or vector is not None else emo_audio_prompt
        request = SynthesisRequest(
            text=text,
            speaker=_audio(spk_audio_prompt),
            emotion=None if clip is None else _audio(clip),
            emo_alpha=emo_alpha,
            emo_vector=vector,
            emo_text=by_text,
            use_random=use_random,
            seed=seed,
            speed=speed,
            pauses=pauses,
            interval_silence=max(options.INTERVAL_SILENCE.number(interval_silence), 0),
            max_text_tokens_per_segment=max_text_tokens_per_segment,
            sampling=SamplingChanges(**generation),
        )
        result = self.synthesize(request)
        if verbose:
            log.info("%.2f s of audio; %s", result.audio_seconds, result.seconds)
        if output is None:
            scaled = np.clip(32767.0 * result.waveform, -32767.0, 32767.0)
            return self.sample_rate, scaled.astype(np.int16)[:, None]
        output.write(result.waveform, result.sample_rate)
        return str(output_path)


def _audio(source: AudioSource) -> ReferenceAudio:
    return source if isinstance(source, ReferenceAudio) else read_audio(source)
