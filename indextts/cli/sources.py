"""Where each file of the model directory comes from, and under which licence (pipeline.md 7).

Sizes and hashes are those we know: of the release's five small files.  No commit is known to us,
so none is written down.  What a hub says of its files is checked on top of this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from indextts.model_files import CACHE_FOLDER, DEFAULT_VOCODER, Part

INDEXTTS = "IndexTeam/IndexTTS-2"


@dataclass(frozen=True)
class Licence:
    """What the publisher of a model says about its use."""

    name: str
    terms: str


BILIBILI = Licence(
    "bilibili Model Use License Agreement",
    "a separate licence is needed above 100 million monthly users or 1 billion RMB yearly "
    "revenue; not for improving other AI models, except non-commercially; further uses are "
    "restricted: read the agreement in the repository.",
)
MIT = Licence("MIT", "free for any use; keep the copyright notice.")
MASKGCT_UNSTATED = Licence(
    "not stated for the weights",
    "the code published with them is MIT; read the repository's page before you pass them on.",
)
CAMPPLUS_UNSTATED = Licence(
    "not stated for the weights",
    "the code published with them is Apache-2.0; read the repository's page before you pass "
    "them on.",
)


@dataclass(frozen=True)
class Source:
    """One file (or one folder with all that is in it) of a repository.

    Attributes:
        part: the part it belongs to.
        repository: ``OWNER/NAME`` on the Hugging Face Hub.
        path: in the repository; a trailing slash marks a folder.
        target: below the model directory; a trailing slash marks a folder.
        licence: of the content.
        revision: branch, tag or commit; ``main`` where we know of no commit to pin.
        size: in bytes, at `revision`, where known.
        sha256: at `revision`, where known.
        modelscope: ``OWNER/NAME`` on ModelScope, where it differs.
    """

    part: Part
    repository: str
    path: str
    target: str
    licence: Licence
    revision: str = "main"
    size: int | None = None
    sha256: str | None = None
    modelscope: str | None = None

    @property
    def is_folder(self) -> bool:
        return self.path.endswith("/")

    def repository_on(self, hub: str) -> str:
        """Name of the repository on ``huggingface`` or ``modelscope``."""
        return self.modelscope or self.repository if hub == "modelscope" else self.repository

    def target_in(self, model_dir: Path) -> Path:
        return model_dir / self.target


def _release(part: Part, path: str, size: int | None = None, sha256: str | None = None) -> Source:
    return Source(part, INDEXTTS, path, path, BILIBILI, size=size, sha256=sha256)


def _w2v_bert(name: str) -> Source:
    return Source(
        Part.W2V_BERT,
        "facebook/w2v-bert-2.0",
        name,
        f"{CACHE_FOLDER}/w2v-bert-2.0/{name}",
        MIT,
        modelscope="AI-ModelScope/w2v-bert-2.0",
    )


def _bigvgan(name: str) -> Source:
    return Source(Part.BIGVGAN, DEFAULT_VOCODER, name, f"{CACHE_FOLDER}/bigvgan/{name}", MIT)


SOURCES: tuple[Source, ...] = (
    _release(
        Part.BASE,
        "config.yaml",
        2_880,
        "c8a8c105c84230c38f5935c1be4eba3e199a2839e02316866e16c827ab875ed2",
    ),
    _release(
        Part.BASE,
        "bpe.model",
        475_997,
        "b2a5ce8090d32da3642cc4f81fdc996376bc6dd3f4cd5e3d165f71120d9f2bc8",
    ),
    _release(
        Part.BASE,
        "feat1.pt",
        57_170,
        "f219cb447d80216ba615666da2ff8d63ac544eee26657f3a7b278692bf7a67c4",
    ),
    _release(
        Part.BASE,
        "feat2.pt",
        374_866,
        "9c4292e96dee535aea9a6206e9a0c856dd578dde9212acdb16dd3ada4d12bf80",
    ),
    _release(
        Part.BASE,
        "wav2vec2bert_stats.pt",
        9_343,
        "c9c176c2b8850ab2e3ba828bbfa969deaf4566ce55db5f2687b8430b87526ad2",
    ),
    _release(Part.GPT, "gpt.pth"),
    _release(Part.S2MEL, "s2mel.pth"),
    _w2v_bert("config.json"),
    _w2v_bert("preprocessor_config.json"),
    _w2v_bert("model.safetensors"),
    Source(
        Part.SEMANTIC_CODEC,
        "amphion/MaskGCT",
        "semantic_codec/model.safetensors",
        f"{CACHE_FOLDER}/semantic_codec_model.safetensors",
        MASKGCT_UNSTATED,
    ),
    Source(
        Part.CAMPPLUS,
        "funasr/campplus",
        "campplus_cn_common.bin",
        f"{CACHE_FOLDER}/campplus_cn_common.bin",
        CAMPPLUS_UNSTATED,
        modelscope="iic/speech_campplus_sv_zh-cn_16k-common",
    ),
    _bigvgan("config.json"),
    _bigvgan("bigvgan_generator.pt"),
    _release(Part.QWEN, "qwen0.6bemo4-merge/"),
)


def sources_of(parts: Iterable[Part]) -> tuple[Source, ...]:
    """The sources of some parts, in the table's order."""
    wanted = frozenset(parts)
    return tuple(source for source in SOURCES if source.part in wanted)
