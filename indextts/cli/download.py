"""Fetch the model files, each from the repository of its publisher."""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import NoReturn

from tqdm import tqdm

from indextts.cli.check import check_and_report
from indextts.cli.checksums import add_checksum
from indextts.cli.sources import INDEXTTS, SOURCES, Source, sources_of
from indextts.cli.standard_streams import writing_output
from indextts.model_files import Part, shared_models
from indextts.utils.download import RemoteFile, fetch_file, part_size
from indextts.utils.http_client import DownloadError, HttpClient, RetryPolicy
from indextts.utils.hubs import (
    HUGGINGFACE_ENDPOINT,
    MODELSCOPE_ENDPOINT,
    Hub,
    HuggingFace,
    ModelScope,
)

# Left free for everything else that writes to the disk meanwhile.
_SPARE_BYTES = 64 << 20
_TRUE = ("1", "true", "yes", "on")


@dataclass(frozen=True)
class Item:
    """One file to fetch."""

    source: Source
    remote: RemoteFile
    target: Path

    @property
    def still_to_come(self) -> int:
        """Bytes; 0 where the size is not known."""
        return max((self.remote.size or 0) - part_size(self.target), 0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``indextts download``."""
    parser.add_argument(
        "--dir",
        type=Path,
        default=Path("models/IndexTTS"),
        metavar="DIR",
        help="the model directory (default: %(default)s)",
    )
    parser.add_argument(
        "--source",
        choices=("huggingface", "modelscope"),
        default="huggingface",
        help="which hub (default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        type=Part,
        choices=tuple(Part),
        metavar="PART",
        help=f"fetch these parts only: {', '.join(Part)}",
    )
    parser.add_argument(
        "--without-qwen",
        action="store_true",
        help="leave out the model that finds emotions in a description",
    )
    parser.add_argument(
        "--revision",
        action="append",
        default=[],
        metavar="[OWNER/NAME=]REV",
        help=f"branch, tag or commit of a repository ({INDEXTTS} where none is named); repeatable",
    )
    parser.add_argument(
        "--endpoint", metavar="URL", help="address of the hub or of a mirror of it (HF_ENDPOINT)"
    )
    parser.add_argument(
        "--force", action="store_true", help="fetch files again that are there already"
    )


def run(
    args: argparse.Namespace,
    environment: Mapping[str, str] = os.environ,
    policy: RetryPolicy | None = None,
) -> int:
    """Fetch what is missing, then check it; 0 when all is in order, else 1.

    Raises:
        DownloadError: a file could not be fetched; what came of it is kept.
    """
    parts = tuple(
        part for part in args.only or tuple(Part) if not (args.without_qwen and part is Part.QWEN)
    )
    sources = _with_revisions(sources_of(parts), args.revision)
    needed = sources if args.force else _not_there(sources, args.dir)
    if environment.get("HF_HUB_OFFLINE", "").lower() in _TRUE:
        return _explain_offline(needed, args.dir, args.source)
    _show_licences(needed)
    if needed:
        modelscope = args.source == "modelscope"
        endpoint = args.endpoint or (
            MODELSCOPE_ENDPOINT
            if modelscope
            else environment.get("HF_ENDPOINT") or HUGGINGFACE_ENDPOINT
        )
        token = None if modelscope else environment.get("HF_TOKEN")
        client = HttpClient(endpoint, token, policy or RetryPolicy())
        hub = ModelScope(client, endpoint) if modelscope else HuggingFace(client, endpoint)
        try:
            items = _plan(hub, needed, args)
            _require_space(items, args.dir)
            _fetch_all(client, items, args.dir)
        finally:
            client.close()
    if not (args.dir / "config.yaml").is_file():
        _say(f"config.yaml is not there yet; when it is, run: indextts check {args.dir}")
        return 0
    return check_and_report(args.dir, parts)


def _with_revisions(sources: tuple[Source, ...], given: list[str]) -> tuple[Source, ...]:
    """Put the revisions of the command line into the table."""
    revisions: dict[str, str] = {}
    for text in given:
        repository, _, revision = text.rpartition("=")
        repository = repository or INDEXTTS
        if not revision or repository not in {source.repository for source in SOURCES}:
            known = ", ".join(sorted({source.repository for source in SOURCES}))
            raise DownloadError(f"--revision {text}: expected OWNER/NAME=REV with one of {known}")
        revisions[repository] = revision
    return tuple(
        # Size and hash of the table belong to the table's revision.
        replace(source, revision=revisions[source.repository], size=None, sha256=None)
        if source.repository in revisions
        else source
        for source in sources
    )


def _not_there(sources: tuple[Source, ...], model_dir: Path) -> tuple[Source, ...]:
    """Leave out what is there, in whichever layout, and say so.

    A folder is always looked into: only the hub knows what belongs into it.
    """
    shared = {
        wanted.part: files for wanted in shared_models(model_dir) if (files := wanted.found())
    }
    needed: list[Source] = []
    for source in sources:
        target = source.target_in(model_dir)
        stand_in = target.with_suffix(".safetensors")
        if not source.is_folder and target.is_file():
            _say(f"already there: {target}")
        elif not source.is_folder and stand_in.is_file():
            _say(f"already there: {stand_in} (instead of {target.name})")
        elif _lies_elsewhere(target, shared.get(source.part, ())):
            _say(f"already there: {shared[source.part][-1]} (instead of {target})")
        else:
            needed.append(source)
    return tuple(needed)


def _lies_elsewhere(target: Path, found: tuple[Path, ...]) -> bool:
    """Whether a complete model makes `target` superfluous: one file, or another folder."""
    return bool(found) and (len(found) == 1 or found[0].parent != target.parent)


def _explain_offline(needed: tuple[Source, ...], model_dir: Path, hub: str) -> int:
    """With HF_HUB_OFFLINE set: no request, only what to copy where."""
    missing = [
        source
        for source in needed
        if not (source.is_folder and (source.target_in(model_dir) / "config.json").is_file())
    ]
    if not missing:
        _say("HF_HUB_OFFLINE is set; nothing is missing.")
        return 0
    _say("HF_HUB_OFFLINE is set, so nothing is fetched. Copy from a machine with a network:")
    for source in missing:
        what = "folder" if source.is_folder else "file"
        _say(
            f"  {what} {source.path} of {source.repository_on(hub)} "
            f"({source.revision}) -> {source.target_in(model_dir)}"
        )
    _say(
        "Or run `indextts download` there and copy the whole directory. Then run: "
        f"indextts check {model_dir} --full"
    )
    return 1


def _show_licences(needed: tuple[Source, ...]) -> None:
    shown = dict.fromkeys((source.repository, source.licence) for source in needed)
    for repository, licence in shown:
        _say(f"licence of {repository}: {licence.name}; {licence.terms}")


def _plan(hub: Hub, needed: tuple[Source, ...], args: argparse.Namespace) -> list[Item]:
    """Ask the hub for sizes and hashes, and for the content of folders."""
    items: list[Item] = []
    for source in needed:
        repository = source.repository_on(args.source)
        if not source.is_folder:
            items.append(_item(hub, repository, source, args.dir))
            continue
        folder = PurePosixPath(source.path)
        for path in hub.files_in(repository, source.revision, str(folder)):
            inner = PurePosixPath(path).relative_to(folder)
            entry = replace(source, path=path, target=str(PurePosixPath(source.target) / inner))
            if args.force or not entry.target_in(args.dir).is_file():
                items.append(_item(hub, repository, entry, args.dir))
    return items


def _item(hub: Hub, repository: str, source: Source, model_dir: Path) -> Item:
    remote = hub.describe(repository, source.revision, source.path)
    for known, told, what in (
        (source.size, remote.size, "bytes"),
        (source.sha256, remote.sha256, "SHA-256"),
    ):
        if known is not None and told is not None and known != told:
            raise DownloadError(
                f"{repository}/{source.path} at {source.revision}: the hub says {what} {told}, "
                f"this program knows {known}. The repository has changed: name the commit that "
                f"you want with --revision {source.repository}=COMMIT."
            )
    remote = replace(
        remote,
        size=source.size if source.size is not None else remote.size,
        sha256=source.sha256 if source.sha256 is not None else remote.sha256,
    )
    return Item(source, remote, source.target_in(model_dir))


def _require_space(items: list[Item], model_dir: Path) -> None:
    """Raises DownloadError where the files cannot fit."""
    wanted = sum(item.still_to_come for item in items)
    there = next(folder for folder in (model_dir, *model_dir.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    needed = wanted + _SPARE_BYTES
    if wanted and free < needed:
        # Rounded apart, so that the numbers themselves tell which is more.
        raise DownloadError(
            f"{model_dir}: {math.ceil(needed / 1e8) / 10:.1f} GB are needed, but only "
            f"{math.floor(free / 1e8) / 10:.1f} GB are free. Make room, choose another --dir, "
            "or leave parts out with --only."
        )


def _fetch_all(client: HttpClient, items: list[Item], model_dir: Path) -> None:
    total = sum(item.remote.size or 0 for item in items)
    with tqdm(
        total=total, unit="B", unit_scale=True, desc="total", position=0, disable=None
    ) as overall:
        for item in items:
            at = f" at commit {item.remote.commit}" if item.remote.commit else ""
            _say(f"fetching {item.target} from {item.source.repository}{at}")
            with tqdm(
                total=item.remote.size,
                unit="B",
                unit_scale=True,
                desc=item.target.name,
                position=1,
                leave=False,
                disable=None,
            ) as bar:
                digest = fetch_file(client, item.remote, item.target, _shown_on(bar, overall))
            add_checksum(model_dir, item.target, digest)


def _shown_on(*bars: tqdm[NoReturn]) -> Callable[[int], None]:
    """Move all bars by what one file grew (or shrank, when it starts again)."""
    before = 0

    def show(done: int) -> None:
        nonlocal before
        for bar in bars:
            bar.update(done - before)
        before = done

    return show


def _say(line: str) -> None:
    """A line on standard output that does not tear the progress bars."""
    with writing_output():
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()
