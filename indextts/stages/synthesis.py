"""One request on its way through the stages (pipeline.md 2 and 4)."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator, Sequence

import torch
from torch import Tensor

from indextts.errors import AudioError, EmptyGenerationError, RequestError
from indextts.request import (
    Control,
    Progress,
    SegmentAudio,
    StageSeconds,
    SynthesisRequest,
)
from indextts.stages.clock import StageClock
from indextts.stages.conditioning import merge_emotion
from indextts.stages.decoding.bound import (
    CODES_PER_SECOND,
    code_limit,
    code_minimum,
    usual_codes,
)
from indextts.stages.decoding.decoder import CodeDecoder
from indextts.stages.decoding.generate import Generated
from indextts.stages.emotion import scale_vector
from indextts.stages.networks import Networks
from indextts.stages.reference import ReferenceEncoder, Voice
from indextts.stages.seeds import derive_seed, draw_seed, generator, normal
from indextts.stages.text import BLANK_LINE_MS, FrontEndResult, Segment

# Of one bounded answer: silence costs no work, so nothing else would bound it.
MAX_PAUSE_SECONDS = 120.0


class SynthesisRun:
    """The state of one request; the networks it uses are shared and hold none.

    Args:
        request: what to speak.
        control: cancellation, deadline, progress.
        networks, reference, decoder: the engine's.
    """

    def __init__(
        self,
        request: SynthesisRequest,
        control: Control,
        networks: Networks,
        reference: ReferenceEncoder,
        decoder: CodeDecoder,
    ) -> None:
        self.request = request
        self._sampling = request.sampling.over(networks.config.sampling)
        self.seed = draw_seed() if request.seed is None else request.seed
        self.warnings: list[str] = []
        self._control = control
        self._networks = networks
        self._reference = reference
        self._decoder = decoder
        self._device = networks.gpt.device
        self._clock = StageClock(self._device)

    def seconds(self) -> StageSeconds:
        return self._clock.seconds()

    def segments(self) -> Generator[SegmentAudio, None, None]:
        """Speak the text, one group of segments after the other.

        Raises:
            TextError, AudioError, EmotionTextUnavailableError: the request cannot be met.
            GenerationError: the model made nothing usable.
            CancelledError, DeadlineExceededError: the caller's control said so.
        """
        self._control.check()
        with self._clock.stage("text"):
            text = self._split_text()
        segments = text.segments
        with self._clock.stage("reference"):
            voice, emotion = self._read_clips()
        self._control.check()
        with torch.inference_mode():
            condition = self._condition(voice, emotion)
        for group in decoding_groups(len(segments), self.request):
            yield from self._speak(text, group, voice, condition)

    def _split_text(self) -> FrontEndResult:
        # A segment may be one piece longer than asked for, and must fit the position table.
        longest = self._networks.config.gpt.max_text_tokens - 1
        result = self._networks.text.segments(
            self.request.text,
            min(self.request.max_text_tokens_per_segment, longest),
            self.request.quick_streaming_tokens,
            self.request.normalization,
            self._control.check,
            pauses=self.request.pauses,
            # A paragraph is never nearer to the next one than two sentences are.
            blank_line=max(BLANK_LINE_MS, self.request.interval_silence),
        )
        self._bound_length(result)
        self.warnings += result.warnings()
        return result

    def _bound_length(self, text: FrontEndResult) -> None:
        """Raises RequestError, before anything is spoken, for what would last too long."""
        limit = self.request.max_audio_seconds
        if limit is None:
            return
        segments = text.segments
        pauses = sum(text.silences(self.request.interval_silence)) / 1000
        gpt = self._networks.config.gpt
        codes = sum(usual_codes(gpt, len(segment.ids)) for segment in segments)
        speech = codes / CODES_PER_SECOND / self.request.speed
        if pauses > MAX_PAUSE_SECONDS:
            raise RequestError(
                f"the pauses of {len(segments)} segments come to {pauses:.0f} s; at most "
                f"{MAX_PAUSE_SECONDS:.0f} s are allowed: take a smaller interval_silence, or "
                "shorter pauses"
            )
        if pauses + speech > limit:
            raise RequestError(
                f"about {speech:.0f} s of speech and {pauses:.0f} s of pauses are more than the "
                f"{limit:.0f} s that can be spoken in one request here; send the text in parts"
            )

    def _read_clips(self) -> tuple[Voice, Tensor]:
        """The voice, and the emotion vector [1, D] of the emotion clip or of the voice's own."""
        request, clip = self.request, "speaker"
        try:
            voice = self._reference.voice(request.speaker)
            if request.emotion is not None:
                clip = "emotion"
            return voice, self._reference.emotion(request.emotion or request.speaker)
        except AudioError as error:
            error.clip = clip
            raise

    def _condition(self, voice: Voice, emotion: Tensor) -> Tensor:
        """Conditioning rows of the GPT, float32 [N + 2, D]."""
        request = self.request
        # Without a clip of its own the emotion is the speaker's, in full.
        alpha = 1.0 if request.emotion is None else request.emo_alpha
        merged = merge_emotion(voice.emotion, emotion, alpha)
        strengths = self._strengths()
        if strengths is not None:
            matrix = self._networks.emotions
            if request.use_random:
                seed = derive_seed(self.seed, "emotion rows")
                rows = matrix.draw(random.Random(seed))  # noqa: S311 - no secret
            else:
                rows = matrix.nearest(voice.style)
            merged = matrix.mix(merged, strengths, rows)
        return self._networks.reference.conditioner.condition(voice.latents, merged)[0]

    def _strengths(self) -> tuple[float, ...] | None:
        request, vector = self.request, self.request.emo_vector
        if request.emo_text is not None:
            with self._clock.stage("emotion_text"):
                seed = derive_seed(self.seed, "emotion text")
                vector = self._networks.emotion_reader.read(
                    request.emo_text, seed, lambda _: self._control.check()
                )
        return None if vector is None else scale_vector(vector, request.emo_alpha)

    def _speak(
        self, text: FrontEndResult, group: range, voice: Voice, condition: Tensor
    ) -> Iterator[SegmentAudio]:
        """Decode a group, then hand out each of its segments as soon as it sounds."""
        segments = text.segments
        asked = text.silences(self.request.interval_silence)
        silences = [self._sample_rate * milliseconds // 1000 for milliseconds in asked]
        texts = [
            torch.tensor(segments[i].ids, dtype=torch.int64, device=self._device) for i in group
        ]
        # No generator may be left waiting inside inference_mode: the caller would be in it too.
        with torch.inference_mode(), self._clock.stage("gpt"):
            results = self._codes(texts, group, condition, len(segments))
            codes = [result.codes for result in results]
            latents = self._networks.gpt.latents([condition] * len(codes), texts, codes)
        with torch.inference_mode(), self._clock.stage("s2mel"):
            mels = self._mels(latents, codes, group, voice, len(segments))
        for i, result, mel in zip(group, results, mels, strict=True):
            self._control.check()
            with torch.inference_mode(), self._clock.stage("vocoder"):
                waveform = self._networks.vocoder.waveform(mel).cpu().numpy()
            if result.truncated:
                self.warnings.append(
                    f"segment {i + 1} of {len(segments)} reached its length bound of "
                    f"{len(result.codes)} codes and may be cut"
                )
            yield SegmentAudio(
                index=i,
                count=len(segments),
                text=self._written(segments[i]),
                text_tokens=len(segments[i].ids),
                codes=result.codes.cpu().numpy(),
                waveform=waveform,
                sample_rate=self._sample_rate,
                pause=silences[i + 1],
                truncated=result.truncated,
                spoken_text=segments[i].spoken_text,
                lead=silences[0] if i == 0 else 0,
            )

    def _written(self, segment: Segment) -> str:
        """The stretch of the request's text that a segment speaks, where that is known."""
        if segment.source is None:
            return segment.text
        return self.request.text[slice(*segment.source)].strip()

    @property
    def _sample_rate(self) -> int:
        return self._networks.config.s2mel.preprocess_params.sr

    def _codes(
        self, texts: Sequence[Tensor], group: range, condition: Tensor, count: int
    ) -> list[Generated]:
        gpt, options = self._networks.gpt, self._sampling
        prefixes = [gpt.prefix(condition, ids) for ids in texts]
        limits = [code_limit(gpt.config, len(ids), options.max_mel_tokens) for ids in texts]

        def decode(members: Sequence[int], purpose: str) -> list[Generated]:
            return self._decoder.generate(
                [prefixes[m] for m in members],
                [limits[m] for m in members],
                options,
                lambda: [
                    generator(derive_seed(self.seed, purpose, group[m]), self._device)
                    for m in members
                ],
                self._on_step("gpt", max(limits[m] for m in members), group, count),
            )

        results = decode(range(len(group)), "codes")
        least = [max(1, code_minimum(gpt.config, len(ids))) for ids in texts]
        short = [
            m for m, made in enumerate(results) if len(made.codes) < least[m] and not made.truncated
        ]
        if short:
            # Stopping early can be bad luck of the draw; once more, then the caller is told.
            for m, made in zip(short, decode(short, "codes again"), strict=True):
                results[m] = max(results[m], made, key=lambda one: len(one.codes))
                self._judge(results[m], least[m], group[m], count)
        return results

    def _judge(self, made: Generated, least: int, segment: int, count: int) -> None:
        """Tell of a segment that was made twice and is too short for its text all the same."""
        codes = len(made.codes)
        if not codes:
            raise EmptyGenerationError(
                f"the model spoke nothing for segment {segment + 1} of {count}"
            )
        if codes < least and not made.truncated:
            self.warnings.append(
                f"segment {segment + 1} of {count} has {codes} codes where its text needs at least "
                f"{least}: words may be missing"
            )

    def _mels(
        self,
        latents: Sequence[Tensor],
        codes: Sequence[Tensor],
        group: range,
        voice: Voice,
        count: int,
    ) -> list[Tensor]:
        acoustic = self._networks.reference.acoustic
        bands = acoustic.config.DiT.in_channels

        def noise(member: int, frames: int) -> Tensor:
            seed = derive_seed(self.seed, "noise", group[member])
            return normal(seed, (1, bands, frames), self._device)

        return acoustic.mels(
            latents,
            [self._networks.codec.embed(row[None])[0] for row in codes],
            voice.prompt,
            noise,
            self._on_step("s2mel", acoustic.config.diffusion_steps, group, count),
            speed=self.request.speed,
        )

    def _on_step(self, stage: str, total: int, group: range, count: int) -> Callable[[int], None]:
        control = self._control

        def on_step(done: int) -> None:
            control.check()
            if control.progress is not None:
                control.progress(Progress(stage, done, total, group[0], group[-1], count))

        return on_step


def decoding_groups(count: int, request: SynthesisRequest) -> Iterator[range]:
    """Which of `count` segments are decoded together.

    As many as the request allows; where the first sound is to come soon, 1, 1, 2, 4 ...: by the
    time that a group has been heard, one of twice the size is ready.
    """
    largest = request.segments_per_batch
    quick = request.quick_streaming_tokens > 0
    first = 0
    while first < count:
        size = min(largest, max(1, first)) if quick else largest
        group = range(first, min(first + size, count))
        yield group
        first = group.stop
