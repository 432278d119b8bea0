"""One step of a critic, and what it has to say of what it was shown."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from training.loop import Learner
from training.nets.critics import critic_loss, feature_loss, generator_loss


@dataclass(frozen=True, eq=False)
class Judgement:
    """Losses, all scalars.

    Attributes:
        critic: of the critic itself, detached.
        generator: how far what was made is from passing for real.
        features: how far it is from the real thing in what the critic sees inside.
    """

    critic: Tensor
    generator: Tensor
    features: Tensor


def judge(learner: Learner, real: Tensor, made: Tensor, index: int) -> Judgement:
    """Train the learner's module ``critic`` to tell the two apart, then let it judge what was made.

    Args:
        real, made: a batch each, of one shape; gradients of the judgement flow into `made` only.
    """
    critic = learner.modules["critic"]
    judged = critic_loss(critic(real), critic(made.detach()))
    learner.update(judged, index)
    critic.requires_grad_(False)
    true, inside = critic(real), critic(made)
    critic.requires_grad_(True)
    return Judgement(judged.detach(), generator_loss(inside), feature_loss(true, inside))
