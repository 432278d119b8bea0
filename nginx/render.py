#!/usr/bin/env python3
"""Write the Nginx configuration for a set of instances of the service.

    nginx/render.py --instances unix:/run/indextts-0/api.sock unix:/run/indextts-1/api.sock \\
        --server-name tts.example.com --cert /etc/indextts/tls/fullchain.pem \\
        --key /etc/indextts/tls/privkey.pem > nginx.conf

Needs nothing but Python's own library.  The text is in ``template.conf`` beside this file, the
addresses of the service are in ``app/routes/table.py``, the shapes of its errors in
``app/web/error_bodies.py``.
"""

from __future__ import annotations

import argparse
import re
import shlex
import string
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:
    # A checkout and an installed release have `app` beside `nginx`.
    sys.path.insert(0, str(HERE.parent))

from app.routes.table import paths  # noqa: E402
from app.web.error_bodies import OPENAI_PREFIX, openai_type  # noqa: E402

TEMPLATE = HERE / "template.conf"

# Between the end of a request in the service and Nginx's patience with it.
READ_MARGIN_SECONDS = 60
RETRY_MARGIN_SECONDS = 5
# What one address may do, in multiples of what one caller may: offices share an address.
ADDRESS_FACTOR = 5
# One that fails, the same once more as its own backup, one that works.
TRIES = 3

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_INSTANCE = re.compile(rf"unix:/[\w./@+-]+|{_HOST}:\d{{1,5}}")
_LISTEN = re.compile(rf"(?:{_HOST}:)?\d{{1,5}}")
_NAME = re.compile(r"[A-Za-z0-9*_](?:[A-Za-z0-9.*_-]*[A-Za-z0-9_])?")
_PATH = re.compile(r"/[\w./@+-]*")
_RATE = re.compile(r"(\d+)r/([sm])")
_SIZE = re.compile(r"\d+[km]?")


class PatternType:
    """An argparse type: a text of a known form, since it becomes part of a configuration."""

    def __init__(self, pattern: re.Pattern[str], hint: str) -> None:
        self._pattern = pattern
        self._hint = hint

    def __call__(self, text: str) -> str:
        if not self._pattern.fullmatch(text):
            raise argparse.ArgumentTypeError(f"{text!r}: expected {self._hint}")
        return text


class NginxTemplate(string.Template):
    """``@@{name}`` is a place to fill; ``$name`` belongs to Nginx."""

    delimiter = "@@"


@dataclass(frozen=True)
class NginxError:
    """An answer that Nginx gives by itself.

    Attributes:
        status: what the client gets.
        error: short name for programs.
        detail: sentence for people.
        retry_after: seconds.
        numbers: Nginx's own for the same, where they are not the status.
    """

    status: int
    error: str
    detail: str
    retry_after: int | None = None
    numbers: tuple[int, ...] = ()


# The words are those of the service (app/web/errors.py) where it has the same error.
ERRORS = (
    # 497 is plain HTTP on the port of HTTPS.
    NginxError(400, "bad_request", "The request cannot be understood", numbers=(497,)),
    NginxError(403, "forbidden", "This is not allowed"),
    NginxError(404, "not_found", "There is nothing at this address"),
    NginxError(405, "method_not_allowed", "This method is not allowed here"),
    NginxError(408, "request_timeout", "The request did not arrive in time"),
    NginxError(413, "body_too_large", "The request body is too large"),
    NginxError(414, "uri_too_long", "The address is too long"),
    NginxError(429, "rate_limited", "Too many requests", retry_after=2),
    NginxError(431, "headers_too_large", "The request headers are too large", numbers=(494,)),
    NginxError(500, "internal_error", "Internal server error"),
    NginxError(501, "not_implemented", "This way of sending a request is not known"),
    NginxError(502, "no_instance", "No instance of the service answers", retry_after=5),
    NginxError(503, "unavailable", "The service is not available", retry_after=5),
    NginxError(504, "gateway_timeout", "The service did not answer in time", retry_after=10),
    NginxError(505, "version_not_supported", "This version of HTTP is not spoken here"),
)
ERROR_PATH = "/indextts-error"
HSTS = 'add_header Strict-Transport-Security "max-age=31536000" always;'


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="nginx/render.py",
        description="Write the Nginx configuration for a set of instances of the service.",
        epilog="Check the result with: nginx -t -c FILE (with --site: nginx -t)",
    )
    _add_required(parser)
    _add_listening(parser)
    _add_limits(parser)
    _add_paths(parser)
    options = parser.parse_args(arguments)
    if len(set(options.instances)) != len(options.instances):
        parser.error("argument --instances: an instance is given twice")
    return options


