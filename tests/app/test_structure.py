"""The rooms of the service: who may import whom, and one table of addresses."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest

from app import create_app
from app.routes.table import ROUTES
from tests.app.conftest import BASE

APP = Path(__file__).resolve().parents[2] / "app"

# Room -> what it may import of the service, beside itself.
ALLOWED = {
    "settings": set[str](),
    "voices": set[str](),
    "clips": {"places", "runner", "voices"},  # the types of the engine, through its one interface
    "runner": {"request_id"},
    "speech": {"clips", "runner"},
    "web": {"metrics", "request_id", "settings"},
    "routes": {
        *("clips", "metrics", "places", "request_id", "runner", "services", "speech", "voices"),
        "web",
    },
    "gunicorn": {"request_id", "runner", "settings", "web"},
}


def imported(path: Path) -> set[str]:
    """Full names of what a module imports, wherever in it."""
    names = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_rooms_import_downwards_only(room: str) -> None:
    for path in (APP / room).rglob("*.py"):
        rooms = {name.split(".")[1] for name in imported(path) if name.startswith("app.")}
        assert rooms <= ALLOWED[room] | {room}, path


def test_every_room_is_listed() -> None:
    assert {path.parent.name for path in APP.glob("*/__init__.py")} == set(ALLOWED)


@pytest.mark.parametrize("room", ["speech", "runner", "clips", "settings", "voices"])
def test_these_rooms_know_no_web_framework(room: str) -> None:
    for path in (APP / room).rglob("*.py"):
        heads = {name.split(".")[0] for name in imported(path)}
        assert not heads & {"flask", "werkzeug", "marshmallow", "gunicorn"}, path


def test_no_route_imports_another() -> None:
    routes = {"tts", "stream", "voices", "health", "metrics", "docs", "page"}
    routes |= {"openai.speech", "openai.models"}
    for name in routes:
        others = {f"app.routes.{other}" for other in routes - {name}}
        path = APP / "routes" / f"{name.replace('.', '/')}.py"
        assert not imported(path) & others


def test_only_one_module_imports_the_engine() -> None:
    allowed = {
        "indextts.clip_bounds": {"clips/decode.py", "clips/limits.py"},
        "indextts.request": {"clips/decode.py"},
        "indextts.subtitles": {"routes/schemas.py", "routes/tts.py"},
        "indextts.utils.cpu_process": {"gunicorn/hooks.py"},
        "indextts.utils.encode": {"speech/encode.py", "speech/stream_encode.py"},
        "indextts.utils.pcm": {"speech/codec_writers.py", "speech/stream_encode.py"},
        "indextts.utils.yaml_texts": {"voices/aliases.py"},
    }
    for path in APP.rglob("*.py"):
        name = path.relative_to(APP).as_posix()
        if name == "runner/engine.py":
            continue
        for module in imported(path):
            if module.startswith("indextts"):
                known = [files for prefix, files in allowed.items() if module.startswith(prefix)]
                assert any(name in files for files in known), f"{name} imports {module}"


def test_the_table_of_routes_is_the_applications_url_map() -> None:
    app = create_app(dataclasses.replace(BASE, docs=True))
    found: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        found[rule.rule] = found.get(rule.rule, set()) | methods
    assert found == {route.path: set(route.methods) for route in ROUTES}
    assert len(found) == len(ROUTES)


def test_the_table_needs_only_the_standard_library() -> None:
    names = imported(APP / "routes" / "table.py")
    assert {name.split(".")[0] for name in names} <= {"__future__", "dataclasses", "typing"}
