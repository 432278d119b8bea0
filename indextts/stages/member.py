"""A segment of a text on its way through the stages, among those of other texts.

Whatever is done for one member alone stands here; the steps that members take together are the
scheduler's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from indextts.errors import EmptyGenerationError
from indextts.sampling import SamplingOptions
from indextts.stages.acoustic import PromptCondition
from indextts.stages.decoding.lane import DecodeTask, Generated, Slot
from indextts.stages.flow_matching import Flow
from indextts.stages.networks import Networks
from indextts.stages.seeds import derive_seed, generator, normal
from indextts.stages.vocoder import Voicing

# What the random numbers of a first and of a second decode are for.
_PURPOSES = ("codes", "codes again")


@dataclass(frozen=True, eq=False)
class Utterance:
    """What the segments of one request have in common.

    Attributes:
        networks: the engine's.
        seed: of the request.
        sampling: how codes are drawn.
        speed: pace of the voice.
        condition: float32 [N + 2, D], the GPT's conditioning rows.
        prompt: what the acoustic model continues.
        diffusion_steps: from noise to mel.
        count: of its segments.
    """

    networks: Networks
    seed: int
    sampling: SamplingOptions
    speed: float
    condition: Tensor
    prompt: PromptCondition
    diffusion_steps: int
    count: int


@dataclass(frozen=True, eq=False)
class Spoken:
    """A finished member.

    Attributes:
        codes: int64 [n].
        waveform: float32 [samples].
        truncated: the length bound was hit.
        too_few_of: the codes that its text needs at least, where there are fewer.
    """

    codes: NDArray[np.int64]
    waveform: NDArray[np.float32]
    truncated: bool
    too_few_of: int | None


class Member:
    """One segment.

    Args:
        utterance: of its request.
        index: of the segment.
        ids: int64 [L], its text tokens.
        limit: the most codes.
        least: the fewest codes with which it can have been spoken.
        early: somebody waits for its first sound, so it is spoken in parts.

    Attributes:
        decoding: whether codes are still to be drawn.
        slot: its place in the decode, while it has one.
        flow: on its way from noise to mel; None before.
        failures: steps with others that went wrong.
    """

    def __init__(
        self,
        utterance: Utterance,
        index: int,
        ids: Tensor,
        *,
        limit: int,
        least: int,
        early: bool = False,
    ) -> None:
        self.index, self.limit = index, limit
        self.decoding = True
        self.slot: Slot | None = None
        self.flow: Flow | None = None
        self.failures = 0
        self._utterance, self._ids, self._least, self._early = utterance, ids, least, early
        self._first: Generated | None = None
        self._made: Generated | None = None
        self._too_few = False
        self._voicing: Voicing | None = None
        self._parts: list[NDArray[np.float32]] = []

    def task(self) -> DecodeTask:
        """What its decode starts with; every call draws the same."""
        one = self._utterance
        gpt = one.networks.gpt
        purpose = _PURPOSES[self._first is not None]
        return DecodeTask(
            gpt.prefix(one.condition, self._ids),
            self.limit,
            one.sampling,
            generator(derive_seed(one.seed, purpose, self.index), gpt.device),
        )

    def has_decoded(self, made: Generated) -> None:
        """Take the codes; where there are too few they are to be drawn once more.

        Stopping early can be bad luck of the draw; after the second time the caller is told.

        Raises:
            EmptyGenerationError: there are none, for the second time.
        """
        self.slot = None
        made = self._until_start(made)
        if self._first is None and self._is_short(made):
            self._first = made
            return
        if self._first is not None:
            # Of two equal ones the first.
            made = max(self._first, made, key=lambda one: len(one.codes))
            if not len(made.codes):
                raise EmptyGenerationError(
                    f"the model spoke nothing for segment {self.index + 1} of "
                    f"{self._utterance.count}"
                )
            self._too_few = self._is_short(made)
        self._made = made
        self.decoding = False

    def latents(self) -> Tensor:
        """The second pass of the GPT, over the codes: float32 [n, D]."""
        one = self._utterance
        return one.networks.gpt.latents([one.condition], [self._ids], [self._codes])[0]

    def begin_flow(self, latents: Tensor) -> None:
        """Make ready for the steps from noise to mel; without frames there is no flow.

        Raises:
            GenerationError: prompt and segment have more frames than positions.
        """
        one = self._utterance
        acoustic = one.networks.reference.acoustic
        bands = acoustic.config.DiT.in_channels
        seed = derive_seed(one.seed, "noise", self.index)
        self.flow = acoustic.begin(
            latents,
            one.networks.codec.embed(self._codes[None])[0],
            one.prompt,
            lambda frames: normal(seed, (1, bands, frames), acoustic.device),
            steps=one.diffusion_steps,
            speed=one.speed,
        )

    def speak(self) -> None:
        """Mel to waveform: to its end, or the next part where somebody waits for it.

        Raises:
            NonFiniteAudioError: the mel or the signal holds NaN or infinity.
        """
        if self.flow is None:
            return
        if self._voicing is None:
            vocoder = self._utterance.networks.vocoder
            self._voicing = vocoder.begin(self.flow.mel, early=self._early)
        while not self._voicing.ended:
            self._parts.append(self._voicing.next_part().cpu().numpy())
            if self._early:
                return

    @property
    def has_spoken(self) -> bool:
        """Whether the last call of :meth:`speak` has come to the end of the mel."""
        return self._voicing is None or self._voicing.ended

    @property
    def last_part(self) -> NDArray[np.float32]:
        """The sound that the last call of :meth:`speak` has added, float32 [samples]."""
        return self._parts[-1]

    def spoken(self) -> Spoken:
        """All of it, once it has spoken."""
        assert self._made is not None
        return Spoken(
            codes=self._codes.cpu().numpy(),
            waveform=np.concatenate([np.zeros(0, np.float32), *self._parts]),
            truncated=self._made.truncated,
            too_few_of=self._least if self._too_few else None,
        )

    def _until_start(self, made: Generated) -> Generated:
        """Nothing forbids that START is drawn, which the codec does not have: it ends the codes as
        STOP does (codec_and_speaker.md 1.3)."""
        foreign = made.codes >= self._utterance.networks.codec.codebook_size  # [n]
        if not foreign.any():
            return made
        first = int(foreign.int().argmax())
        return replace(made, codes=made.codes[:first], truncated=False)

    def _is_short(self, made: Generated) -> bool:
        return len(made.codes) < self._least and not made.truncated

    @property
    def _codes(self) -> Tensor:
        assert self._made is not None
        return self._made.codes
