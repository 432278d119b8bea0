"""The runaway guard: how many codes a text of a given length may take."""

from __future__ import annotations

import math

from indextts.config import GPTConfig


def code_limit(config: GPTConfig, text_tokens: int, max_mel_tokens: int) -> int:
    """The most codes for a segment.

    Speech takes about 6 to 12 codes a text token; the bound leaves room for very slow speech,
    yet stops a decode that never ends long before the table of positions does.

    Args:
        config: of the GPT.
        text_tokens: L of the segment.
        max_mel_tokens: the caller's own limit.
    """
    bound = config.codes_base + math.ceil(config.codes_per_text_token * text_tokens)
    return min(bound, max_mel_tokens, config.max_mel_tokens + 1)
