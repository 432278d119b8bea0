"""The command line: speak a text, fetch the model, check the model."""

from indextts.cli.main import main

__all__ = ["main"]
