from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask.testing import FlaskClient

from app.settings import Settings, SettingsError
from app.web.auth import FAILURES, make_authenticator
from tests.app.conftest import AppMaker

SECRET = "s" * 64


def status(make_app: AppMaker, headers: dict[str, str], **settings: Any) -> int:
    """Status of an empty request: 422 once the caller is let in."""
    client = make_app(start=False, **settings).test_client()
    return client.post("/tts", json={}, headers=headers).status_code


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 401),
        ({"X-API-Key": "second"}, 422),
        ({"Authorization": "Bearer first"}, 422),
        ({"Authorization": "bearer  first "}, 422),
        ({"Authorization": "Basic first"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"X-API-Key": ""}, 401),
        ({"X-API-Key": "First"}, 401),
        ({"X-API-Key": "first,second"}, 401),
        ({"Authorization": "Bearer wrong", "X-API-Key": "first"}, 401),
    ],
)
def test_keys(make_app: AppMaker, headers: dict[str, str], expected: int) -> None:
    assert status(make_app, headers, api_keys=("first", "second")) == expected


def test_the_refusal(make_app: AppMaker) -> None:
    client = make_app(start=False, api_keys=("a",)).test_client()
    answer = client.post("/tts", json={})
    assert answer.get_json()["error"] == "unauthorized"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert client.get("/health").status_code == 503
    assert client.get("/docs").status_code == 200


def test_keys_from_a_file(make_app: AppMaker, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# team\nfrom-file\n\n")
    settings = {"api_keys_file": str(file), "api_keys": ("from-env",)}
    assert status(make_app, {"X-API-Key": "from-file"}, **settings) == 422
    assert status(make_app, {"X-API-Key": "from-env"}, **settings) == 422
    assert status(make_app, {"X-API-Key": "# team"}, **settings) == 401


def test_a_byte_order_mark_is_no_part_of_the_first_key(make_app: AppMaker, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(b"\xef\xbb\xbffirst-key\r\nsecond-key\r\n")
    settings = {"api_keys_file": str(file)}
    assert status(make_app, {"X-API-Key": "first-key"}, **settings) == 422
    assert status(make_app, {"X-API-Key": "second-key"}, **settings) == 422


def knock(client: FlaskClient, key: str, address: str = "192.0.2.1") -> int:
    """Status of an empty request: 422 once the caller is let in."""
    answer = client.post(
        "/tts", json={}, headers={"X-API-Key": key}, environ_base={"REMOTE_ADDR": address}
    )
    return answer.status_code


def test_failed_logins_are_limited_and_a_right_guess_among_them_is_not_told(
    make_app: AppMaker,
) -> None:
    client = make_app(start=False, api_keys=("right",)).test_client()
    codes = [knock(client, f"guess-{count}") for count in range(FAILURES + 5)]
    assert codes == [401] * FAILURES + [429] * 5
    assert knock(client, "right") == 429
    refused = client.post("/tts", json={}, environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert refused.get_json()["error"] == "rate_limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert knock(client, "right", "192.0.2.2") == 422
    assert client.get("/health/live").status_code == 200


def test_a_guesser_locks_nobody_out_who_shares_the_address(make_app: AppMaker) -> None:
    client = make_app(start=False, api_keys=("right", "other")).test_client()
    assert knock(client, "right") == 422
    for count in range(FAILURES):
        assert knock(client, f"guess-{count}") == 401
    assert knock(client, "other") == 429
    assert knock(client, "right") == 422


def test_asking_without_a_key_is_no_guess(make_app: AppMaker) -> None:
    client = make_app(start=False, api_keys=("right",)).test_client()
    assert {client.post("/tts", json={}).status_code for _ in range(2 * FAILURES)} == {401}


def test_a_whole_ipv6_network_has_the_failures_of_one(make_app: AppMaker) -> None:
    client = make_app(start=False, api_keys=("right",)).test_client()
    codes = [knock(client, f"guess-{n}", f"2001:db8::{n:x}") for n in range(FAILURES + 1)]
    assert codes == [401] * FAILURES + [429]
    assert knock(client, "guess", "2001:db8:0:1::1") == 401


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("#\n")
    for name in ("empty", "absent"):
        with pytest.raises(SettingsError, match="INDEXTTS_API_KEYS_FILE"):
            make_authenticator(Settings(api_keys_file=str(tmp_path / name)))


def test_keys_are_not_kept_in_clear() -> None:
    authenticator = make_authenticator(Settings(api_keys=("clear-text",)))
    assert "clear-text" not in repr(vars(authenticator))


def token(key: Any = SECRET, algorithm: str = "HS256", **changes: Any) -> dict[str, str]:
    # Tests are collected, and their tokens made, minutes before the last of them runs.
    claims = {"sub": "me", "exp": time.time() + 3600, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return {"Authorization": "Bearer " + jwt.encode(claims, key, algorithm=algorithm)}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (token(), 422),
        (token("other" * 10), 401),
        (token(exp=time.time() - 60), 401),
        (token(exp=None), 401),
        (token(sub=None), 401),
        (token(algorithm="HS512"), 401),
        (token("", "none"), 401),
        ({"Authorization": "Bearer a.b.c"}, 401),
    ],
)
def test_hs256(make_app: AppMaker, headers: dict[str, str], expected: int) -> None:
    assert status(make_app, headers, jwt_secret=SECRET) == expected


def test_audience_and_issuer(make_app: AppMaker) -> None:
    settings = {"jwt_secret": SECRET, "jwt_audience": "tts", "jwt_issuer": "us"}
    assert status(make_app, token(aud="tts", iss="us"), **settings) == 422
    assert status(make_app, token(aud="other", iss="us"), **settings) == 401
    assert status(make_app, token(aud="tts", iss="them"), **settings) == 401
    assert status(make_app, token(iss="us"), **settings) == 401


def test_rs256(make_app: AppMaker, tmp_path: Path) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    file = tmp_path / "key.pem"
    file.write_bytes(public)
    settings = {"jwt_public_key_file": str(file)}
    assert status(make_app, token(private, "RS256"), **settings) == 422
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert status(make_app, token(other, "RS256"), **settings) == 401
    # A token signed with the public key as if it were a shared secret.
    assert status(make_app, token(SECRET, "HS256"), **settings) == 401


def test_a_public_key_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(
        "-----BEGIN PUBLIC KEY-----\nnone\n-----END PUBLIC KEY-----\n"
    )
    with pytest.raises(SettingsError, match="key of the tokens"):
        make_authenticator(Settings(jwt_public_key_file=str(tmp_path / "key.pem")))
