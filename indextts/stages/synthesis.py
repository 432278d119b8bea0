"""One request on its way through the stages (pipeline.md 2 and 4)."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from indextts.errors import AudioError, RequestError, TextFault
from indextts.quality import FastClass, Quality
from indextts.request import (
    Control,
    EarlySound,
    Progress,
    SegmentAudio,
    Sound,
    StageSeconds,
    SynthesisRequest,
)
from indextts.stages.clock import StageClock
from indextts.stages.conditioning import merge_emotion
from indextts.stages.decoding.bound import (
    code_limit,
    code_minimum,
    usual_codes,
)
from indextts.stages.emotion import scale_vector, too_strong
from indextts.stages.member import Member, Spoken, Utterance
from indextts.stages.networks import Networks
from indextts.stages.reference import ReferenceEncoder, Voice
from indextts.stages.seeds import derive_seed, draw_seed
from indextts.stages.text import BLANK_LINE_MS, FrontEndResult, Segment

# Of one bounded answer: silence costs no work, so nothing else would bound it.
MAX_PAUSE_SECONDS = 120.0


class SynthesisRun:
    """The state of one request; the networks it uses are shared and hold none.

    Its segments become members of the engine's work; they come back spoken, in any order, and
    leave in the order of the text.

    Args:
        request: what to speak.
        control: cancellation, deadline, progress.
        networks, reference: those of its class.
        fast: what its class saves; None: nothing, it is exact.

    Attributes:
        seed: repeats the result.
        quality: its class.
        warnings: sentences for the caller, so far.
        clock: seconds of the stages.
        members: begun and not spoken yet.
        ready: sound that nobody has taken yet: segments, and what there is of a first one that is
            waited for.
        error: why the run has ended early.
    """

    def __init__(
        self,
        request: SynthesisRequest,
        control: Control,
        networks: Networks,
        reference: ReferenceEncoder,
        fast: FastClass | None = None,
    ) -> None:
        self.request = request
        self.quality: Quality = "exact" if fast is None else "fast"
        self.seed = draw_seed() if request.seed is None else request.seed
        self.warnings: list[str] = []
        self.clock = StageClock(networks.gpt.device)
        self.members: list[Member] = []
        self.ready: deque[Sound] = deque()
        self.error: Exception | None = None
        sampling, steps = networks.config.sampling, networks.config.s2mel.diffusion_steps
        self._sampling = request.sampling.over(
            sampling if fast is None else fast.sampling(sampling)
        )
        self._diffusion_steps = steps if fast is None else fast.steps(steps)
        self._control = control
        self._networks = networks
        self._reference = reference
        self._text: FrontEndResult | None = None
        self._silences: tuple[int, ...] = ()
        self._utterance: Utterance | None = None
        self._begun = self._spoken = self._sounded = 0
        self._out_of_turn: dict[int, Spoken] = {}

    # -- life ----------------------------------------------------------------------------

    @property
    def prepared(self) -> bool:
        return self._utterance is not None

    @property
    def ended(self) -> bool:
        """Whether nothing more will be spoken."""
        if self.error is not None:
            return True
        return self._text is not None and self._spoken == len(self._text.segments)

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for the first sound of a stream."""
        return self.request.quick_streaming_tokens > 0 and self._spoken == 0

    def seconds(self) -> StageSeconds:
        return self.clock.seconds()

    def check(self) -> None:
        """Raises what the caller's control has to say."""
        self._control.check()

    def tell(self, stage: str, members: Sequence[Member], done: int, total: int) -> None:
        """Tell the caller how far the segments `members` are in a stage."""
        if self._control.progress is not None and self._text is not None:
            indices = [member.index for member in members]
            count = len(self._text.segments)
            self._control.progress(Progress(stage, done, total, min(indices), max(indices), count))

    def prepare(self) -> None:
        """Read the text and the clips.

        Raises:
            TextError, RequestError, AudioError, EmotionTextUnavailableError: the request cannot
                be met.
            CancelledError, DeadlineExceededError: the caller's control said so.
        """
        with self.clock.stage("text"):
            text = self._split_text()
        with self.clock.stage("reference"):
            voice, emotion = self._read_clips()
        self._control.check()
        with torch.inference_mode():
            condition = self._condition(voice, emotion)
        self._text = text
        self._utterance = Utterance(
            networks=self._networks,
            seed=self.seed,
            sampling=self._sampling,
            speed=self.request.speed,
            condition=condition,
            prompt=voice.prompt,
            diffusion_steps=self._diffusion_steps,
            count=len(text.segments),
        )

    def next_member(self) -> Member | None:
        """Begin the next segment; None where there is none, or where it is not its turn yet."""
        if self._text is None or self._utterance is None:
            return None
        segments, index = self._text.segments, self._begun
        decoding = sum(member.decoding for member in self.members)
        if (
            index >= begun_until(self._spoken, len(segments), self.request)
            or decoding >= self.request.segments_per_batch
        ):
            return None
        self._begun += 1
        gpt, ids = self._networks.gpt, segments[index].ids
        member = Member(
            self._utterance,
            index,
            torch.tensor(ids, dtype=torch.int64, device=gpt.device),
            limit=code_limit(gpt.config, len(ids), self._sampling.max_mel_tokens),
            least=max(1, code_minimum(gpt.config, len(ids))),
            early=self.urgent and self.quality == "fast",
        )
        self.members.append(member)
        return member

    def has_sounded(self, member: Member) -> None:
        """Take the last part of the sound of a segment that has not spoken yet: the first one."""
        rate = self._networks.config.s2mel.preprocess_params.sr
        waveform = member.last_part
        if not self._sounded:
            waveform = np.pad(waveform, (self._lead(rate), 0))
        sound = EarlySound(member.index, self._sounded, waveform, rate)
        self._sounded = sound.end
        self.ready.append(sound)

    def has_spoken(self, member: Member) -> None:
        """Take a segment; it is ready once all before it are."""
        self.members.remove(member)
        self._out_of_turn[member.index] = member.spoken()
        while (following := self._out_of_turn.pop(self._spoken, None)) is not None:
            self.ready.append(self._audio(self._spoken, following))
            self._spoken += 1

    # -- text and clips ------------------------------------------------------------------

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
        self._silences = result.silences(self.request.interval_silence)
        self._bound_length(result)
        self.warnings += result.warnings()
        return result

    def _bound_length(self, text: FrontEndResult) -> None:
        """Raises RequestError, before anything is spoken, for what would last too long."""
        limit = self.request.max_audio_seconds
        if limit is None:
            return
        segments = text.segments
        pauses = sum(self._silences) / 1000
        config = self._networks.config
        codes = sum(usual_codes(config.gpt, len(segment.ids)) for segment in segments)
        speech = codes * config.s2mel.seconds_per_code / self.request.speed
        if pauses > MAX_PAUSE_SECONDS:
            raise RequestError(
                f"the pauses of {len(segments)} segments come to {pauses:g} s; at most "
                f"{MAX_PAUSE_SECONDS:.0f} s are allowed: take a smaller interval_silence, or "
                "shorter pauses",
                TextFault.PAUSES_TOO_LONG,
            )
        if pauses + speech > limit:
            # Rounded apart, so that the numbers themselves tell which is more.
            raise RequestError(
                f"about {math.ceil(speech)} s of speech and {pauses:g} s of pauses are more than "
                f"the {math.floor(limit)} s that can be spoken in one request here; send the "
                "text in parts",
                TextFault.SPEECH_TOO_LONG,
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
            with self.clock.stage("emotion_text"):
                seed = derive_seed(self.seed, "emotion text")
                vector = self._networks.emotion_reader.read(
                    request.emo_text, seed, lambda _: self._control.check()
                )
        if vector is None:
            return None
        strengths = scale_vector(vector, request.emo_alpha)
        # Of a text the model sets them, as the original has it; the caller could not lower one.
        if request.emo_vector is not None and (warning := too_strong(strengths)) is not None:
            self.warnings.append(warning)
        return strengths

    def _audio(self, index: int, spoken: Spoken) -> SegmentAudio:
        assert self._text is not None
        segments = self._text.segments
        segment = segments[index]
        rate = self._networks.config.s2mel.preprocess_params.sr
        self._warn(index, len(segments), spoken)
        return SegmentAudio(
            index=index,
            count=len(segments),
            text=self._written(segment),
            text_tokens=len(segment.ids),
            codes=spoken.codes,
            waveform=spoken.waveform,
            sample_rate=rate,
            pause=rate * self._silences[index + 1] // 1000,
            truncated=spoken.truncated,
            spoken_text=segment.spoken_text,
            lead=self._lead(rate) if index == 0 else 0,
            early=self._sounded if index == 0 else 0,
        )

    def _lead(self, rate: int) -> int:
        """Samples of silence in front of everything."""
        return rate * self._silences[0] // 1000

    def _warn(self, index: int, count: int, spoken: Spoken) -> None:
        codes = len(spoken.codes)
        if spoken.too_few_of is not None:
            self.warnings.append(
                f"segment {index + 1} of {count} has {codes} codes where its text needs at least "
                f"{spoken.too_few_of}: words may be missing"
            )
        if spoken.truncated:
            self.warnings.append(
                f"segment {index + 1} of {count} reached its length bound of {codes} codes and "
                "may be cut"
            )

    def _written(self, segment: Segment) -> str:
        """The stretch of the request's text that a segment speaks, or the words, where that is not
        known."""
        if segment.source is None:
            return segment.spoken_text or segment.text
        return self.request.text[slice(*segment.source)].strip()


def begun_until(spoken: int, count: int, request: SynthesisRequest) -> int:
    """How many of `count` segments may be begun when `spoken` have been spoken.

    Usually twice as many ahead as are decoded together, which bounds what waits for a long one
    before it.  Where the first sound is to come soon, 1, 1, 2, 4 ... at a time: by the time that
    these have been heard, twice as many are ready.
    """
    largest = request.segments_per_batch
    if not request.quick_streaming_tokens:
        return min(count, spoken + 2 * largest)
    begun = 0
    while begun <= spoken and begun < count:
        begun += min(largest, max(1, begun))
    return min(begun, count)
