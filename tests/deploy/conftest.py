"""Fixtures of the deployment tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.conftest import wave_bytes
from tests.deploy.instances import Instance, running_instance
from tests.deploy.nginx_site import Certificate, Site, running_nginx, self_signed
from tests.deploy.tools import free_port, tool


@pytest.fixture(scope="session")
def clip_hex() -> str:
    return wave_bytes().hex()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="package")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Instance, Instance]]:
    """Two instances: one on a unix socket, one on a port."""
    tool("nginx", "apt: nginx-light")  # without it nobody needs them
    folder = tmp_path_factory.mktemp("pair")
    common = {"trust_proxy": "1", "log_format": "json"}
    with (
        running_instance(f"unix:{folder}/a.sock", folder / "a", **common) as first,
        running_instance(f"127.0.0.1:{free_port()}", folder / "b", **common) as second,
    ):
        first.start(ready=False)
        second.start(ready=False)
        yield first, second


@pytest.fixture(scope="package")
def shared_site(
    pair: tuple[Instance, Instance],
    certificate: Certificate,
    clip_hex: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site") / "nginx"
    addresses = [instance.address for instance in pair]
    generous = ("--rate", "100r/s", "--burst", "100", "--connections", "60")
    with running_nginx(folder, addresses, certificate, clip_hex, *generous) as site:
        yield site


@pytest.fixture
def site(shared_site: Site, pair: tuple[Instance, Instance]) -> Site:
    """Nginx in front of two instances that are ready, whatever the test before did to them."""
    for instance in pair:
        if instance.process is None or instance.process.poll() is not None:
            instance.start()
        instance.wait_ready()
    return shared_site
