from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.tiny_run import tiny_recipe
from training import cli
from training.config import RECIPES
from training.status import show
from training.steps.export import MAX_BYTES
from training.workspace import Workspace


@pytest.mark.parametrize("step", cli.STEPS)
def test_every_step_explains_itself(step: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([step, "--help"])
    assert ended.value.code == 0
    assert "--work" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encoder"], "is missing"),
        (["speech", "--voices", "nowhere"], "run the step texts"),
        (["export"], "run the step encoder"),
        (["evaluate", "--resynthesis"], "is missing"),
        (["evaluate", "--spelling"], "is missing"),
        (["pack", "x.tar"], "run the step texts"),
    ],
)
def test_a_step_too_early_says_what_to_run(
    arguments: list[str], message: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert cli.main([*arguments, "--work", str(tmp_path)]) == 2
    assert message in caplog.text


@pytest.mark.parametrize("text", ["3", "0/2", "3/2", "a/b"])
def test_a_part_must_be_one_of_n(text: str) -> None:
    with pytest.raises(SystemExit):
        cli.main(["speech", "--part", text])


def test_length_and_rate_of_a_training_can_be_given() -> None:
    given = cli.parser().parse_args(["gpt", "--steps", "7", "--rate", "0.5"])
    own = RECIPES["demo"]()
    wanted = replace(own, gpt=replace(own.gpt, steps=7, rate=0.5))
    assert cli._recipe(given) == wanted
    assert cli._recipe(cli.parser().parse_args(["gpt"])) == own
    held = cli.parser().parse_args(["gpt", "--hold-conditioner"])
    assert cli._recipe(held) == replace(own, hold_conditioner=True)


def test_status_counts_and_draws(trained_run: Workspace) -> None:
    out = io.StringIO()
    show(trained_run, tiny_recipe(), out)
    text = out.getvalue()
    assert "18 utterances" in text
    assert "6 of 6 steps done" in text
    assert "emotion    done" in text


def test_the_demo_fits_its_bound_and_its_vocabulary() -> None:
    from indextts.layers.bigvgan import BigVGAN
    from indextts.layers.campplus import CAMPPlus
    from indextts.layers.rep_codec import RepCodec
    from indextts.layers.w2v_bert import W2VBertEncoder
    from indextts.stages.acoustic import AcousticModel
    from indextts.stages.conditioning import ReferenceConditioner
    from indextts.stages.semantic_gpt import SemanticGPT
    from indextts.utils.skeleton import skeleton

    sizes = RECIPES["demo"]().sizes
    model = sizes.model
    with skeleton():
        parts = (
            SemanticGPT(model.gpt), ReferenceConditioner(model.gpt), AcousticModel(model.s2mel),
            RepCodec(model.semantic_codec), CAMPPlus(model.s2mel.style_encoder),
            W2VBertEncoder(sizes.w2v_bert, model.semantic_layer), BigVGAN(sizes.bigvgan),
        )  # fmt: skip
    numbers = sum(p.numel() for part in parts for p in part.parameters())
    assert 10e6 < numbers < 25e6
    assert 2 * numbers + 3_000_000 < MAX_BYTES
    assert sizes.bigvgan.samples_per_frame == 256
