"""nginx/render.py: the shipped example, refused input, and what Nginx says about the results."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.deploy.nginx_site import Certificate, render, self_signed
from tests.deploy.tools import ROOT, output_of, run, tool

pytestmark = pytest.mark.deploy

SITE = ("--server-name", "tts.example.com", "--cert", "/c.pem", "--key", "/k.pem")
FOUR = [f"unix:/run/indextts-{index}/api.sock" for index in range(2)] + ["10.0.0.2:8000", "[::1]:1"]
EXAMPLE = (
    *("--instances", "unix:/run/indextts-0/api.sock", "unix:/run/indextts-1/api.sock"),
    *("--server-name", "tts.example.com"),
    *("--cert", "/etc/indextts/tls/fullchain.pem", "--key", "/etc/indextts/tls/privkey.pem"),
)


def test_the_example_is_current() -> None:
    assert (ROOT / "nginx/indextts.conf").read_text() == render(*EXAMPLE)


def test_help_names_every_option() -> None:
    text = output_of([sys.executable, ROOT / "nginx/render.py", "--help"])
    for option in ("--instances", "--server-name", "--cert", "--http2", "--rate", "--site"):
        assert option in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--instances", "a b", *SITE), "expected unix:/PATH or HOST:PORT"),
        (("--instances", "unix:/x;}", *SITE), "expected unix:/PATH or HOST:PORT"),
        (("--instances", "host", *SITE), "expected unix:/PATH or HOST:PORT"),
        (("--instances", "a:1", "a:1", *SITE), "given twice"),
        (("--instances", "a:1", *SITE, "--rate", "fast"), "e.g. 5r/s"),
        (("--instances", "a:1", *SITE, "--burst", "0"), "above 0"),
        (("--instances", "a:1", *SITE, "--cert", "c.pem"), "an absolute path"),
        (
            ("--instances", "a:1", "--server-name", "a;b", "--cert", "/c", "--key", "/k"),
            "host name",
        ),
        (SITE, "--instances"),
    ],
)
def test_what_is_no_configuration_is_refused(arguments: tuple[str, ...], message: str) -> None:
    done = run([sys.executable, ROOT / "nginx/render.py", *arguments])
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_no_place_is_left_unfilled() -> None:
    text = render("--instances", *FOUR, *SITE)
    assert "@@" not in text
    for address in FOUR:
        assert f"server {address} max_fails=1 fail_timeout=5s;" in text


def test_the_patience_follows_the_service() -> None:
    text = render("--instances", *FOUR, *SITE, "--request-seconds", "300")
    assert "proxy_read_timeout 360s;" in text
    assert "proxy_next_upstream_timeout 355s;" in text


def test_a_lone_instance_needs_no_backup() -> None:
    assert "backup" not in render("--instances", "a:1", *SITE)


def test_a_pattern_as_name_redirects_to_the_name_asked_for() -> None:
    text = render(
        "--instances", "a:1", "--server-name", "*.example.com", "--cert", "/c", "--key", "/k"
    )
    assert "return 308 https://$host$request_uri;" in text


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with what an installed release has of this: no package is needed beside it."""
    for name in ("app", "nginx"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def _render_in(folder: Path, *options: object) -> str:
    # Neither installed packages nor anything of the environment.
    python = [sys.executable, "-I", "-S"]
    return output_of([*python, folder / "nginx/render.py", *options], cwd=folder.parent)


def test_a_copy_needs_no_package(copied: Path) -> None:
    assert _render_in(copied, *EXAMPLE) == render(*EXAMPLE)


def test_new_routes_need_nothing_here(copied: Path) -> None:
    with (copied / "app/routes/table.py").open("a") as table:
        table.write(
            "ROUTES += (\n"
            '    Route("/v1/speak.all", ("POST",), "speech"),\n'
            '    Route("/v1/voices/<name>/speak", ("POST",), "stream"),\n'
            '    Route("/v1/words/<name>", ("PUT",), "changing"),\n'
            '    Route("/debug/<int:number>", ("GET",), "hidden"),\n'
            ")\n"
        )
    text = _render_in(copied, *EXAMPLE)
    speech, streams, changing, hidden = re.findall(r'location ~ "(.*)" \{', text)
    for pattern, good, bad in (
        (speech, ("/tts", "/v1/speak.all"), ("/tts/", "/v1/speakxall", "/tts/stream", "/")),
        (streams, ("/tts/stream", "/v1/voices/a b/speak"), ("/tts", "/v1/voices/a/b/speak")),
        (changing, ("/v1/audio/voices", "/v1/words/a"), ("/v1/words/", "/v1/audio/voices/a/b")),
        (hidden, ("/metrics", "/debug/7"), ("/debug/", "/health", "/metrics/more")),
    ):
        assert all(re.search(pattern, path) for path in good)
        assert not any(re.search(pattern, path) for path in bad)


def test_streams_are_not_held_back() -> None:
    text = render(*EXAMPLE)
    _, _, rest = text.partition('location ~ "^(?:/tts/stream|/v1/audio/speech)$" {')
    lines = {line.strip() for line in rest.partition("}")[0].splitlines()}
    assert {"proxy_buffering off;", "gzip off;", "proxy_ignore_client_abort off;"} <= lines
    assert "proxy_read_timeout" not in rest.partition("}")[0]  # that of the server
    assert "proxy_http_version 1.1;" in text


def test_what_changes_something_is_not_asked_twice() -> None:
    text = render(*EXAMPLE)
    _, _, rest = text.partition('location ~ "^(?:/v1/audio/voices|')
    lines = {line.strip() for line in rest.partition("}")[0].splitlines()}
    assert "proxy_next_upstream error timeout http_503;" in lines


def test_the_output_file_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "site.conf"
    target.write_text("old")
    render("--instances", "a:1", *SITE, "--output", target)
    assert target.read_text() == render("--instances", "a:1", *SITE)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("http2", ["listen", "off"])
@pytest.mark.parametrize("form", ["complete", "site"])
def test_nginx_accepts_it(tmp_path: Path, form: str, http2: str) -> None:
    """With -t, which also reads the certificate but binds no port of ours."""
    nginx = tool("nginx", "apt: nginx-light")
    made: Certificate = self_signed(tmp_path)
    text = render(
        *("--instances", *FOUR, "--server-name", "tts.example.com", "www.example.com"),
        *("--cert", made.cert, "--key", made.key, "--http2", http2, "--log-dir", tmp_path),
        *("--listen-http", "127.0.0.1:8080", "--listen-https", "127.0.0.1:8443"),
        *("--pid", tmp_path / "pid", "--temp-dir", tmp_path / "temp"),
        *(["--site"] if form == "site" else []),
    )
    (tmp_path / "temp").mkdir()
    if form == "site":
        # What Debian's own nginx.conf has around sites-enabled, and sets itself.
        text = (
            f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\nserver_tokens off;\ngzip on;\n"
            f"access_log {tmp_path}/access.log;\nssl_protocols TLSv1.2;\n{text}}}\n"
        )
    config = tmp_path / "nginx.conf"
    config.write_text(text)
    done = run([nginx, "-t", "-e", tmp_path / "log", "-p", tmp_path, "-c", config])
    assert done.returncode == 0, done.stderr
