"""Arguments that several actions share, and those made from the table of options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from indextts.errors import RequestError
from indextts.model_files import AUTO, MODEL_DIRS
from indextts.options import Option


def add_option(
    group: argparse._ActionsContainer, option: Option[Any], default: str | None = None
) -> None:
    """Declare an option of a request, with its bounds, default and meaning.

    One of the decoder stays None where it is not given, so that the model's own default holds.

    Args:
        group: where it is shown.
        option: its row of the table.
        default: what the help calls the default, where it depends on other options.
    """
    unit = f" {option.unit}" if option.unit else ""
    group.add_argument(
        f"--{option.name.replace('_', '-')}",
        type=_number(option),
        default=None if option.of_decoder else option.default,
        metavar="N" if option.whole else "X",
        help=f"{option.meaning} {option.bounds}{unit} ({default or format(option.default, 'g')})",
    )


def _number(option: Option[Any]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        kind = int if option.whole else float
        try:
            value = kind(text)
        except ValueError:
            wanted = "a whole number" if option.whole else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}") from None
        try:
            checked: float = option.check(value)
        except RequestError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return checked

    return parse


def add_model_dir(group: argparse._ActionsContainer) -> None:
    """Declare ``--model-dir``."""
    group.add_argument(
        "--model-dir",
        type=Path,
        default=Path(AUTO),
        metavar="DIR",
        help=f"default: {MODEL_DIRS[0]}, or {MODEL_DIRS[1]} while that is empty",
    )
