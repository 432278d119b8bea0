"""URLs that must be refused before a single packet leaves the machine."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import replace

import pytest

from app.clips.errors import AudioInputError, Code
from app.clips.fetch.download import fetch
from app.clips.fetch.policy import FetchPolicy
from app.clips.fetch.resolve import Resolver
from tests.app.clips.fetch.servers import Lookups, ScriptServer, recorded_connects

PUBLIC = "93.184.215.14"

NAMES: dict[str, list[list[str]]] = {
    "localhost": [["127.0.0.1", "::1"]],
    "localhost.localdomain": [["127.0.0.1"]],
    "good.example": [[PUBLIC]],
    "inside.example": [["10.1.2.3"]],
    "mixed.example": [[PUBLIC, "10.1.2.3"]],
    "mixed6.example": [[PUBLIC, "fe80::1%eth0"]],
    "first-bad.example": [["127.0.0.1", PUBLIC]],
    "mapped.example": [["::ffff:169.254.169.254"]],
    "nat64.example": [["64:ff9b::a00:1"]],
    "metadata.google.internal": [["169.254.169.254"]],
    "127.0.0.1.nip.example": [["127.0.0.1"]],
    "xn--mnchen-3ya.example": [["192.168.0.7"]],
    "empty.example": [[]],
    "odd.example": [["no address"]],
}

BLOCKED_HOSTS = [
    # IPv4
    "127.0.0.1",
    "127.255.255.254",
    "127.0.0.1.",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "168.63.129.16",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    # The same by other characters: full-width and circled digits, three kinds of full stops.
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "127\u30020\u30020\u30021",
    "127\uff0e0\uff0e0\uff0e1",
    "127\uff610\uff610\uff611",
    # IPv6
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::127.0.0.1]",
    "[::10.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::7f00:1]",
    "[64:ff9b:1:a00:0:100::]",
    "[2002:7f00:1::]",
    "[2002:c0a8:101::]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[2607:f8b0::5efe:10.0.0.1]",
    "[2607:f8b0::200:5efe:10.0.0.1]",
    "[fe80::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[ff02::1]",
    "[ff0e::1]",
    "[100::1]",
    "[5f00::1]",
    "[4000::1]",
    # Names
    "localhost",
    "LOCALHOST",
    "localhost.",
    "localhost.localdomain",
    "\u24db\u24decalhost",
    "inside.example",
    "mixed.example",
    "mixed6.example",
    "first-bad.example",
    "mapped.example",
    "nat64.example",
    "metadata.google.internal",
    "127.0.0.1.nip.example",
    "m\u00fcnchen.example",
]

OTHERS = [
    # Spellings of addresses that only some parsers read.
    ("http://2130706433/", Code.BAD_URL),
    ("http://0x7f000001/", Code.BAD_URL),
    ("http://0x7f.1/", Code.BAD_URL),
    ("http://0X7F.0.0.0X1/", Code.BAD_URL),
    ("http://017700000001/", Code.BAD_URL),
    ("http://0177.0.0.1/", Code.BAD_URL),
    ("http://127.1/", Code.BAD_URL),
    ("http://127.0.1/", Code.BAD_URL),
    ("http://0/", Code.BAD_URL),
    ("http://127.0.0.01/", Code.BAD_URL),
    ("http://127.0.0.0x1/", Code.BAD_URL),
    ("http://127.0.0.1../", Code.BAD_URL),
    ("http://.127.0.0.1/", Code.BAD_URL),
    ("http://256.256.256.256/", Code.BAD_URL),
    ("http://127%2e0%2e0%2e1/", Code.BAD_URL),
    ("http://127.0.0.1%2f@good.example/", Code.CREDENTIALS),
    ("http://%6c%6f%63alhost/", Code.BAD_URL),
    ("http://[fe80::1%25lo]/", Code.BAD_URL),
    ("http://[::1%lo]/", Code.BAD_URL),
    ("http://[127.0.0.1]/", Code.BAD_URL),
    ("http://[::1", Code.BAD_URL),
    ("http://::1/", Code.BAD_URL),
    ("http://[::1].good.example/", Code.BAD_URL),
    ("http://[v1.x]/", Code.BAD_URL),
    # Two hosts in one.
    ("http://good.example@127.0.0.1/", Code.CREDENTIALS),
    ("http://good.example:80@127.0.0.1/", Code.CREDENTIALS),
    ("http://user:secret@good.example/", Code.CREDENTIALS),
    ("https://@good.example/", Code.CREDENTIALS),
    ("http://a@b@127.0.0.1/", Code.BAD_URL),
    ("http://good.example\\@127.0.0.1/", Code.BAD_URL),
    ("http://127.0.0.1\\.good.example/", Code.BAD_URL),
    ("http:\\\\127.0.0.1/", Code.BAD_URL),
    ("http://127.0.0.1#@good.example/", Code.BLOCKED_ADDRESS),
    ("http://127.0.0.1?@good.example/", Code.BLOCKED_ADDRESS),
    ("http://good.example /", Code.BAD_URL),
    ("http://good.example\t/", Code.BAD_URL),
    ("http://127.0.0.1\r\nHost: x/", Code.BAD_URL),
    ("http://good.example/\r\nX: y", Code.BAD_URL),
    ("http://good.example/\x00", Code.BAD_URL),
    (" http://127.0.0.1/", Code.BAD_URL),
    ("h\nttp://127.0.0.1/", Code.BAD_URL),
    ("http://good.example/\ud800", Code.BAD_URL),
    ("http://good\u200b.example/", Code.BAD_URL),
    ("http://good.example\uff0f@127.0.0.1/", Code.BAD_URL),
    ("http://good.example\uff03127.0.0.1/", Code.BAD_URL),
    # Hosts that are none.
    ("http://", Code.BAD_URL),
    ("http:///clip.wav", Code.BAD_URL),
    ("http:clip.wav", Code.BAD_URL),
    ("http:/127.0.0.1/", Code.BAD_URL),
    ("http://:80/", Code.BAD_URL),
    ("http://-bad.example/", Code.BAD_URL),
    ("http://a..example/", Code.BAD_URL),
    ("http://" + "a" * 64 + ".example/", Code.BAD_URL),
    ("http://" + "a." * 130 + "example/", Code.BAD_URL),
    ("http://good.example/" + "a" * 2048, Code.BAD_URL),
    ("http://*.example/", Code.BAD_URL),
    ("http://good.example,127.0.0.1/", Code.BAD_URL),
    ("http://xn--\u00fc.example/", Code.BAD_URL),
    ("http://nobody.example/", Code.UNRESOLVABLE),
    ("http://empty.example/", Code.UNRESOLVABLE),
    ("http://odd.example/", Code.UNRESOLVABLE),
    # Ports.
    ("http://good.example:22/", Code.BAD_PORT),
    ("http://good.example:6379/", Code.BAD_PORT),
    ("http://good.example:8080/", Code.BAD_PORT),
    ("http://good.example:21/", Code.BAD_PORT),
    ("https://good.example:21/", Code.BAD_PORT),
    ("ftp://good.example:80/a", Code.BAD_PORT),
    ("ftp://good.example:22/a", Code.BAD_PORT),
    ("http://good.example:0/", Code.BAD_PORT),
    ("http://good.example:65536/", Code.BAD_PORT),
    ("http://good.example:99999/", Code.BAD_PORT),
    ("http://good.example:-80/", Code.BAD_URL),
    ("http://good.example:+80/", Code.BAD_URL),
    ("http://good.example:80a/", Code.BAD_URL),
    ("http://good.example:80:80/", Code.BAD_URL),
    ("http://good.example:\uff18\uff10/", Code.BAD_URL),
    ("http://good.example:000080/", Code.BAD_URL),
    # Schemes.
    ("file:///etc/passwd", Code.BAD_SCHEME),
    ("file://localhost/etc/passwd", Code.BAD_SCHEME),
    ("gopher://127.0.0.1:6379/_x", Code.BAD_SCHEME),
    ("dict://127.0.0.1:11211/stat", Code.BAD_SCHEME),
    ("data:audio/wav;base64,AAAA", Code.BAD_SCHEME),
    ("jar:http://127.0.0.1!/", Code.BAD_SCHEME),
    ("ldap://127.0.0.1/", Code.BAD_SCHEME),
    ("javascript:alert(1)", Code.BAD_SCHEME),
    ("ftps://good.example/a", Code.BAD_SCHEME),
    ("sftp://good.example/a", Code.BAD_SCHEME),
    ("tftp://good.example/a", Code.BAD_SCHEME),
    ("unix:/var/run/docker.sock", Code.BAD_SCHEME),
    ("//good.example/clip.wav", Code.BAD_SCHEME),
    ("/etc/passwd", Code.BAD_SCHEME),
    ("", Code.BAD_SCHEME),
    # FTP commands in a path or a login.
    ("ftp://good.example/a%0d%0aDELE%20b", Code.BAD_URL),
    ("ftp://good.example/a%00", Code.BAD_URL),
    ("ftp://user%0aX:y@good.example/a", Code.BAD_URL),
    ("ftp://user:y%0d@good.example/a", Code.BAD_URL),
    ("ftp://good.example/", Code.BAD_URL),
    ("ftp://good.example/folder/", Code.BAD_URL),
    ("ftp://127.0.0.1/a", Code.BLOCKED_ADDRESS),
    ("ftp://[::1]/a", Code.BLOCKED_ADDRESS),
    ("ftp://inside.example/a", Code.BLOCKED_ADDRESS),
]


def names() -> Lookups:
    lookups = Lookups()
    lookups.answers.update({name: list(answers) for name, answers in NAMES.items()})
    return lookups


def refusal(url: str, policy: FetchPolicy) -> AudioInputError:
    with recorded_connects(really=False) as made, pytest.raises(AudioInputError) as caught:
        fetch(url, policy)
    assert made == []
    return caught.value


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", BLOCKED_HOSTS)
def test_host_that_is_not_public_is_never_connected_to(scheme: str, host: str) -> None:
    policy = FetchPolicy(resolver=names().resolver)
    error = refusal(f"{scheme}://{host}/clip.wav", policy)
    assert error.code is Code.BLOCKED_ADDRESS
    assert host.strip("[]") not in error.reason


@pytest.mark.parametrize(("url", "code"), OTHERS)
def test_hostile_url_is_never_connected_to(url: str, code: Code) -> None:
    error = refusal(url, FetchPolicy(resolver=names().resolver))
    assert error.code is code
    assert "127.0.0.1" not in error.reason


def test_bad_port_is_refused_without_asking_for_the_name() -> None:
    lookups = names()
    refusal("http://good.example:25/", FetchPolicy(resolver=lookups.resolver))
    assert lookups.asked == []


def test_blocked_and_unknown_names_read_the_same() -> None:
    policy = FetchPolicy(resolver=names().resolver)
    blocked = refusal("http://inside.example/", policy)
    assert blocked.reason == refusal("http://nobody.example/", policy).reason


def test_allow_list_opens_only_the_listed_network() -> None:
    policy = FetchPolicy(
        allow=(ipaddress.ip_network("10.1.2.0/24"),), resolver=names().resolver, connect_seconds=0.2
    )
    refusal("http://192.168.1.1/", policy)
    refusal("http://10.1.3.1/", policy)
    assert refusal("http://good.example:8080/", policy).code is Code.BAD_PORT
    with recorded_connects(really=False) as made:
        for url in ("http://inside.example:8080/", "http://[::ffff:10.1.2.9]/"):
            with pytest.raises(AudioInputError, match="cannot be reached"):
                fetch(url, policy)
    assert made == [("10.1.2.3", 8080), ("::ffff:a01:209", 80)]


def test_public_names_and_addresses_are_connected_to_at_the_checked_address() -> None:
    policy = FetchPolicy(resolver=names().resolver)
    with recorded_connects(really=False) as made:
        for url in ("http://good.example/", "https://good.example./", f"http://{PUBLIC}/"):
            with pytest.raises(AudioInputError) as caught:
                fetch(url, policy)
            assert caught.value.code is Code.UNREACHABLE
            assert PUBLIC not in caught.value.reason
    assert made == [(PUBLIC, 80), (PUBLIC, 443), (PUBLIC, 80)]


def test_name_is_looked_up_once_for_a_connection() -> None:
    """DNS rebinding: the second answer, which is bad, is never asked for."""
    lookups = Lookups(re_example=[[PUBLIC], ["127.0.0.1"]])
    policy = FetchPolicy(resolver=lookups.resolver)

    def script(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")

    with ScriptServer(script) as server, recorded_connects({(PUBLIC, 80): server.port}) as made:
        assert fetch("http://re.example/clip.wav", policy) == b"good"
    assert lookups.asked == ["re.example"]
    assert made == [(PUBLIC, 80)]
    assert b"Host: re.example\r\n" in server.requests[0]


def test_rebinding_between_redirects_is_refused() -> None:
    lookups = Lookups(re_example=[[PUBLIC], ["127.0.0.1"]])
    policy = FetchPolicy(resolver=lookups.resolver)

    def script(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n")

    with (
        ScriptServer(script) as server,
        recorded_connects({(PUBLIC, 80): server.port}) as made,
        pytest.raises(AudioInputError) as caught,
    ):
        fetch("http://re.example/", policy)
    assert caught.value.code is Code.BLOCKED_ADDRESS
    assert lookups.asked == ["re.example", "re.example"]
    assert made == [(PUBLIC, 80)]


def test_all_ports_may_be_opened_by_the_policy() -> None:
    policy = replace(FetchPolicy(), ports=None, resolver=Resolver(lookup=names()))
    with recorded_connects(really=False) as made, pytest.raises(AudioInputError):
        fetch("http://good.example:8080/", policy)
    assert made == [(PUBLIC, 8080)]
