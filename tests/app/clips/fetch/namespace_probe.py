"""Runs in a network namespace of its own, where private addresses listen.

    unshare --user --map-root-user --net python -m tests.app.clips.fetch.namespace_probe

Prints a JSON object: `reached`, the URLs whose fetch made a connection, and `control`, the number
of connections of a fetch that is allowed.
"""

from __future__ import annotations

import ipaddress
import json
import selectors
import socket
import subprocess
import sys
import threading

from app.clips.errors import ClipError
from app.clips.fetch.download import fetch
from app.clips.fetch.policy import FetchPolicy
from tests.app.clips.fetch.test_hostile_urls import BLOCKED_HOSTS, OTHERS

ADDRESSES = (
    "10.0.0.1/32",
    "10.1.2.3/32",
    "100.64.0.1/32",
    "100.100.100.200/32",
    "169.254.169.254/32",
    "172.16.0.1/32",
    "192.168.0.7/32",
    "192.168.1.1/32",
    "192.0.0.192/32",
    "168.63.129.16/32",
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
    "fc00::1/128",
    "2001:db8::1/128",
)
PORTS = (21, 22, 80, 443, 6379, 8080)
ALLOWED = "http://10.1.2.3/clip.wav"


class Listeners:
    """Count connections on all addresses, and hang up."""

    def __init__(self) -> None:
        self.count = 0
        self._selector = selectors.DefaultSelector()
        for port in PORTS:
            for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                listener = socket.socket(family)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind((address, port))
                listener.listen(64)
                self._selector.register(listener, selectors.EVENT_READ)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                assert isinstance(key.fileobj, socket.socket)
                connection, _ = key.fileobj.accept()
                self.count += 1
                connection.close()


def connections(listeners: Listeners, url: str, policy: FetchPolicy) -> int:
    """How many connections a fetch of `url` makes; a clip there is none."""
    before = listeners.count
    try:
        fetch(url, policy)
    except ClipError:
        # Whoever was connected to is counted before a second connection can be.
        with socket.create_connection(("127.0.0.1", 22)) as last:
            last.recv(1)
        return listeners.count - before - 1
    raise AssertionError(f"{url} gave a clip")


def main() -> None:
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    for address in ADDRESSES:
        subprocess.run(("ip", "address", "add", address, "dev", "lo"), check=True)
    listeners = Listeners()
    urls = [f"http://{host}/clip.wav" for host in BLOCKED_HOSTS] + [url for url, _ in OTHERS]
    policy = FetchPolicy(connect_seconds=1.0)
    reached = [url for url in urls if connections(listeners, url, policy)]
    open_policy = FetchPolicy(allow=(ipaddress.ip_network("10.1.2.0/24"),), connect_seconds=1.0)
    control = connections(listeners, ALLOWED, open_policy)
    json.dump({"urls": len(urls), "reached": reached, "control": control}, sys.stdout)


if __name__ == "__main__":
    main()
