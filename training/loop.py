"""The training loop: random numbers by step, saved state, curves, a budget of time.

Every step draws from generators that are seeded by its own number.  A run that was stopped and
goes on is therefore the same as one that was not.
"""

from __future__ import annotations

import hashlib
import io
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from training.config import Schedule
from training.workspace import Workspace, append_row, write_atomically

Metrics = dict[str, float]


class Task(Protocol):
    """What is trained."""

    name: str
    schedule: Schedule
    seed: int

    def advance(self, index: int) -> dict[str, Tensor]:
        """One optimisation step; returns what to write into the curve."""
        ...

    def validate(self) -> Metrics:
        """Figures over held-out sentences."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything that changes in training."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take :meth:`state` back."""
        ...

    def begin(self, weights: dict[str, Any]) -> None:
        """Take :meth:`weights` as first values."""
        ...

    def weights(self) -> dict[str, Any]:
        """State dicts for later steps, by part."""
        ...


@dataclass(frozen=True)
class Budget:
    """When to save, look and stop.

    Attributes:
        minutes: stop (with the state saved) after so long; the next run goes on.
        save_every, validate_every, log_every: in steps.
        clock: seconds, for tests.
    """

    minutes: float = math.inf
    save_every: int = 500
    validate_every: int = 500
    log_every: int = 10
    clock: Callable[[], float] = field(default=time.monotonic)


def train(task: Task, work: Workspace, budget: Budget) -> bool:
    """Run a task from its saved state to its end or the budget's; True if it is at its end."""
    steps = task.schedule.steps
    path = work.state(task.name)
    first = 0
    if path.is_file():
        saved = torch.load(path, map_location="cpu", weights_only=True)
        first = int(saved["steps"])
        task.restore(saved["task"])
    elif work.weights(task.name).is_file():
        task.begin(load_weights(work, task.name))
    end = budget.clock() + 60 * budget.minutes
    bar = tqdm(total=steps, initial=min(first, steps), desc=task.name, mininterval=2)
    done = first
    with bar:
        for index in range(first, steps):
            seed_all(task.seed, task.name, index)
            metrics = task.advance(index)
            done = index + 1
            bar.update()
            if done % budget.log_every == 0 or done == steps:
                row = {key: float(value) for key, value in metrics.items()}
                append_row(work.curve(task.name), {"step": done, **row})
                bar.set_postfix({key: f"{value:.3g}" for key, value in row.items()}, refresh=False)
            if done % budget.validate_every == 0 or done == steps:
                seed_all(task.seed, task.name, -1)
                append_row(work.curve(task.name), {"step": done, "valid": task.validate()})
            out_of_time = budget.clock() >= end
            if done % budget.save_every == 0 or out_of_time:
                _save(work, task, done)
            if out_of_time:
                break
    if done >= steps:
        _save(work, task, done)
        write_atomically(work.weights(task.name), _bytes(task.weights()))
        return True
    return False


def _save(work: Workspace, task: Task, done: int) -> None:
    write_atomically(work.state(task.name), _bytes({"steps": done, "task": task.state()}))


