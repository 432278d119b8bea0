"""``/openapi.json``, ``/docs`` (Swagger UI) and ``/redoc``, all served from installed packages."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, jsonify, send_file

from app.services import services

STRICT_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# ReDoc writes style elements into the page.
REDOC_CSP = STRICT_CSP.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")

# Name in our address -> package, path in it, media type.
ASSETS = {
    "swagger-ui.css": ("flask_swagger_ui", "dist/swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": ("flask_swagger_ui", "dist/swagger-ui-bundle.js", "text/javascript"),
    "favicon.png": ("flask_swagger_ui", "dist/favicon-32x32.png", "image/png"),
    "redoc-logo.svg": ("openapi_ui_bundles", "redoc/vendor/logo-mini.svg", "image/svg+xml"),
}
REDOC_BUNDLE = ("openapi_ui_bundles", "redoc/vendor/redoc.standalone.js")
# The one thing that the bundle would load from elsewhere, and where we have it.
REDOC_LOGO = (b"https://cdn.redoc.ly/redoc/logo-mini.svg", b"docs/assets/redoc-logo.svg")

SWAGGER_INIT = """\
SwaggerUIBundle({url: "openapi.json", dom_id: "#ui", deepLinking: true, validatorUrl: null});
"""
REDOC_INIT = """\
Redoc.init("openapi.json", {disableSearch: true, hideDownloadButton: false},
  document.getElementById("ui"));
"""
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="docs/assets/favicon.png">
{styles}</head>
<body>
<div id="ui"></div>
<script src="docs/assets/{script}"></script>
<script src="docs/assets/{init}"></script>
</body>
</html>
"""


def make_docs_blueprint(describe: Callable[[], dict[str, Any]]) -> Blueprint:
    """The pages for an OpenAPI document.

    Args:
        describe: makes the document; called when it is asked for the first time, so that no
            worker starts later for it.
    """
    bp = Blueprint("docs", __name__)
    document = cache(describe)
    swagger = PAGE.format(
        title="IndexTTS2 API",
        styles='<link rel="stylesheet" href="docs/assets/swagger-ui.css">\n',
        script="swagger-ui-bundle.js",
        init="swagger-init.js",
    )
    redoc = PAGE.format(
        title="IndexTTS2 API", styles="", script="redoc.standalone.js", init="redoc-init.js"
    )
    scripts = {"swagger-init.js": SWAGGER_INIT, "redoc-init.js": REDOC_INIT}

    @bp.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(with_notice(document(), services().runner.status().facts.model_notice))

    @bp.get("/docs")
    def docs() -> Response:
        return _page(swagger, STRICT_CSP)

    @bp.get("/redoc")
    def redoc_page() -> Response:
        return _page(redoc, REDOC_CSP)

    @bp.get("/docs/assets/<name>")
    def asset(name: str) -> Response:
        if name in scripts:
            return _cached(Response(scripts[name], mimetype="text/javascript"))
        if name == "redoc.standalone.js":
            return _cached(Response(_redoc_bundle(), mimetype="text/javascript"))
        if name not in ASSETS:
            abort(404)
        package, path, kind = ASSETS[name]
        return _cached(send_file(package_folder(package) / path, mimetype=kind))

    return bp


def with_notice(document: dict[str, Any], notice: str | None) -> dict[str, Any]:
    """The document with a remark about the model at the top of its description."""
    if not notice:
        return document
    info = document["info"]
    return {**document, "info": {**info, "description": f"> {notice}\n\n{info['description']}"}}


def package_folder(package: str) -> Path:
    """Where an installed package lies, found without running its code."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        abort(404)
    return Path(spec.submodule_search_locations[0])


def _redoc_bundle() -> bytes:
    package, path = REDOC_BUNDLE
    return (package_folder(package) / path).read_bytes().replace(*REDOC_LOGO)


def _page(html: str, policy: str) -> Response:
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = policy
    return response


def _cached(response: Response) -> Response:
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response
