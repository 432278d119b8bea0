"""Start the service: ``python server.py --host 127.0.0.1 --port 8000``.

Runs Gunicorn with ``gunicorn.conf.py``; the options win over the environment.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.settings import SettingsError, load_for_start

HERE = Path(__file__).resolve().parent


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; options that are not given stay None."""
    parser = argparse.ArgumentParser(
        prog="server.py",
        description="Start the IndexTTS2 service.",
        epilog="Every other setting is an environment variable: see docs/configuration.md.",
    )
    parser.add_argument("--host", help="address to listen on (default 0.0.0.0)")
    parser.add_argument("--port", type=int, help="port to listen on (default 8000)")
    parser.add_argument(
        "--workers", type=int, help="worker processes, each with its own model (default 1)"
    )
    parser.add_argument(
        "--reload", action="store_true", default=None, help="restart when code changes"
    )
    parser.add_argument(
        "--log-level",
        type=str.lower,
        choices=("debug", "info", "warning", "error"),
        help="lowest level that is logged (default info)",
    )
    parser.add_argument("--env-file", help="file with INDEXTTS_* settings, one NAME=value per line")
    return parser.parse_args(arguments)


def environment(options: argparse.Namespace, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for Gunicorn: `environ` with the options over it."""
    merged = dict(environ)
    for name, value in vars(options).items():
        if value is not None:
            merged[f"INDEXTTS_{name.upper()}"] = "true" if value is True else str(value)
    if options.host is not None or options.port is not None:
        # An address from the environment must not win over the command line.
        merged["INDEXTTS_BIND"] = ""
    if options.env_file is not None:
        merged["INDEXTTS_ENV_FILE"] = str(Path(options.env_file).resolve())
    return merged


def main(arguments: Sequence[str]) -> int:
    """Check the settings, then become Gunicorn: same process, same signals."""
    merged = environment(parse_arguments(arguments), os.environ)
    try:
        load_for_start(merged)
    except SettingsError as error:
        sys.stderr.write(f"configuration error: {error}\n")
        return 2
    command = [sys.executable, "-m", "gunicorn", "--config", str(HERE / "gunicorn.conf.py")]
    os.execve(sys.executable, command, merged)  # noqa: S606 - no shell, fixed program


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