def _add_required(parser: argparse.ArgumentParser) -> None:
    path = PatternType(_PATH, "an absolute path without spaces")
    group = parser.add_argument_group("what to serve")
    group.add_argument(
        "--instances",
        nargs="+",
        required=True,
        metavar="ADDRESS",
        type=PatternType(_INSTANCE, "unix:/PATH or HOST:PORT"),
        help="instances of the service, one model each, on one or several hosts",
    )
    group.add_argument(
        "--server-name",
        nargs="+",
        required=True,
        metavar="NAME",
        type=PatternType(_NAME, "a host name"),
        help="names of the site; plain HTTP is redirected to the first",
    )
    group.add_argument("--cert", required=True, type=path, help="certificate with its chain (PEM)")
    group.add_argument("--key", required=True, type=path, help="private key (PEM)")


def _add_listening(parser: argparse.ArgumentParser) -> None:
    listen = PatternType(_LISTEN, "PORT or ADDRESS:PORT")
    group = parser.add_argument_group("where to listen")
    group.add_argument(
        "--listen-http", nargs="+", default=["80", "[::]:80"], metavar="ADDRESS", type=listen
    )
    group.add_argument(
        "--listen-https", nargs="+", default=["443", "[::]:443"], metavar="ADDRESS", type=listen
    )
    group.add_argument(
        "--http2",
        choices=("listen", "directive", "off"),
        default="listen",
        help="how HTTP/2 is switched on: 'listen' is understood by all versions (1.25.1 and later "
        "warn), 'directive' needs 1.25.1",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    group.add_argument(
        "--rate",
        default="5r/s",
        type=PatternType(_RATE, "e.g. 5r/s or 30r/m"),
        help="syntheses of one caller (default %(default)s)",
    )
    group.add_argument(
        "--burst", default=40, type=_positive, help="requests at once beyond the rate (40)"
    )
    group.add_argument(
        "--connections", default=40, type=_positive, help="open syntheses of one caller (40)"
    )
    group.add_argument(
        "--max-body",
        default="40m",
        type=PatternType(_SIZE, "e.g. 40m"),
        help="largest body (default 40m; above INDEXTTS_MAX_BODY_BYTES)",
    )
    group.add_argument(
        "--request-seconds",
        default=120,
        type=_positive,
        help="INDEXTTS_REQUEST_SECONDS of the instances (default 120)",
    )
    group.add_argument(
        "--tries",
        default=TRIES,
        type=_positive,
        help="how often one request may be given to an instance (default %(default)s)",
    )


def _add_paths(parser: argparse.ArgumentParser) -> None:
    path = PatternType(_PATH, "an absolute path without spaces")
    group = parser.add_argument_group("files")
    group.add_argument(
        "--site",
        action="store_true",
        help="only the content of http {}, for sites-available/ of Debian and Ubuntu",
    )
    group.add_argument("--output", type=Path, help="file to write (default: standard output)")
    group.add_argument("--acme-root", default="/var/www/letsencrypt", type=path)
    group.add_argument("--log-dir", default="/var/log/nginx", type=path)
    group.add_argument("--access-log", type=path, help="default: indextts.access.json in --log-dir")
    group.add_argument("--error-log", type=path, help="default: indextts.error.log in --log-dir")
    group.add_argument("--user", default="www-data", type=PatternType(_NAME, "a user name"))
    group.add_argument("--pid", default="/run/nginx.pid", type=path)
    group.add_argument(
        "--temp-dir", type=path, help="folder for bodies and answers (default: as compiled)"
    )


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number above 0")
    return int(text)


def render(options: argparse.Namespace) -> str:
    """The configuration, complete or as a site."""
    site = NginxTemplate(TEMPLATE.read_text(encoding="utf-8")).substitute(_values(options))
    return site if options.site else _complete(options, site)


def _values(options: argparse.Namespace) -> dict[str, object]:
    read_timeout = options.request_seconds + READ_MARGIN_SECONDS
    rate = _RATE.fullmatch(options.rate)
    assert rate is not None, "checked by argparse"
    return {
        "command": _command(options),
        "upstream_servers": _lines(_upstream_servers(options.instances)),
        "last_servers": _lines(f"server {address} max_fails=0;" for address in options.instances),
        "server_names": " ".join(options.server_name),
        "http_listens": _lines(f"listen {address};" for address in options.listen_http),
        "https_listens": _lines(_https_listens(options)),
        "redirect_to": _redirect_host(options.server_name[0]) + _redirect_port(options),
        "certificate": options.cert,
        "certificate_key": options.key,
        "acme_root": options.acme_root,
        "hsts": HSTS,
        "access_log": options.access_log or f"{options.log_dir}/indextts.access.json",
        "error_log": options.error_log or f"{options.log_dir}/indextts.error.log",
        "max_body": options.max_body,
        "read_timeout": read_timeout,
        "retry_timeout": read_timeout - RETRY_MARGIN_SECONDS,
        "tries": options.tries,
        "rate": options.rate,
        "burst": options.burst,
        "connections": options.connections,
        "address_rate": f"{int(rate[1]) * ADDRESS_FACTOR}r/{rate[2]}",
        "address_burst": options.burst * ADDRESS_FACTOR,
        "address_connections": options.connections * ADDRESS_FACTOR,
        "speech_paths": _location(paths("speech")),
        "stream_paths": _location(paths("stream")),
        "changing_paths": _location(paths("changing")),
        "hidden_paths": _location(paths("hidden")),
        "error_codes": _lines(f"{error.status} {error.error};" for error in ERRORS),
        "error_details": _lines(f'{error.status} "{error.detail}";' for error in ERRORS),
        "error_types": _lines(f"{error.status} {openai_type(error.status)};" for error in ERRORS),
        "openai_prefix": OPENAI_PREFIX,
        "error_retries": _lines(
            f"{error.status} {error.retry_after};" for error in ERRORS if error.retry_after
        ),
        "error_path": ERROR_PATH,
        "error_pages_http": _lines(_error_pages([])),
        "error_pages_https": _lines(_error_pages([HSTS])),
    }


def _location(paths: Iterable[str]) -> str:
    """A pattern for exactly these paths; what is in angle brackets is any one name."""
    patterns = (re.sub(r"<[^>]*>", "[^/]+", re.escape(path)) for path in paths)
    return f'"^(?:{"|".join(patterns)})$"'


def _upstream_servers(instances: Sequence[str]) -> list[str]:
    servers = [f"server {address} max_fails=1 fail_timeout=5s;" for address in instances]
    if len(instances) == 1:
        return servers
    return [
        *servers,
        "# All are set aside after failures, and some may be mended by now: ask nevertheless.",
        *(f"server {address} backup max_fails=0;" for address in instances),
    ]


def _https_listens(options: argparse.Namespace) -> list[str]:
    suffix = " http2" if options.http2 == "listen" else ""
    listens = [f"listen {address} ssl{suffix};" for address in options.listen_https]
    return [*listens, "http2 on;"] if options.http2 == "directive" else listens


def _redirect_host(name: str) -> str:
    """The site's own name; what the client called it only where the name is a pattern."""
    return "$host" if "*" in name or name == "_" else name


def _redirect_port(options: argparse.Namespace) -> str:
    port = options.listen_https[0].rsplit(":", 1)[-1]
    return "" if port == "443" else f":{port}"


def _error_pages(headers: Sequence[str]) -> list[str]:
    """What a server needs for answers of its own; `headers` are those of all its answers.

    A location with a name would be simpler, but Nginx goes to one only from a request line that it
    could read.
    """
    # 502 has a way of its own in the template.
    same = " ".join(str(error.status) for error in ERRORS if error.status != 502)
    inside = [
        "internal;",
        # The size was looked at before.
        "client_max_body_size 0;",
        "default_type application/json;",
        *headers,  # those of the server do not count where others are added
        "add_header X-Request-ID $indextts_request_id always;",
        "add_header X-Content-Type-Options nosniff always;",
        "add_header Cache-Control no-store always;",
        "add_header Retry-After $indextts_retry_after always;",
        "add_header X-Should-Retry $indextts_should_retry always;",
        "# The status stays that of the error.",
        "return 200 $indextts_error_body;",
    ]
    return [
        f"error_page {same} {ERROR_PATH};",
        *(
            f"error_page {number} ={error.status} {ERROR_PATH};"
            for error in ERRORS
            for number in error.numbers
        ),
        f"location = {ERROR_PATH} {{",
        *(f"    {line}" for line in inside),
        "}",
    ]


def _complete(options: argparse.Namespace, site: str) -> str:
    """The site with everything around it."""
    temporary = ""
    if options.temp_dir:
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"    {kind}_temp_path {options.temp_dir}/{kind};\n" for kind in kinds)
    return (
        f"user {options.user};\n"
        "worker_processes auto;\n"
        f"pid {options.pid};\n"
        f"error_log {options.error_log or options.log_dir + '/error.log'} warn;\n"
        "# Answers that are being sent when Nginx is told to stop may take this long.\n"
        f"worker_shutdown_timeout {options.request_seconds + READ_MARGIN_SECONDS}s;\n\n"
        "events {\n    worker_connections 4096;\n}\n\n"
        "http {\n"
        f"    access_log off;\n{temporary}\n"
        f"{textwrap.indent(site, '    ')}}}\n"
    )


def _command(options: argparse.Namespace) -> str:
    """The command that gives this file again, as far as the reader needs it."""
    words = ["nginx/render.py", "--instances", *options.instances]
    words += ["--server-name", *options.server_name, "--cert", options.cert, "--key", options.key]
    return shlex.join(words + (["--site", "..."] if options.site else ["..."]))


def _lines(parts: Iterable[str]) -> str:
    return textwrap.indent("\n".join(parts), "    ")


def write_atomically(path: Path, text: str) -> None:
    """Replace a file at once: a reload in between never reads half of it."""
    partial = path.with_name(path.name + ".new")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def main(arguments: Sequence[str]) -> int:
    """The command."""
    options = parse_arguments(arguments)
    text = render(options)
    if options.output is None:
        sys.stdout.write(text)
    else:
        write_atomically(options.output, text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
