"""The GPT is trained on what the engine will do."""

from __future__ import annotations

import torch

from indextts.sampling import SamplingOptions
from indextts.stages.decoding.processors import Plan, RowOptions, process
from indextts.stages.decoding.session import NativeSession
from tests.indextts.small_models import small_gpt, small_gpt_config
from training.steps.gpt import code_rows, seen_codes

CODES = torch.tensor([5, 9, 5, 5, 30, 9])
IDS = torch.tensor([7, 8, 9])


def test_teacher_forced_scores_are_those_of_decoding() -> None:
    gpt = small_gpt()
    condition = torch.randn(4, 32, generator=torch.Generator().manual_seed(1)) * 0.1
    prefix = gpt.prefix(condition, IDS)
    with torch.inference_mode():
        rows = torch.cat((prefix, code_rows(gpt, CODES, latent=False)))
        forced = gpt.logits(gpt.gpt(rows[None])[0, len(prefix) :])
        session = NativeSession(gpt, [prefix], 1)
        tokens = [gpt.config.start_mel_token, *CODES.tolist()]
        decoded = [session.step(torch.tensor([t]), None, i)[0] for i, t in enumerate(tokens)]
    torch.testing.assert_close(forced, torch.stack(decoded), atol=1e-4, rtol=1e-4)


def test_latent_rows_are_those_of_the_latent_pass() -> None:
    gpt = small_gpt()
    condition = torch.randn(4, 32, generator=torch.Generator().manual_seed(1)) * 0.1
    prefix = gpt.prefix(condition, IDS)
    with torch.inference_mode():
        rows = torch.cat((prefix, code_rows(gpt, CODES, latent=True)))
        hidden = gpt.final_norm(gpt.gpt(rows[None])[0, len(prefix) : -1])
        latents = gpt.latents([condition], [IDS], [CODES])[0]
    torch.testing.assert_close(hidden, latents, atol=1e-5, rtol=1e-4)


def test_seen_codes_are_the_history_of_the_penalty() -> None:
    config = small_gpt_config()
    targets = torch.tensor([[5, 9, 5, config.stop_mel_token, -100]])
    seen = seen_codes(targets, config)[0]
    always = {1, config.start_mel_token}
    wanted = [always, always | {5}, always | {5, 9}, always | {5, 9}]
    for row, expected in zip(seen, wanted, strict=False):
        assert set(row.nonzero()[:, 0].tolist()) == expected


def test_the_loss_sees_the_scores_that_greedy_beam_decoding_ranks() -> None:
    scores = torch.randn(1, 66, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    seen = seen_codes(torch.tensor([[5, 6, 7]]), small_gpt_config())[:, 2]
    every = [SamplingOptions(do_sample=False, num_beams=3)]
    greedy = process(scores, seen, RowOptions.of(every, 66), Plan.of(every, 66))
    expected = torch.where(seen, scores * 10.0, scores)
    torch.testing.assert_close(greedy, expected)
