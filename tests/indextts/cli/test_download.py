"""``indextts download`` as a whole, against a hub on the loopback interface."""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from indextts.cli import download, main
from indextts.cli.checksums import add_checksum, read_checksums
from indextts.cli.sources import INDEXTTS, SOURCES, sources_of
from indextts.model_files import Part
from indextts.utils.download import part_path
from indextts.utils.http_client import DownloadError, RetryPolicy
from tests.indextts.cli.fake_hub import COMMIT, FakeHub, sha256
from tests.indextts.cli.small_model import write_model, write_qwen

Run = Callable[..., int]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "model"
    write_model(folder)
    write_qwen(folder / "qwen0.6bemo4-merge")
    return folder


@pytest.fixture
def filled(hub: FakeHub, model: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """A hub with a small model in the repositories of the table."""
    # The table knows sizes and hashes of the official files; ours are others.
    monkeypatch.setattr(
        download,
        "sources_of",
        lambda parts: tuple(replace(s, size=None, sha256=None) for s in sources_of(parts)),
    )
    for source in SOURCES:
        for path in _files(source.target_in(model)):
            inner = path.relative_to(source.target_in(model)).as_posix()
            name = source.path if inner == "." else source.path + inner
            hub.files[f"{source.repository}/{name}"] = path.read_bytes()
    return hub


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [inner for inner in path.rglob("*") if inner.is_file()]


@pytest.fixture
def run(filled: FakeHub, tmp_path: Path) -> Run:
    """Run the command's own function, with settings and without waiting."""

    def call(*options: str, endpoint: str | None = None, **environment: str) -> int:
        parser = argparse.ArgumentParser()
        download.add_arguments(parser)
        where = ["--dir", str(tmp_path), "--endpoint", endpoint or filled.url]
        policy = RetryPolicy(attempts=2, sleep=lambda _: None)
        return download.run(parser.parse_args([*where, *options]), environment, policy)

    return call


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes())
        for path in _files(folder)
        if path.name != "SHA256SUMS"
    }


