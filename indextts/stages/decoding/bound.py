"""How many codes a text of a given length may take, and how few are too few."""

from __future__ import annotations

import math

from indextts.config import GPTConfig

# A model is allowed this many times the codes that a text takes at the very least.
_SPREAD = 9.0
# A word or two may be said in no time.
_SHORTEST_JUDGED = 6


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


def code_minimum(config: GPTConfig, text_tokens: int) -> int:
    """The fewest codes with which a segment can have been spoken to its end; 0 for a few words.

    Half of what very fast speech takes: a decode that stops below has left words out.
    """
    if text_tokens < _SHORTEST_JUDGED:
        return 0
    return math.floor(config.codes_per_text_token * text_tokens / _SPREAD)


def usual_codes(config: GPTConfig, text_tokens: int) -> float:
    """About as many codes as a segment takes, for an estimate beforehand."""
    return config.codes_per_text_token * text_tokens / math.sqrt(_SPREAD)
