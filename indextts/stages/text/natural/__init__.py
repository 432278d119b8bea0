"""The natural reader (docs/text.md)."""

from indextts.stages.text.natural.reader import NaturalReader

__all__ = ["NaturalReader"]