def test_everything(
    run: Run, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    assert contents(tmp_path) == contents(model)
    assert read_checksums(tmp_path) == contents(model)
    output = capsys.readouterr().out
    for text in ("bilibili", "amphion/MaskGCT: not stated", "nvidia/bigvgan", "in order"):
        assert text in output


def test_a_second_run_fetches_nothing(
    run: Run, filled: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    filled.asked.clear()
    capsys.readouterr()
    assert run() == 0
    assert filled.requests("HEAD", "") == []
    assert filled.requests("GET", "/resolve/") == []
    assert f"already there: {tmp_path / 'gpt.pth'}" in capsys.readouterr().out


def test_force_fetches_again(run: Run, model: Path, tmp_path: Path) -> None:
    run()
    (tmp_path / "gpt.pth").write_bytes(b"broken")
    assert run("--only", "gpt") == 1
    assert run("--only", "gpt", "--force") == 0
    assert contents(tmp_path) == contents(model)


def test_only_and_without_qwen(run: Run, tmp_path: Path) -> None:
    assert run("--only", "base", "gpt") == 0
    assert {path.name for path in tmp_path.iterdir()} >= {"gpt.pth", "config.yaml", "bpe.model"}
    assert not (tmp_path / "hf_cache").exists()
    assert run("--without-qwen") == 0
    assert not (tmp_path / "qwen0.6bemo4-merge").exists()


def test_a_part_without_the_configuration(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--only", "gpt") == 0
    assert f"indextts check {tmp_path}" in capsys.readouterr().out


def test_large_files_from_a_storage_host(
    run: Run, filled: FakeHub, storage: FakeHub, tmp_path: Path, model: Path
) -> None:
    filled.storage = storage.url
    storage.files = filled.files
    storage.cut_after[f"{INDEXTTS}/gpt.pth"] = [100]
    assert run("--without-qwen", HF_TOKEN="secret") == 0
    assert sha256((tmp_path / "gpt.pth").read_bytes()) == contents(model)["gpt.pth"]
    # Every file comes from the commit that was looked at, and the token goes nowhere else.
    assert filled.requests("GET", f"/resolve/{COMMIT}/gpt.pth")
    assert filled.requests("HEAD", "gpt.pth")[0]["authorization"] == "Bearer secret"
    assert storage.requests("GET", "gpt.pth")
    assert all("authorization" not in head for _, _, head in storage.asked)


def test_content_other_than_announced(
    run: Run, filled: FakeHub, storage: FakeHub, tmp_path: Path
) -> None:
    filled.storage = storage.url
    storage.files = filled.files
    name = f"{INDEXTTS}/s2mel.pth"
    storage.served[name] = bytes(len(filled.files[name]))
    with pytest.raises(DownloadError, match="SHA-256"):
        run("--only", "s2mel")
    assert contents(tmp_path) == {}
    storage.served[name] = b"short"
    with pytest.raises(DownloadError, match="5 bytes on the server"):
        run("--only", "s2mel")


def test_modelscope(run: Run, filled: FakeHub, tmp_path: Path, model: Path) -> None:
    for source in SOURCES:
        if source.modelscope:
            content = filled.files.pop(f"{source.repository}/{source.path}")
            filled.files[f"{source.modelscope}/{source.path}"] = content
    assert run("--source", "modelscope", HF_TOKEN="secret") == 0
    assert contents(tmp_path) == contents(model)
    assert all("authorization" not in head for _, _, head in filled.asked)


def test_endpoint_from_the_environment(filled: FakeHub, tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    download.add_arguments(parser)
    args = parser.parse_args(["--dir", str(tmp_path), "--only", "gpt"])
    assert download.run(args, {"HF_ENDPOINT": filled.url + "/"}) == 0
    assert (tmp_path / "gpt.pth").is_file()


def test_offline(
    run: Run, filled: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--only", "base", "gpt") == 0
    filled.asked.clear()
    capsys.readouterr()
    assert run(HF_HUB_OFFLINE="1") == 1
    assert filled.asked == []
    output = capsys.readouterr().out
    assert f"file s2mel.pth of {INDEXTTS} (main) -> {tmp_path / 's2mel.pth'}" in output
    assert "folder qwen0.6bemo4-merge/" in output
    assert "file gpt.pth" not in output
    assert f"indextts check {tmp_path} --full" in output


def test_offline_with_everything_there(run: Run, model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path, dirs_exist_ok=True)
    assert run(HF_HUB_OFFLINE="true") == 0


def test_other_layouts_count_as_there(
    run: Run, filled: FakeHub, model: Path, tmp_path: Path
) -> None:
    """Flat layout, hub layout and a safetensors stand-in are not fetched again."""
    shutil.copytree(model, tmp_path, dirs_exist_ok=True)
    cache = tmp_path / "hf_cache"
    (cache / "w2v-bert-2.0").rename(tmp_path / "w2v-bert-2.0")
    snapshot = cache / "models--nvidia--bigvgan_v2_22khz_80band_256x" / "snapshots" / "abc"
    snapshot.parent.mkdir(parents=True)
    (cache / "bigvgan").rename(snapshot)
    (cache / "campplus_cn_common.bin").rename(tmp_path / "campplus_cn_common.bin")
    (tmp_path / "semantic_codec").mkdir()
    (cache / "semantic_codec_model.safetensors").rename(
        tmp_path / "semantic_codec" / "model.safetensors"
    )
    assert run("--without-qwen") == 0
    assert filled.asked == []


def test_a_private_repository(run: Run, filled: FakeHub) -> None:
    filled.private = True
    with pytest.raises(DownloadError, match=r"401.*HF_TOKEN"):
        run("--only", "gpt")
    assert run("--only", "gpt", HF_TOKEN="secret") == 0


def test_a_missing_file(run: Run, filled: FakeHub) -> None:
    del filled.files[f"{INDEXTTS}/gpt.pth"]
    with pytest.raises(DownloadError, match=r"gpt\.pth: not found \(404\)"):
        run("--only", "gpt")


def test_revisions(run: Run, filled: FakeHub) -> None:
    run("--only", "gpt", "bigvgan", "--revision", "v2", "--revision", f"{BIGVGAN}=v7")
    paths = [path for _, path, _ in filled.asked]
    assert f"/{INDEXTTS}/resolve/v2/gpt.pth" in paths
    assert f"/{BIGVGAN}/resolve/v7/config.json" in paths


BIGVGAN = "nvidia/bigvgan_v2_22khz_80band_256x"


@pytest.mark.parametrize("revision", ["nobody/nothing=v1", f"{BIGVGAN}=", "="])
def test_a_revision_of_nothing(run: Run, revision: str) -> None:
    with pytest.raises(DownloadError, match="--revision"):
        run("--revision", revision)


def test_a_repository_that_changed(
    run: Run, filled: FakeHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The sizes that the table knows are compared before anything is fetched."""
    monkeypatch.setattr(download, "sources_of", sources_of)
    with pytest.raises(DownloadError, match=r"this program knows 2880.*--revision"):
        run("--only", "base")
    assert contents(tmp_path) == {}
    # Of a revision that the user names, the table knows nothing.
    assert run("--only", "base", "--revision", "v2") == 0


def test_a_full_disk(
    run: Run, filled: FakeHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 10))
    with pytest.raises(DownloadError, match=r"0\.1 GB are needed, but only 0\.0 GB are free"):
        run("--only", "gpt")
    assert filled.requests("GET", "gpt.pth") == []


def test_an_interrupt_leaves_a_part_to_go_on_with(
    run: Run,
    filled: FakeHub,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "gpt.pth"
    part_path(target).write_bytes((model / "gpt.pth").read_bytes()[:50])
    monkeypatch.setattr(download, "fetch_file", _interrupted)
    arguments = ["download", "--dir", str(tmp_path), "--only", "gpt", "--endpoint", filled.url]
    assert main(arguments) == 130
    assert "interrupted" in capsys.readouterr().err
    monkeypatch.undo()
    assert run("--only", "gpt") == 0
    assert filled.requests("GET", "gpt.pth")[0]["range"] == "bytes=50-"


def _interrupted(*_: object) -> str:
    raise KeyboardInterrupt


def test_checksums_are_understood_by_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"x")
    digest = hashlib.sha256(b"x").hexdigest()
    add_checksum(tmp_path, tmp_path / "b", "0" * 64)
    add_checksum(tmp_path, tmp_path / "a" / "c", digest)
    add_checksum(tmp_path, tmp_path / "b", digest)
    assert (tmp_path / "SHA256SUMS").read_text() == f"{digest}  a/c\n{digest}  b\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["SHA256SUMS", "b"]


def test_the_table_names_every_part_once() -> None:
    assert {source.part for source in SOURCES} == set(Part)
    targets = [source.target for source in SOURCES]
    assert len(set(targets)) == len(targets)
    assert sum(source.size or 0 for source in SOURCES) == 920_256
