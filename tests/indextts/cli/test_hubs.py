"""What the hubs tell about their files (utils/hubs.py)."""

from __future__ import annotations

import pytest

from indextts.utils.download import RemoteFile
from indextts.utils.http_client import DownloadError, HttpClient, RetryPolicy
from indextts.utils.hubs import HuggingFace, ModelScope
from tests.indextts.cli.fake_hub import COMMIT, FakeHub, sha256


def client_of(hub: FakeHub) -> HttpClient:
    return HttpClient(hub.url, None, RetryPolicy(attempts=1))


@pytest.fixture
def huggingface(hub: FakeHub) -> HuggingFace:
    hub.files["a/b/x.bin"] = b"content"
    return HuggingFace(client_of(hub), hub.url + "/")


@pytest.fixture
def modelscope(hub: FakeHub) -> ModelScope:
    hub.files["a/b/folder/x.bin"] = b"content"
    return ModelScope(client_of(hub), hub.url)


def test_a_small_file(hub: FakeHub, huggingface: HuggingFace) -> None:
    hub.claimed_sha256["a/b/x.bin"] = "0123456789" * 4  # the hash of a git blob, no SHA-256
    found = huggingface.describe("a/b", "main", "x.bin")
    assert found == RemoteFile(f"{hub.url}/a/b/resolve/main/x.bin", 7)


def test_a_large_file(hub: FakeHub, storage: FakeHub, huggingface: HuggingFace) -> None:
    """Size, hash and commit come from the hub; the storage host is not asked."""
    hub.storage = storage.url
    found = huggingface.describe("a/b", "main", "x.bin")
    expected = RemoteFile(f"{hub.url}/a/b/resolve/{COMMIT}/x.bin", 7, sha256(b"content"), COMMIT)
    assert found == expected
    assert storage.asked == []


def test_a_revision_with_a_slash(hub: FakeHub, huggingface: HuggingFace) -> None:
    assert "/resolve/refs%2Fpr%2F1/" in huggingface.describe("a/b", "refs/pr/1", "x.bin").url


def test_a_folder_is_listed_over_pages(hub: FakeHub, huggingface: HuggingFace) -> None:
    for name in ("f/1", "f/2", "f/deep/3", "g/4"):
        hub.files[f"a/b/{name}"] = b"x"
    assert huggingface.files_in("a/b", "main", "f") == ("f/1", "f/2", "f/deep/3")
    assert len(hub.requests("GET", "/tree/main/f")) == 3


def test_a_listing_cannot_lead_out_of_the_folder(
    hub: FakeHub, huggingface: HuggingFace, modelscope: ModelScope
) -> None:
    hub.files["a/b/f/../../../etc/evil"] = b"x"
    hub.files["a/b/f/good"] = b"x"
    assert huggingface.files_in("a/b", "main", "f") == ("f/good",)
    assert modelscope.files_in("a/b", "main", "f") == ("f/good",)


def test_no_such_folder(huggingface: HuggingFace, modelscope: ModelScope) -> None:
    with pytest.raises(DownloadError, match="not found"):
        huggingface.files_in("a/b", "main", "absent")
    with pytest.raises(DownloadError, match="no files in 'absent'"):
        modelscope.files_in("a/b", "main", "absent")


def test_modelscope_file(hub: FakeHub, modelscope: ModelScope) -> None:
    found = modelscope.describe("a/b", "main", "folder/x.bin")
    assert found.size == 7
    assert found.sha256 == sha256(b"content")
    assert found.url.startswith(f"{hub.url}/api/v1/models/a/b/repo?Revision=master&")
    with pytest.raises(DownloadError, match="no file 'y'"):
        modelscope.describe("a/b", "v1", "y")
