"""``/``: a page to try the service with, made of the files in ``app/page``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, send_file
from werkzeug.wrappers import Response as BaseResponse

from app.clips.limits import PADDING_SECONDS
from app.runner.engine import EMOTIONS, SPEED

FOLDER = Path(__file__).resolve().parents[1] / "page"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"
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
        quality: class of the requests that name none.
        max_text_chars: longest text.
        max_clip_bytes: largest clip that fits into a body, where it is base64.
        max_clip_seconds: longest clip.
    """

    needs_key: bool
    docs: bool
    quality: str
    max_text_chars: int
    max_clip_bytes: int
    max_clip_seconds: float

    def as_json(self) -> dict[str, Any]:
        """The facts, with what is the same for every server."""
        return {
            **asdict(self),
            "emotions": EMOTIONS,
            "formats": FORMATS,
            "speed": {"min": SPEED.minimum, "max": SPEED.maximum},
            "clip_padding_seconds": PADDING_SECONDS,
        }


def make_page_blueprint(facts: PageFacts | None) -> Blueprint:
    """The page with its files; without facts, only the way from ``/`` to the documents."""
    bp = Blueprint("page", __name__)
    names = frozenset(path.name for path in FOLDER.iterdir() if path.suffix in KINDS)
    current = _version(names)
    html = None if facts is None else _index(facts, current)

    @bp.get("/")
    def root() -> BaseResponse:
        """The address that people type."""
        if not request.accept_mimetypes.accept_html:
            abort(404)
        return redirect("docs") if html is None else _page(html)

    if html is None:
        return bp

    @bp.get("/page/<version>/<name>")
    def file(version: str, name: str) -> Response:
        if name not in names:
            abort(404)
        response = send_file(FOLDER / name, mimetype=KINDS[Path(name).suffix])
        # While instances are upgraded, one may be asked for a file of another's page: it gives its
        # own, for this once.
        lasting = version == current
        response.headers["Cache-Control"] = FOR_EVER if lasting else "no-cache"
        return response

    return bp


def _version(names: Iterable[str]) -> str:
    """Changes with any file: it is part of their addresses, so that none is ever out of date."""
    digest = hashlib.sha256()
    for name in sorted(names):
        data = (FOLDER / name).read_bytes()
        digest.update(f"{name} {len(data)} ".encode() + data)
    return digest.hexdigest()[:16]


def _index(facts: PageFacts, version: str) -> str:
    text = (FOLDER / "index.html").read_text(encoding="utf-8")
    text = text.replace('"page/', f'"page/{version}/')
    return text.replace('content="{}"', f'content="{escape(json.dumps(facts.as_json()))}"')


def _page(html: str) -> Response:
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = PAGE_CSP
    response.headers["Permissions-Policy"] = PERMISSIONS
    response.headers["Cache-Control"] = "no-cache"
    response.vary.add("Accept")
    response.add_etag()
    response.make_conditional(request)
    return response
