"""The acoustic model of a single step and its critic."""

from __future__ import annotations

from dataclasses import replace

import torch

from training.steps.common import Setting
from training.steps.s2mel import S2MelTask

SHARPEN_FROM = 2


def single_step(setting: Setting) -> Setting:
    recipe = setting.recipe
    s2mel = replace(recipe.sizes.model.s2mel, diffusion_steps=1, guidance_rate=0.0, noise_scale=0.0)
    sizes = replace(recipe.sizes, model=replace(recipe.sizes.model, s2mel=s2mel))
    return replace(
        setting, recipe=replace(recipe, sizes=sizes, latents=False, sharpen_from=SHARPEN_FROM)
    )


def test_the_critic_acts_late_and_goes_on_where_it_stopped(setting: Setting) -> None:
    task = S2MelTask(single_step(setting))
    curve = [task.advance(index) for index in range(SHARPEN_FROM + 2)]
    assert ["critic" in row for row in curve] == [False, False, True, True]
    assert all(bool(torch.isfinite(value)) for row in curve for value in row.values())
    state = task.state()
    before = [p.clone() for p in task._critic.modules.parameters()]
    other = S2MelTask(single_step(setting))
    other.restore(state)
    assert all(
        torch.equal(a, b) for a, b in zip(other._critic.modules.parameters(), before, strict=True)
    )
    # The export has nothing of it.
    assert task.weights().keys() == {"s2mel"}


def test_the_guess_of_a_single_step_is_the_mel_that_the_loss_sees(setting: Setting) -> None:
    task = S2MelTask(single_step(setting))
    task.s2mel.eval()
    item = setting.train.items[0]
    made = task.guess(item, setting.train.items[1])
    _, mel = task._speech(item, uneven=False)
    assert made.shape == (mel.shape[1], mel.shape[0])
    assert not made.any()  # the last layer starts at zero, and there is no noise


def test_prompts_are_sometimes_long(setting: Setting) -> None:
    from training.loop import chooser

    task = S2MelTask(single_step(setting))
    lengths = [
        int(task._batch(setting.train.items[:2], chooser(i)).prompts.max()) for i in range(40)
    ]
    assert max(lengths) > 100 > sorted(lengths)[len(lengths) // 2]
