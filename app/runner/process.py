"""End the worker process when only a restart helps."""

from __future__ import annotations

import logging
import os


def exit_process(code: int) -> None:
    """End at once, without waiting for threads: one of them is the reason.

    The Gunicorn master notices and starts another worker in the same slot.
    """
    logging.shutdown()
    os._exit(code)
