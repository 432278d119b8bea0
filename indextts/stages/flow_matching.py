"""Sampler of the conditional flow: noise to mel in a few Euler steps (s2mel.md 3).

Each flow has its own time and state.  Flows of similar length take their steps together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from indextts.config import S2MelConfig
from indextts.layers.dit import DiT, DiTContext


@dataclass(eq=False)
class Flow:
    """A mel on its way out of the noise.

    Attributes:
        mu: float32 [T, C], the content of prompt and speech.
        prompt: float32 [M, Tr], the prompt's mel.
        style: float32 [style_dim].
        times: float32 [steps + 1], when the steps begin; the last is the end.
        lasting: float32 [steps], of each step.
        guidance_rate: weight of what the condition adds; 0 skips the unconditional pass.
        first: float32 [M, T], the noise; 0 on the prompt's frames.
        x: likewise, what there is of the mel.
        step: how many have been taken.
    """

    mu: Tensor
    prompt: Tensor
    style: Tensor
    times: Tensor
    lasting: Tensor
    guidance_rate: float
    first: Tensor
    x: Tensor
    step: int = 0

    def start_over(self) -> None:
        """Back to the noise."""
        self.x, self.step = self.first, 0

    @property
    def frames(self) -> int:
        """T, of prompt and speech."""
        return len(self.mu)

    @property
    def steps(self) -> int:
        return len(self.lasting)

    @property
    def guided(self) -> bool:
        return self.guidance_rate > 0

    @property
    def ended(self) -> bool:
        return self.step >= self.steps

    @property
    def mel(self) -> Tensor:
        """The speech so far, float32 [M, T - Tr]."""
        return self.x[:, self.prompt.shape[-1] :].clone()


class FlowMatching(nn.Module):
    """Integrates the estimator's velocity from noise to mel.

    The attribute name is the key ``cfm.estimator`` of the checkpoint.
    """

    def __init__(self, config: S2MelConfig) -> None:
        super().__init__()
        self.estimator = DiT(config.DiT, config.wavenet, config.style_encoder.dim)

    def begin(
        self,
        mu: Tensor,
        prompt: Tensor,
        style: Tensor,
        noise: Tensor,
        *,
        steps: int,
        guidance_rate: float,
    ) -> Flow:
        """A flow before its first step.

        Args:
            mu, prompt, style, guidance_rate: see :class:`Flow`.
            noise: float32 [M, T], standard normal; is not changed.
            steps: Euler steps, at least 1.
        """
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        grid = torch.linspace(0.0, 1.0, steps + 1, device=mu.device)
        lasting = grid[1:] - grid[:-1]
        # The time is summed up in float32, as in the reference, not read from the grid.
        times = [grid[0]]
        for step in range(steps):
            times.append(times[-1] + lasting[step])
        x = noise.clone()
        x[:, : prompt.shape[-1]] = 0.0
        return Flow(mu, prompt, style, torch.stack(times), lasting, guidance_rate, x, x)

    def sample(
        self,
        mu: Tensor,
        lengths: Tensor,
        prompt: Tensor,
        style: Tensor,
        noise: Tensor,
        *,
        steps: int,
        guidance_rate: float,
        on_step: Callable[[int], None] | None = None,
    ) -> Tensor:
        """Sample mels; each row of a padded batch gets the result that it has alone.

        Args:
            mu: float32 [B, T, C], the content of prompt and speech.
            lengths: int64 [B], frames of each row, prompt included.
            prompt: float32 [1 or B, M, Tr], the prompt's mel, Tr at most min(lengths).
            style: float32 [1 or B, style_dim].
            noise: float32 [B, M, T], standard normal; is not changed.
            steps: Euler steps, at least 1.
            guidance_rate: weight of what the condition adds; 0 skips the unconditional pass.
            on_step: called with 0 ... steps - 1 before each step; what it raises ends the work.

        Returns:
            float32 [B, M, T]; the prompt's frames and those behind each row's end are 0.
        """
        rows = zip(
            mu, lengths.tolist(), prompt.expand(len(mu), -1, -1), style.expand(len(mu), -1),
            noise, strict=True,
        )  # fmt: skip
        flows = [
            self.begin(
                own[:length],
                mel,
                voice,
                drawn[:, :length],
                steps=steps,
                guidance_rate=guidance_rate,
            )
            for own, length, mel, voice, drawn in rows
        ]
        self.finish(flows, on_step)
        result = torch.zeros_like(noise)
        for row, flow in zip(result, flows, strict=True):
            row[:, : flow.frames] = flow.x
        return result

    def finish(self, flows: Sequence[Flow], on_step: Callable[[int], None] | None = None) -> None:
        """Take all steps of flows that have equally many, together."""
        group = FlowGroup(self.estimator, flows)
        for step in range(flows[0].steps):
            if on_step is not None:
                on_step(step)
            group.step()
        group.part()


@dataclass(frozen=True, eq=False)
class FlowConstants:
    """What stays the same over the steps of a group.

    Attributes:
        keep: float32 [B, 1, T - first], 1 on the frames to be generated, 0 on prompt and padding.
        rates: float32 [B, 1, 1], the guidance of each flow.
        context: of the estimator; the conditional rows, followed by the unconditional ones.
        guided: whether there are any of the latter.
    """

    keep: Tensor
    rates: Tensor
    context: DiTContext
    guided: bool


def euler_step(
    estimator: DiT, x: Tensor, times: Tensor, lasting: Tensor, constants: FlowConstants
) -> Tensor:
    """One step of flows.

    Args:
        estimator: of the velocity.
        x: float32 [B, M, T].
        times, lasting: float32 [B].
        constants: of the flows.

    Returns:
        float32 [B, M, T - first], what follows `x` from the first frame on that changes.
    """
    free = x[..., constants.context.first :]
    velocity = _velocity(estimator, x, times, constants)
    return free.add(lasting[:, None, None] * velocity).mul_(constants.keep)


def _velocity(estimator: DiT, x: Tensor, times: Tensor, constants: FlowConstants) -> Tensor:
    """The guided velocity [B, M, T - first] at the times [B]."""
    if not constants.guided:
        return estimator.step(x, times, constants.context)
    both = torch.cat((x, x))  # [2B, M, T]
    # One time serves all rows.
    doubled = times if len(times) == 1 else times.repeat(2)
    conditional, unconditional = estimator.step(both, doubled, constants.context).chunk(2)
    return (1.0 + constants.rates) * conditional - constants.rates * unconditional


class FlowGroup:
    """Flows that take their steps together: constants are computed once, rows are padded.

    Args:
        estimator: of the velocity.
        flows: all guided or none of them.
        multiple: of frames at which rows begin to change and behind their frames end, so that
            many flows have the same shapes; 1: as soon, and as late, as any of them needs it.

    Attributes:
        frames: T, of all rows.
    """

    def __init__(self, estimator: DiT, flows: Sequence[Flow], multiple: int = 1) -> None:
        self.flows = tuple(flows)
        self.estimator = estimator
        self.frames = rounded_frames(flows, multiple)
        # Nothing changes before.
        self._first = min(flow.prompt.shape[-1] for flow in flows) // multiple * multiple
        x = pad_sequence([flow.x.T for flow in flows], batch_first=True).transpose(1, 2)
        self._x = self._filled(x)
        self._constants = self._prepare()

    def step(self) -> None:
        """One Euler step of every flow."""
        times = torch.stack([flow.times[flow.step] for flow in self.flows])  # [B]
        lasting = torch.stack([flow.lasting[flow.step] for flow in self.flows])
        self._x[..., self._first :] = self._advance(self._x, times, lasting, self._constants)
        for flow in self.flows:
            flow.step += 1

    def part(self) -> None:
        """Give every flow its state, as it is now."""
        for row, flow in zip(self._x, self.flows, strict=True):
            flow.x = row[:, : flow.frames].clone()

    def _advance(
        self, x: Tensor, times: Tensor, lasting: Tensor, constants: FlowConstants
    ) -> Tensor:
        """See :func:`euler_step`; the result is read at once."""
        return euler_step(self.estimator, x, times, lasting, constants)

    def _prepare(self) -> FlowConstants:
        device = self._x.device
        lengths = torch.tensor([flow.frames for flow in self.flows], device=device)
        keep = _free_frames(lengths, self.flows, self.frames)[..., self._first :]
        rates = torch.tensor([flow.guidance_rate for flow in self.flows], device=device)
        mu = pad_sequence([flow.mu for flow in self.flows], batch_first=True)  # [B, T, C]
        mu = self._filled(mu.transpose(1, 2)).transpose(1, 2)
        prompt_x = torch.zeros_like(self._x)
        for row, flow in zip(prompt_x, self.flows, strict=True):
            row[:, : flow.prompt.shape[-1]] = flow.prompt
        style = torch.stack([flow.style for flow in self.flows])
        guided = self.flows[0].guided
        if guided:
            prompt_x, style, mu = (
                torch.cat((part, torch.zeros_like(part))) for part in (prompt_x, style, mu)
            )
            lengths = lengths.repeat(2)
        context = self.estimator.prepare(
            prompt_x, lengths, style, mu, first=self._first, rows_alone=True
        )
        return FlowConstants(keep, rates[:, None, None], context, guided)

    def _filled(self, rows: Tensor) -> Tensor:
        """[B, C, n] -> [B, C, T], with zeros."""
        missing = self.frames - rows.shape[-1]
        return F.pad(rows, (0, missing)) if missing else rows


def rounded_frames(flows: Sequence[Flow], multiple: int) -> int:
    """The longest flow's frames; rounded up to a multiple, which leaves room for padding, so that
    the masks of padding are always there."""
    longest = max(flow.frames for flow in flows)
    return longest if multiple == 1 else (longest // multiple + 1) * multiple


def _free_frames(lengths: Tensor, flows: Sequence[Flow], total: int) -> Tensor:
    """Float [B, 1, T]: 1 on the frames to be generated, 0 on prompt and padding.

    Padding stays 0, so that nothing can grow there and reach the rows through 0 * inf.
    """
    prompts = torch.tensor([flow.prompt.shape[-1] for flow in flows], device=lengths.device)
    frames = torch.arange(total, device=lengths.device)
    free = (frames >= prompts[:, None]) & (frames < lengths[:, None])
    return free[:, None].float()
