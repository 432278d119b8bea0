"""Networks with random weights, made in memory: nothing is carried, nothing is written."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from benchmarks.gpu_check.shapes import Shapes
from indextts.config import GPTConfig
from indextts.layers.bigvgan import BigVGAN
from indextts.layers.campplus import CAMPPlus
from indextts.layers.rep_codec import RepCodec
from indextts.layers.w2v_bert import W2VBertEncoder
from indextts.request import Normalization
from indextts.stages.acoustic import AcousticModel
from indextts.stages.conditioning import ReferenceConditioner
from indextts.stages.device import PRECISIONS
from indextts.stages.emotion import EmotionMatrix
from indextts.stages.emotion_text import EmotionReader
from indextts.stages.networks import Networks
from indextts.stages.reference import ReferenceNetworks
from indextts.stages.semantic_features import SemanticFeatures
from indextts.stages.semantic_gpt import SemanticGPT
from indextts.stages.speaker_style import SpeakerStyle
from indextts.stages.text import BLANK_LINE_MS, FrontEndResult, Segment, TextFrontEnd
from indextts.stages.vocoder import vocoder_on
from indextts.utils.checkpoint import StateDict, load_into

M = TypeVar("M", bound=nn.Module)

NAME = "stand-in weights"
# Far below every other score, also in half precision: random weights would stop anywhere.
NEVER = -1000.0
_WORD = re.compile(r"\w+")


def make_networks(
    shapes: Shapes,
    device: torch.device,
    precision: str,
    seed: int,
    drawn_on: torch.device,
    encoders: torch.device | None = None,
) -> Networks:
    """All networks of a model of these dimensions.

    Args:
        shapes: the dimensions.
        device: where they run.
        precision: of the GPT's block stack.
        seed: of the weights.
        drawn_on: where the numbers are drawn; another kind of device draws others.
        encoders: where clips are read, if that is another device.
    """
    readers = device if encoders is None else encoders

    def make(build: Callable[[], M], number: int, on: torch.device = device) -> M:
        return _loaded(build, seed + number, drawn_on, on)

    config = shapes.model
    gpt, conditioner = make_gpt(shapes, device, precision, seed, drawn_on, readers)
    codec = make(lambda: RepCodec(config.semantic_codec), 2, readers)
    width = config.semantic_codec.hidden_size
    encoder = make(lambda: W2VBertEncoder(shapes.w2v_bert, config.semantic_layer), 3, readers)
    style = config.s2mel.style_encoder
    random = torch.Generator(drawn_on).manual_seed(seed + 4)
    rows = sum(config.emo_num)
    bigvgan = make(lambda: BigVGAN(shapes.bigvgan), 7)
    return Networks(
        config=config,
        text=WordFrontEnd(config.gpt),
        gpt=gpt,
        reference=ReferenceNetworks(
            features=SemanticFeatures(
                encoder,
                torch.zeros(width, device=readers),
                torch.ones(width, device=readers),
                readers,
            ),
            codec=codec,
            style=SpeakerStyle(make(lambda: CAMPPlus(style), 5, readers), style.feat_dim, readers),
            conditioner=conditioner,
            acoustic=make(lambda: AcousticModel(config.s2mel), 6),
            preprocess=config.s2mel.preprocess_params,
        ),
        codec=codec,
        vocoder=vocoder_on(bigvgan, device),
        emotions=EmotionMatrix(
            torch.randn(rows, style.dim, generator=random, device=drawn_on).to(device),
            torch.randn(rows, config.gpt.model_dim, generator=random, device=drawn_on).to(device),
            config.emo_num,
        ),
        emotion_reader=EmotionReader(None, device),
    )


def make_gpt(
    shapes: Shapes,
    device: torch.device,
    precision: str,
    seed: int,
    drawn_on: torch.device,
    readers: torch.device | None = None,
) -> tuple[SemanticGPT, ReferenceConditioner]:
    """The GPT, which never stops by itself, and what reads the clips for it, on `readers` if that
    is given."""
    config = shapes.model.gpt
    with torch.device("meta"):
        gpt, conditioner = SemanticGPT(config), ReferenceConditioner(config)
    state = random_state(gpt, seed, drawn_on)
    state["mel_head.bias"][config.stop_mel_token] = NEVER
    load_into(gpt, state, NAME, dtype=PRECISIONS[precision], device=device)
    load_into(
        conditioner, random_state(conditioner, seed + 1, drawn_on), NAME, device=readers or device
    )
    return gpt, conditioner


def _loaded(build: Callable[[], M], seed: int, drawn_on: torch.device, device: torch.device) -> M:
    with torch.device("meta"):
        module = build()
    load_into(module, random_state(module, seed, drawn_on), NAME, device=device)
    return module


def random_state(module: nn.Module, seed: int, device: torch.device) -> StateDict:
    """Random values for a module on ``meta``, in the scale of trained weights."""
    random = torch.Generator(device).manual_seed(seed)
    state: StateDict = {}
    for key, value in module.state_dict().items():
        if not value.is_meta:
            state[key] = value.to(device)  # computed when the module was made
        elif not value.is_floating_point():
            state[key] = torch.zeros(value.shape, dtype=value.dtype, device=device)
        else:
            state[key] = _scaled(torch.randn(value.shape, generator=random, device=device), key)
    return state


def _scaled(noise: Tensor, key: str) -> Tensor:
    if key == "conv_post.weight":
        # The vocoder's last: its signal stays within [-1, 1], where it can be compared.
        return 0.01 * noise
    if noise.dim() > 1:
        return noise / max(noise[0].numel(), 1) ** 0.5
    if key.endswith(("weight", "gamma", "running_var")):
        return 1 + 0.1 * noise.abs()
    return 0.1 * noise


class WordFrontEnd(TextFrontEnd):
    """A text front end without a vocabulary: a token a word, a segment a line."""

    def __init__(self, config: GPTConfig) -> None:
        self._vocabulary = config.number_text_tokens

    def segments(
        self,
        text: str,
        max_tokens: int = 120,
        quick_tokens: int = 0,
        normalization: Normalization | None = None,
        check: Callable[[], None] = lambda: None,
        *,
        pauses: bool = True,
        blank_line: int = BLANK_LINE_MS,
    ) -> FrontEndResult:
        """See :meth:`TextFrontEnd.segments`."""
        lines = [_WORD.findall(line)[:max_tokens] for line in text.splitlines()]
        segments = tuple(
            Segment(tuple(words), tuple(map(self._number, words)), " ".join(words), " ".join(words))
            for words in lines
            if words
        )
        return FrontEndResult(segments)

    def _number(self, word: str) -> int:
        # 0, 1 and 2 are the model's own.
        return 3 + zlib.crc32(word.encode()) % (self._vocabulary - 3)
