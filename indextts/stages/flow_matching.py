"""Sampler of the conditional flow: noise to mel in a few Euler steps (s2mel.md 3)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from indextts.config import S2MelConfig
from indextts.layers.dit import DiT, DiTContext


class FlowMatching(nn.Module):
    """Integrates the estimator's velocity from noise to mel.

    The attribute name is the key ``cfm.estimator`` of the checkpoint.
    """

    def __init__(self, config: S2MelConfig) -> None:
        super().__init__()
        self.estimator = DiT(config.DiT, config.wavenet, config.style_encoder.dim)

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
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        keep = self._free_frames(lengths, mu.shape[1], prompt.shape[-1])
        context = self._context(mu, lengths, prompt, style, guided=guidance_rate > 0)
        x = noise * keep
        grid = torch.linspace(0.0, 1.0, steps + 1, device=mu.device)
        # The time is summed up in float32, as in the reference, not read from the grid.
        t = grid[:1]
        for step in range(steps):
            if on_step is not None:
                on_step(step)
            dt = grid[step + 1] - grid[step]
            x = (x + dt * self._velocity(x, t, context, guidance_rate)) * keep
            t = t + dt
        return x

    def _velocity(self, x: Tensor, t: Tensor, context: DiTContext, rate: float) -> Tensor:
        """The guided velocity of x [B, M, T] at the time t [1]."""
        if rate <= 0:
            return self.estimator.step(x, t, context)
        both = self.estimator.step(torch.cat((x, x)), t, context)  # [2B, M, T]
        conditional, unconditional = both.chunk(2)
        return (1.0 + rate) * conditional - rate * unconditional

    def _context(
        self, mu: Tensor, lengths: Tensor, prompt: Tensor, style: Tensor, *, guided: bool
    ) -> DiTContext:
        """The constants of the conditional rows, followed by those of the unconditional rows."""
        batch, total, _ = mu.shape
        prompt_x = mu.new_zeros(batch, prompt.shape[1], total)
        prompt_x[..., : prompt.shape[-1]] = prompt
        style = style.expand(batch, -1)
        if guided:
            prompt_x, style, mu = (
                torch.cat((part, torch.zeros_like(part))) for part in (prompt_x, style, mu)
            )
            lengths = lengths.repeat(2)
        return self.estimator.prepare(prompt_x, lengths, style, mu, rows_alone=True)

    @staticmethod
    def _free_frames(lengths: Tensor, total: int, prompt_frames: int) -> Tensor:
        """Float [B, 1, T]: 1 on the frames to be generated, 0 on prompt and padding.

        Padding stays 0, so that nothing can grow there and reach the rows through 0 * inf.
        """
        frames = torch.arange(total, device=lengths.device)
        free = (frames >= prompt_frames) & (frames < lengths[:, None])
        return free[:, None].float()
