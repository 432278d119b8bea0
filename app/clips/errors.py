"""What can be wrong with a clip that a client sent or pointed to."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Why a clip was refused: a closed list, fit for the label of a metric."""

    # Of the value itself.
    UNRECOGNISED = "unrecognised"
    BAD_HEX = "bad_hex"
    BAD_DATA_URI = "bad_data_uri"
    # Of a URL.
    BAD_URL = "bad_url"
    BAD_SCHEME = "bad_scheme"
    CREDENTIALS = "credentials"
    BAD_PORT = "bad_port"
    BLOCKED_ADDRESS = "blocked_address"
    UNRESOLVABLE = "unresolvable"
    # Of a download.
    UNREACHABLE = "unreachable"
    BAD_CERTIFICATE = "bad_certificate"
    BAD_REDIRECT = "bad_redirect"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    SOURCE_REFUSED = "source_refused"
    PROTOCOL_ERROR = "protocol_error"
    ENCODED_BODY = "encoded_body"
    TRUNCATED = "truncated"
    TIMEOUT = "timeout"
    # Of the clip.
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    BAD_FORMAT = "bad_format"
    UNDECODABLE = "undecodable"
    TOO_MANY_CHANNELS = "too_many_channels"
    BAD_RATE = "bad_rate"
    TOO_LONG = "too_long"
    TOO_SHORT = "too_short"
    NOT_FINITE = "not_finite"
    SILENT = "silent"


class ClipError(Exception):
    """A clip, or the way to it, cannot be used.

    Attributes:
        reason: a sentence for the client; never holds an address, a path or a name of ours.
        code: the same for a metric.
        clip: "speaker" or "emotion" once it is known which clip it was, else empty.
    """

    clip = ""

    def __init__(self, reason: str, code: Code) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class AudioInputError(ClipError):
    """The clip or the way to it cannot be used."""


class DownloadTimeoutError(ClipError):
    """The download did not finish in time."""

    def __init__(self, reason: str = "the audio could not be downloaded in time") -> None:
        super().__init__(reason, Code.TIMEOUT)
