"""The one place that knows where the files of a model directory lie (pipeline.md 7).

Three layouts are accepted, file by file:

* the official one: the release's own files in the directory, the other four models in
  ``hf_cache/``;
* the flat one: those four models beside the release's files;
* the layout of the Hugging Face client, ``hf_cache/models--OWNER--NAME/snapshots/HASH/``,
  which is read and never written.

A ``.safetensors`` file may stand in for any ``.pth``, ``.pt`` or ``.bin``.  Nothing here
opens a checkpoint, so this module does not need torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath, PureWindowsPath

from indextts.config import ModelConfig
from indextts.errors import ConfigError, ModelFileError

# Where a model is looked for when nobody says where it is; the official one first.
MODEL_DIRS = (Path("models/IndexTTS"), Path("models/demo"))
# The folder that holds the package: a checkout, which brings the demonstration model.
HOME = Path(__file__).resolve().parents[1]
AUTO = "auto"
CACHE_FOLDER = "hf_cache"
DEFAULT_VOCODER = "nvidia/bigvgan_v2_22khz_80band_256x"
PICKLE_SUFFIXES = (".pth", ".pt", ".bin")


class Part(StrEnum):
    """What can be fetched and checked on its own."""

    BASE = "base"
    GPT = "gpt"
    S2MEL = "s2mel"
    W2V_BERT = "w2v_bert"
    SEMANTIC_CODEC = "semantic_codec"
    CAMPPLUS = "campplus"
    BIGVGAN = "bigvgan"
    QWEN = "qwen"


@dataclass(frozen=True)
class ModelFiles:
    """Where everything is.  All paths exist; what is optional is None where absent.

    Attributes:
        w2v_bert: folder with ``config.json`` and ``model.safetensors``.
        qwen: folder of a Hugging Face causal language model.
    """

    config: Path
    bpe: Path
    phonemes: Path | None
    gpt: Path
    s2mel: Path
    w2v_stat: Path
    emo_matrix: Path
    spk_matrix: Path
    w2v_bert: Path
    semantic_codec: Path
    campplus: Path
    bigvgan_config: Path
    bigvgan_checkpoint: Path
    qwen: Path | None
    glossary: Path | None

    @property
    def weight_bytes(self) -> int:
        """Size of the files with the weights of every network, but for `qwen`."""
        single = (self.gpt, self.s2mel, self.semantic_codec, self.campplus, self.bigvgan_checkpoint)
        return sum(path.stat().st_size for path in (*single, self.w2v_bert / "model.safetensors"))


@dataclass(frozen=True)
class Wanted:
    """One thing the engine needs, and every place where it may lie.

    Attributes:
        name: what it is, as in the fields of ModelFiles.
        part: what to download to get it.
        alternatives: in order of preference; the files of one alternative belong together.
    """

    name: str
    part: Part
    alternatives: tuple[tuple[Path, ...], ...]

    def found(self) -> tuple[Path, ...] | None:
        """The first alternative of which every file is there."""
        return next((files for files in self.alternatives if all(map(_is_file, files))), None)

    def missing(self, model_dir: Path) -> ModelFileError:
        """The error that names the file, the places and the way out."""
        # Of a half-complete folder, name the file that it lacks.
        nearest = max(self.alternatives, key=lambda files: sum(map(_is_file, files)))
        lacking = next((path for path in nearest if not _is_file(path)), nearest[0])
        places = dict.fromkeys(path for files in self.alternatives for path in files)
        listed = ", ".join(_shown(path, model_dir) for path in places)
        return ModelFileError(
            lacking,
            f"is missing. Looked in {model_dir} for {listed}.",
            f"Fetch it with: indextts download --dir {model_dir}",
        )


def find_model_dir(given: str | Path = AUTO) -> Path:
    """The folder to load.

    Args:
        given: a model directory, or the folder around ``IndexTTS`` or ``demo``.  "auto" is the
            first of :data:`MODEL_DIRS` that has a ``config.yaml``, here or beside the package.

    Returns:
        a folder with a ``config.yaml``; where there is none, the one that should have it, for the
        error about it says how to fill it.
    """
    if str(given) == AUTO:
        places = [home / path for path in MODEL_DIRS for home in (Path(), HOME)]
    else:
        places = [Path(given), *(Path(given) / path.name for path in MODEL_DIRS)]
    return next((path for path in places if (path / "config.yaml").is_file()), places[0])


def resolve_model_files(model_dir: Path, config: ModelConfig) -> ModelFiles:
    """Find every file of a model directory.

    Args:
        model_dir: the directory that holds ``config.yaml``.
        config: what that file says.

    Raises:
        ModelFileError: a file that synthesis needs is missing or may not be looked at.
        ConfigError: the configuration names a path outside the directory.
    """
    found: dict[str, tuple[Path, ...]] = {}
    for wanted in wanted_files(model_dir, config):
        files = wanted.found()
        if files is None:
            raise wanted.missing(model_dir)
        found[wanted.name] = files
    qwen = qwen_folder(model_dir, config)
    glossary = model_dir / "glossary.yaml"
    return ModelFiles(
        config=found["config"][0],
        bpe=found["bpe"][0],
        phonemes=found["phonemes"][0] if "phonemes" in found else None,
        gpt=found["gpt"][0],
        s2mel=found["s2mel"][0],
        w2v_stat=found["w2v_stat"][0],
        emo_matrix=found["emo_matrix"][0],
        spk_matrix=found["spk_matrix"][0],
        w2v_bert=found["w2v_bert"][0].parent,
        semantic_codec=found["semantic_codec"][0],
        campplus=found["campplus"][0],
        bigvgan_config=found["bigvgan"][0],
        bigvgan_checkpoint=found["bigvgan"][1],
        qwen=qwen if _is_file(qwen / "config.json") else None,
        glossary=glossary if _is_file(glossary) else None,
    )


@dataclass(frozen=True)
class TextFiles:
    """What reading a text takes: the vocabulary, and the optional tables beside it."""

    bpe: Path
    phonemes: Path | None
    glossary: Path | None


def resolve_text_files(model_dir: Path, config: ModelConfig) -> TextFiles:
    """Find the files for reading, in a directory that may have no weights; raises as above."""
    found: dict[str, Path] = {}
    for wanted in wanted_files(model_dir, config):
        if wanted.name in ("bpe", "phonemes"):
            files = wanted.found()
            if files is None:
                raise wanted.missing(model_dir)
            found[wanted.name] = files[0]
    glossary = model_dir / "glossary.yaml"
    return TextFiles(
        bpe=found["bpe"],
        phonemes=found.get("phonemes"),
        glossary=glossary if _is_file(glossary) else None,
    )


def wanted_files(model_dir: Path, config: ModelConfig) -> tuple[Wanted, ...]:
    """Everything the engine cannot do without.

    Raises:
        ConfigError: the configuration names a path outside the directory.
    """
    named = (
        ("bpe", Part.BASE, config.dataset.bpe_model, "dataset.bpe_model"),
        ("phonemes", Part.BASE, config.dataset.phonemes, "dataset.phonemes"),
        ("w2v_stat", Part.BASE, config.w2v_stat, "w2v_stat"),
        ("emo_matrix", Part.BASE, config.emo_matrix, "emo_matrix"),
        ("spk_matrix", Part.BASE, config.spk_matrix, "spk_matrix"),
        ("gpt", Part.GPT, config.gpt_checkpoint, "gpt_checkpoint"),
        ("s2mel", Part.S2MEL, config.s2mel_checkpoint, "s2mel_checkpoint"),
    )
    return (
        Wanted("config", Part.BASE, ((model_dir / "config.yaml",),)),
        *(
            Wanted(name, part, _one_file(_inside(model_dir, value, key)))
            for name, part, value, key in named
            if value is not None
        ),
        *shared_models(model_dir, config.vocoder.name),
    )


def shared_models(model_dir: Path, vocoder: str = DEFAULT_VOCODER) -> tuple[Wanted, ...]:
    """The four models that other projects publish.

    Args:
        vocoder: repository of the vocoder, ``OWNER/NAME``.

    Raises:
        ConfigError: `vocoder` could lead outside the directory.
    """
    cache = model_dir / CACHE_FOLDER
    _inside(cache, vocoder, "vocoder.name")
    w2v_bert_folders = (
        cache / "w2v-bert-2.0",
        model_dir / "w2v-bert-2.0",
        hub_snapshot(cache, "facebook/w2v-bert-2.0"),
    )
    bigvgan_folders = (cache / "bigvgan", model_dir / "bigvgan", hub_snapshot(cache, vocoder))
    codec_files = (
        cache / "semantic_codec_model.safetensors",
        model_dir / "semantic_codec_model.safetensors",
        cache / "semantic_codec" / "model.safetensors",
        model_dir / "semantic_codec" / "model.safetensors",
        hub_snapshot(cache, "amphion/MaskGCT") / "semantic_codec" / "model.safetensors",
    )
    campplus_files = (
        *_with_stand_in(cache / "campplus_cn_common.bin"),
        *_with_stand_in(model_dir / "campplus_cn_common.bin"),
        cache / "campplus.safetensors",
        model_dir / "campplus.safetensors",
        *_with_stand_in(hub_snapshot(cache, "funasr/campplus") / "campplus_cn_common.bin"),
    )
    return (
        Wanted(
            "w2v_bert",
            Part.W2V_BERT,
            tuple((at / "config.json", at / "model.safetensors") for at in w2v_bert_folders),
        ),
        Wanted("semantic_codec", Part.SEMANTIC_CODEC, tuple((path,) for path in codec_files)),
        Wanted("campplus", Part.CAMPPLUS, tuple((path,) for path in campplus_files)),
        Wanted(
            "bigvgan",
            Part.BIGVGAN,
            tuple(
                (at / "config.json", checkpoint)
                for at in bigvgan_folders
                for checkpoint in _with_stand_in(at / "bigvgan_generator.pt")
            ),
        ),
    )


def qwen_folder(model_dir: Path, config: ModelConfig) -> Path:
    """Where the optional emotion model belongs; raises ConfigError for a path outside."""
    return _inside(model_dir, config.qwen_emo_path, "qwen_emo_path")


def hub_snapshot(cache: Path, repository: str) -> Path:
    """The snapshot that the Hugging Face client would use: ``refs/main``, else the newest.

    Where there is none, a path with HASH for the snapshot's name comes back, for messages.
    """
    folder = cache / f"models--{repository.replace('/', '--')}"
    snapshots = folder / "snapshots"
    try:
        commit = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
        if commit and PurePosixPath(commit).name == commit and (snapshots / commit).is_dir():
            return snapshots / commit
    except (OSError, UnicodeDecodeError):
        pass  # No such reference: fall back to what lies there.
    try:
        present = [path for path in snapshots.iterdir() if path.is_dir()]
        return max(present, key=lambda path: (path.stat().st_mtime, path.name))
    except (OSError, ValueError):
        return snapshots / "HASH"


def _inside(folder: Path, value: str, key: str) -> Path:
    """`folder` / `value`, refusing what could lead out of the folder."""
    parts = PurePosixPath(value.replace("\\", "/"))
    if not parts.parts or ".." in parts.parts or "\0" in value:
        raise ConfigError(f"{key}: {value!r} must be the name of a file in the model directory")
    if parts.is_absolute() or PureWindowsPath(value).drive:
        raise ConfigError(f"{key}: {value!r} must be relative to the model directory")
    return folder / parts


def _one_file(path: Path) -> tuple[tuple[Path, ...], ...]:
    return tuple((place,) for place in _with_stand_in(path))


def _with_stand_in(path: Path) -> tuple[Path, ...]:
    """The path, and the safetensors file that may take its place."""
    if path.suffix in PICKLE_SUFFIXES:
        return path, path.with_suffix(".safetensors")
    return (path,)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise ModelFileError(
            path, f"cannot be looked at: {error.strerror}.", "Check the folder's permissions."
        ) from error


def _shown(path: Path, model_dir: Path) -> str:
    return path.relative_to(model_dir).as_posix()
