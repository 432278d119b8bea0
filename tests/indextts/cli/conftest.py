from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.indextts.cli.fake_hub import FakeHub, serving


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither proxies nor hub settings of whoever runs the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "NETRC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving(FakeHub()) as server:
        yield server


@pytest.fixture
def storage() -> Iterator[FakeHub]:
    """The other host, where a hub keeps its large files."""
    with serving(FakeHub()) as server:
        yield server