def _bytes(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def save_tensors(work: Workspace, name: str, content: dict[str, Any]) -> None:
    """Write something that a step hands on to later ones."""
    write_atomically(work.cache(name), _bytes(content))


def load_weights(work: Workspace, step: str) -> dict[str, Any]:
    """What a step has left for later ones.

    Raises:
        FileNotFoundError: it is not at its end yet.
    """
    path = work.weights(step)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run the step {step} to its end first")
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def derived_seed(*parts: object) -> int:
    """A seed from names and numbers, the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big")


def seed_all(*parts: object) -> None:
    """Seed torch's default generators of all devices."""
    torch.manual_seed(derived_seed(*parts))


def chooser(*parts: object) -> random.Random:
    """A generator for choices."""
    return random.Random(derived_seed(*parts))


class Learner:
    """An optimiser with its schedule and, if wanted, a running mean of the weights.

    Args:
        modules: what is trained.
        schedule: see :class:`Schedule`.
        betas: of AdamW.
        clip: greatest length of the gradient.
        slower: factors on the learning rate of some of the modules.
        constrain: brings the weights back to where they are held: at first and after every step,
            before the mean takes them in.
    """

    def __init__(
        self,
        modules: nn.ModuleDict,
        schedule: Schedule,
        betas: tuple[float, float] = (0.9, 0.98),
        clip: float = 1.0,
        slower: Mapping[str, float] = MappingProxyType({}),
        constrain: Callable[[], None] = lambda: None,
    ) -> None:
        self.modules = modules
        self.schedule = schedule
        self._constrain = constrain
        constrain()
        self._clip = clip
        parameters = [p for p in modules.parameters() if p.requires_grad]
        self._parameters = parameters
        self._optimizer = torch.optim.AdamW(
            [
                group
                for name in modules
                for group in _groups(modules[name], schedule, slower.get(name, 1.0))
            ],
            lr=schedule.rate,
            betas=betas,
        )
        self._average = (
            {k: v.detach().clone() for k, v in modules.state_dict().items()}
            if schedule.average
            else None
        )

    def rate(self, index: int) -> float:
        """Learning rate of a step."""
        s = self.schedule
        if index < s.warmup:
            return s.rate * (index + 1) / s.warmup
        part = (index - s.warmup) / max(1, s.steps - s.warmup)
        return s.rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(part, 1.0))))

    def update(self, loss: Tensor, index: int) -> Tensor:
        """One step down; returns the length of the gradient."""
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._clip)
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate(index) * group["share"]
        self._optimizer.step()
        self._constrain()
        self._follow(index)
        return norm

    @torch.no_grad()
    def _follow(self, index: int) -> None:
        if self._average is None:
            return
        # Early weights are forgotten faster.
        decay = min(self.schedule.average, (index + 1) / (index + 10))
        for key, value in self.modules.state_dict().items():
            mean = self._average[key]
            if value.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def state(self) -> dict[str, Any]:
        return {
            "modules": self.modules.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "average": self._average,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.modules.load_state_dict(state["modules"])
        self._optimizer.load_state_dict(state["optimizer"])
        if self._average is not None:
            for key, value in state["average"].items():
                self._average[key].copy_(value)

    @torch.no_grad()
    def begin(self, weights: dict[str, dict[str, Tensor]]) -> None:
        """Take weights of some of the modules as first values."""
        for name, state in weights.items():
            if name in self.modules:
                self.modules[name].load_state_dict(state)
        if self._average is not None:
            for key, value in self.modules.state_dict().items():
                self._average[key].copy_(value)

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """The weights to use, by module, on the CPU; the mean where one is kept."""
        content = self.modules.state_dict() if self._average is None else self._average
        return {
            name: {
                key.removeprefix(f"{name}."): value.detach().cpu().clone()
                for key, value in content.items()
                if key.startswith(f"{name}.")
            }
            for name in self.modules
        }


def _groups(module: nn.Module, schedule: Schedule, share: float) -> list[dict[str, Any]]:
    """Parameters for the optimiser; vectors (biases, norms) are not pulled towards zero."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    return [
        {
            "params": [p for p in parameters if (p.dim() > 1) == matrices],
            "weight_decay": schedule.decay if matrices else 0.0,
            "share": share,
        }
        for matrices in (True, False)
    ]


class LearnerTask:
    """The half of a :class:`Task` that its learner answers."""

    _learner: Learner

    def state(self) -> dict[str, Any]:
        return self._learner.state()

    def restore(self, state: dict[str, Any]) -> None:
        self._learner.restore(state)

    def begin(self, weights: dict[str, Any]) -> None:
        self._learner.begin(weights)

    def weights(self) -> dict[str, Any]:
        return self._learner.weights()


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 where the device multiplies it faster than float32."""
    fast = device.type == "cuda" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=fast)
