"""Look at every file of a model directory and say what is wrong, without loading tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import sentencepiece

from indextts.cli.checksums import read_checksums
from indextts.cli.expectations import EXPECTATIONS, WRAPPERS, Shapes
from indextts.config import ModelConfig, load_model_config
from indextts.errors import ConfigError, ModelFileError
from indextts.model_files import Part, Wanted, qwen_folder, wanted_files
from indextts.network_configs import read_json
from indextts.stages.acoustic import own_key
from indextts.utils.download import part_path, sha256_of
from indextts.utils.file_shapes import BARE_TENSOR, TruncatedFileError, read_shapes

_MATRICES = ("emo_matrix", "spk_matrix")


class Status(StrEnum):
    """Verdict on a file."""

    OK = "ok"
    ABSENT = "absent"
    MISSING = "missing"
    TRUNCATED = "truncated"
    UNREADABLE = "unreadable"
    WRONG_SHAPE = "wrong shape"
    WRONG_HASH = "wrong hash"


@dataclass(frozen=True)
class Finding:
    """What is known of one thing in the model directory.

    Attributes:
        path: the file it is about.
        detail: the problem, or what was found.
        hint: what to do; empty where nothing is wrong.
    """

    part: Part
    path: Path
    status: Status
    detail: str = ""
    hint: str = ""

    @property
    def good(self) -> bool:
        return self.status in (Status.OK, Status.ABSENT)


def inspect_model(
    model_dir: Path, parts: Iterable[Part] = tuple(Part), *, full: bool = False
) -> tuple[Finding, ...]:
    """Check the files of some parts.

    Args:
        model_dir: the directory that holds ``config.yaml``.
        parts: which parts; all by default.
        full: also read every byte and compare with the recorded SHA-256.

    Returns:
        One finding for each file or pair of files; only one where ``config.yaml`` is unusable,
        since nothing can be judged without it.
    """
    chosen = frozenset(parts)
    path = model_dir / "config.yaml"
    try:
        config = load_model_config(path)
        wanted = wanted_files(model_dir, config)
        qwen = qwen_folder(model_dir, config)
    except (ModelFileError, ConfigError) as error:
        status = Status.UNREADABLE if path.exists() else Status.MISSING
        problem = error.problem if isinstance(error, ModelFileError) else str(error)
        hint = f"Nothing can be checked without it. {_fetch_again(model_dir, Part.BASE, path)}"
        return (Finding(Part.BASE, path, status, problem, hint),)
    sums = read_checksums(model_dir) if full else {}
    findings: list[Finding] = []
    for thing in wanted:
        if thing.part in chosen:
            finding, files = _inspect(thing, model_dir, config)
            findings.append(_hashed(finding, files, model_dir, sums) if full else finding)
    if Part.QWEN in chosen:
        finding, files = _inspect_qwen(qwen, model_dir)
        findings.append(_hashed(finding, files, model_dir, sums) if full else finding)
    return tuple(findings)


def _inspect(
    wanted: Wanted, model_dir: Path, config: ModelConfig
) -> tuple[Finding, tuple[Path, ...]]:
    files: tuple[Path, ...] = ()
    path = wanted.alternatives[0][-1]
    try:
        found = wanted.found()
        if found is None:
            return _missing(wanted, model_dir), ()
        files, path = found, found[-1]
        detail = _content(wanted.name, files, config)
    except (ModelFileError, ConfigError) as error:
        return _broken(wanted.part, path, error, model_dir), files
    return Finding(wanted.part, path, Status.OK, detail), files


def _content(name: str, files: tuple[Path, ...], config: ModelConfig) -> str:
    """Judge what is in a file; the result describes it, a problem is raised."""
    if name == "bpe":
        return _vocabulary(files[0], config)
    if name not in EXPECTATIONS:
        return "readable"
    expected = EXPECTATIONS[name](config, files)
    actual = read_shapes(files[-1], unwrap=WRAPPERS.get(name, ()))
    if name == "s2mel":
        actual = {own_key(key): shape for key, shape in actual.items()}
    if name in _MATRICES and len(actual) == 1:
        # A safetensors file cannot hold a tensor without a name.
        actual = {BARE_TENSOR: next(iter(actual.values()))}
    _compare(files[-1], expected, actual)
    return _counted(actual)


def _counted(shapes: Shapes) -> str:
    return f"{len(shapes)} tensor{'s' if len(shapes) != 1 else ''}"


class _WrongShapeError(ModelFileError):
    """The file is of a model with other dimensions."""


def _compare(path: Path, expected: Shapes, actual: Mapping[str, tuple[int, ...]]) -> None:
    for key, shape in expected.items():
        shown = repr(key) if key else "the tensor"
        if key not in actual:
            raise _WrongShapeError(path, f"has no entry {shown}; is it another model's file?")
        if actual[key] != shape:
            raise _WrongShapeError(
                path, f"{shown} has shape {list(actual[key])}, expected {list(shape)}."
            )


def _vocabulary(path: Path, config: ModelConfig) -> str:
    if path.stat().st_size == 0:
        raise TruncatedFileError(path, "is empty.")
    try:
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(path)).get_piece_size()
    except (RuntimeError, OSError) as error:
        raise ModelFileError(path, f"is no SentencePiece model ({error}).") from error
    if pieces != config.gpt.number_text_tokens:
        raise _WrongShapeError(
            path, f"has {pieces} pieces, config.yaml says {config.gpt.number_text_tokens}."
        )
    return f"{pieces} pieces"


def _inspect_qwen(folder: Path, model_dir: Path) -> tuple[Finding, tuple[Path, ...]]:
    """The optional emotion model: a whole folder, or nothing."""
    if not folder.is_dir() or not any(folder.iterdir()):
        detail = "optional: emotion from a description is off"
        return Finding(Part.QWEN, folder, Status.ABSENT, detail), ()
    files = tuple(sorted(path for path in folder.rglob("*") if path.is_file()))
    try:
        vocabulary = read_json(folder / "config.json").get("vocab_size")
        if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
            raise ModelFileError(folder / "tokenizer.json", "is missing.")
        shapes: Shapes = {}
        for shard in _shards(folder):
            shapes |= read_shapes(shard)
        embedding = shapes.get("model.embed_tokens.weight")
        if embedding is None or embedding[0] != vocabulary:
            raise _WrongShapeError(
                folder, f"'model.embed_tokens.weight' does not have {vocabulary} rows."
            )
    except AttributeError:
        error = ModelFileError(folder / "config.json", "is no JSON object.")
        return _broken(Part.QWEN, folder, error, model_dir), files
    except ModelFileError as error:
        return _broken(Part.QWEN, folder, error, model_dir), files
    return Finding(Part.QWEN, folder, Status.OK, _counted(shapes)), files


def _shards(folder: Path) -> tuple[Path, ...]:
    """The weight files of a Hugging Face model folder, whether it is split or not."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return (folder / "model.safetensors",)
    content: Any = read_json(index)
    try:
        names = sorted(set(content["weight_map"].values()))
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(index, "is no index of weight files.") from error
    return tuple(folder / Path(str(name)).name for name in names)


