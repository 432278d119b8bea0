"""Drawing semantic codes from the GPT: score processors, sampling, beam search (gpt.md 4)."""
