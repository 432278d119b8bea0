"""``/``: a page to try the service with, made of the files in ``app/page``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, request, send_file
from werkzeug.wrappers import Response as BaseResponse

from app.runner.engine import EMOTIONS, OPTIONS

FOLDER = Path(__file__).resolve().parents[1] / "page"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
INDEX = "index.html"
FACTS = "facts.json"
# Of those that a stream can have; headerless samples are for programs.
FORMATS = ("wav", "mp3", "opus", "flac", "ogg")

# Text that becomes HTML or a script is refused by the browser even if a script of ours asks for it.
PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "media-src 'self' blob:; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
PERMISSIONS = (
    "microphone=(self), autoplay=(self), clipboard-write=(self), camera=(), geolocation=(), "
    "display-capture=(), payment=(), usb=()"
)


@dataclass(frozen=True)
class PageFacts:
    """What the page must know of this server before it asks for anything.

    Attributes:
        needs_key: callers must show a key.
        docs: there are documents to link to.
        max_text_chars: longest text.
        max_clip_bytes: largest clip that fits into a body, where it is base64.
        max_clip_seconds: longest clip.
    """

    needs_key: bool
    docs: bool
    max_text_chars: int
    max_clip_bytes: int
    max_clip_seconds: float

    def as_json(self) -> dict[str, Any]:
        """The facts, with what is the same for every server."""
        speed = next((option for option in OPTIONS if option.name == "speed"), None)
        return {
            **asdict(self),
            "emotions": EMOTIONS,
            "formats": FORMATS,
            "speed": None if speed is None else {"min": speed.minimum, "max": speed.maximum},
        }


def make_page_blueprint(facts: PageFacts | None) -> Blueprint:
    """The page with its files; without facts, only the way from ``/`` to the documents."""
    bp = Blueprint("page", __name__)

    @bp.get("/")
    def root() -> BaseResponse:
        """The address that people type."""
        if not request.accept_mimetypes.accept_html:
            abort(404)
        return redirect("docs") if facts is None else _index()

    if facts is None:
        return bp
    names = frozenset(path.name for path in FOLDER.iterdir() if path.suffix in KINDS)

    @bp.get("/page/<name>")
    def file(name: str) -> Response:
        if name == FACTS:
            return jsonify(facts.as_json())
        if name not in names:
            abort(404)
        return _file(name, KINDS[Path(name).suffix])

    return bp


def _index() -> Response:
    response = _file(INDEX, "text/html")
    response.headers["Content-Security-Policy"] = PAGE_CSP
    response.headers["Permissions-Policy"] = PERMISSIONS
    response.vary.add("Accept")
    return response


def _file(name: str, kind: str) -> Response:
    # Asked for again each time, mostly answered with 304: after an upgrade no old script is left.
    response = send_file(FOLDER / name, mimetype=kind, conditional=True, etag=True)
    response.headers["Cache-Control"] = "no-cache"
    return response