def _hashed(
    finding: Finding, files: tuple[Path, ...], model_dir: Path, sums: Mapping[str, str]
) -> Finding:
    if not finding.good or not files:
        return finding
    unknown = 0
    for path in files:
        recorded = sums.get(path.relative_to(model_dir).as_posix())
        digest = sha256_of(path)
        if recorded is None:
            unknown += 1
        elif recorded != digest:
            return replace(
                finding,
                path=path,
                status=Status.WRONG_HASH,
                detail=f"SHA-256 is {digest}, recorded was {recorded}.",
                hint=_fetch_again(model_dir, finding.part, path),
            )
    note = "hash matches" if not unknown else f"no recorded hash for {unknown} of {len(files)}"
    return replace(finding, detail=f"{finding.detail}, {note}")


def _missing(wanted: Wanted, model_dir: Path) -> Finding:
    error = wanted.missing(model_dir)
    hint = _fetch(model_dir, wanted.part)
    if part_path(error.path).is_file():
        hint = f"An unfinished download lies beside it; this goes on with it. {hint}"
    return Finding(wanted.part, error.path, Status.MISSING, error.problem, hint)


def _broken(
    part: Part, path: Path, error: ModelFileError | ConfigError, model_dir: Path
) -> Finding:
    if isinstance(error, TruncatedFileError):
        status = Status.TRUNCATED
    elif isinstance(error, _WrongShapeError | ConfigError):
        status = Status.WRONG_SHAPE
    elif isinstance(error, ModelFileError) and not error.path.exists():
        status = Status.MISSING
    else:
        status = Status.UNREADABLE
    if isinstance(error, ConfigError):
        return Finding(part, path, status, str(error), _fetch_again(model_dir, part, path))
    hint = error.hint or _fetch_again(model_dir, part, error.path)
    return Finding(part, error.path, status, error.problem, hint)


def _fetch(model_dir: Path, part: Part) -> str:
    return f"Fetch it with: indextts download --dir {model_dir} --only {part}"


def _fetch_again(model_dir: Path, part: Part, path: Path) -> str:
    force = " --force" if path.exists() else ""
    return f"{_fetch(model_dir, part)}{force}"
