"""Logging: one configuration for Gunicorn's loggers and ours, as text or JSON lines.

Texts, audio and keys are never logged.
"""

from __future__ import annotations

import logging
from typing import Any

from app.request_id import current_request_id

FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s %(request_id)s %(process)d"


class RequestIdFilter(logging.Filter):
    """Puts the request id of the thread on each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request_id()
        return True


class TextFormatter(logging.Formatter):
    """A line for people; extra fields follow as ``name=value``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s [%(process)d] %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        # A line break inside a message would let a client write log lines of its own.
        line = super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")
        extra = getattr(record, "fields", None) or {}
        request_id = getattr(record, "request_id", "")
        parts = [f"{name}={value}" for name, value in extra.items()]
        if request_id:
            parts.append(f"request_id={request_id}")
        return " ".join((line, *parts))


def json_formatter() -> logging.Formatter:
    """A JSON object a line; extra fields lie beside the message."""
    from pythonjsonlogger.json import JsonFormatter

    class FlatJsonFormatter(JsonFormatter):  # type: ignore[misc]
        def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
            log_data.update(log_data.pop("fields", None) or {})
            return log_data

    return FlatJsonFormatter(
        FIELDS,
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        json_ensure_ascii=False,
    )


def logging_config(level: str, form: str) -> dict[str, Any]:
    """Configuration for ``logging.config.dictConfig``.

    Args:
        level: "debug", "info", "warning" or "error".
        form: "text" or "json".
    """
    formatter = "app.web.logs.json_formatter" if form == "json" else "app.web.logs.TextFormatter"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": "app.web.logs.RequestIdFilter"}},
        "formatters": {"line": {"()": formatter}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["request_id"],
            }
        },
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {
            "gunicorn.error": {"level": level.upper(), "handlers": [], "propagate": True},
            # Our own access line says more and knows the request id.
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
        },
    }
