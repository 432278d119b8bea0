from __future__ import annotations

from dataclasses import replace

import pytest

from indextts.config import GPTConfig
from indextts.stages.decoding.bound import code_limit, code_minimum, usual_codes
from tests.indextts.small_models import small_gpt_config


@pytest.fixture
def config() -> GPTConfig:
    return replace(small_gpt_config(), max_mel_tokens=1815)


def test_the_least_the_usual_and_the_most_keep_their_order(config: GPTConfig) -> None:
    for tokens in (6, 20, 120):
        least, most = code_minimum(config, tokens), code_limit(config, tokens, 10_000)
        assert 0 < least < usual_codes(config, tokens)
        assert least < most
        # What official speech takes: 6 to 12 codes a token (the default of 25 is the bound).
        assert 6 <= usual_codes(config, tokens) / tokens <= 12 or config.codes_per_text_token != 25


def test_a_word_or_two_may_be_said_in_no_time(config: GPTConfig) -> None:
    assert code_minimum(config, 2) == 0
