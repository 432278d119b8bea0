"""A complete model directory of tiny dimensions with random weights, in the official layout.

What it speaks is noise, but every stage runs on it exactly as on the real one.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from indextts.config import (
    DatasetConfig,
    DiTConfig,
    LengthRegulatorConfig,
    ModelConfig,
    PreprocessConfig,
    S2MelConfig,
    SemanticCodecConfig,
    SpectrogramConfig,
    StyleEncoderConfig,
    VocoderConfig,
    WaveNetConfig,
)
from indextts.layers.bigvgan import BigVGAN
from indextts.layers.campplus import CAMPPlus
from indextts.layers.rep_codec import RepCodec
from indextts.layers.w2v_bert import W2VBertEncoder
from indextts.network_configs import BigVGANConfig, W2VBertConfig
from indextts.stages.acoustic import AcousticModel
from indextts.stages.conditioning import ReferenceConditioner
from indextts.stages.semantic_gpt import SemanticGPT
from indextts.utils.skeleton import skeleton
from tests.indextts.small_models import fill_randomly, small_gpt_config

SAMPLE_RATE = 22050
EMO_NUM = (3, 17, 2, 8, 4, 5, 10, 24)
WIDTH = 24  # of the semantic features
SENTENCES = (
    "Hello, this is a small test. Nothing in it needs to make sense!",
    "The quick brown fox jumps over the lazy dog, and then it sleeps?",
    "你好，这是一个小小的测试。今天天气很好，我们一起去公园吧！",
    "一二三四五六七八九十，百千万。欢迎使用语音合成服务。",
)


def tiny_config() -> ModelConfig:
    gpt = replace(small_gpt_config(), codes_base=8, codes_per_text_token=1.0)
    return ModelConfig(
        dataset=DatasetConfig("bpe.model"),
        gpt=gpt,
        semantic_codec=SemanticCodecConfig(gpt.start_mel_token, WIDTH, 4, 16, 32, 1),
        s2mel=S2MelConfig(
            PreprocessConfig(SAMPLE_RATE, SpectrogramConfig(1024, 1024, 256, 80)),
            StyleEncoderConfig(
                16,
                growth_rate=4,
                bn_size=2,
                init_channels=8,
                head_channels=2,
                block_layers=(1, 1, 1),
            ),
            LengthRegulatorConfig(16, WIDTH, (1,)),
            DiTConfig(16, 2, 2, 80, 16, ff_multiple=8),
            WaveNetConfig(16, 2, 3, 1),
            gpt_layer=(gpt.model_dim, 8, 8, WIDTH),
            diffusion_steps=4,
        ),
        vocoder=VocoderConfig("bigvgan", "tiny"),
        gpt_checkpoint="gpt.pth",
        s2mel_checkpoint="s2mel.pth",
        w2v_stat="wav2vec2bert_stats.pt",
        emo_matrix="feat2.pt",
        spk_matrix="feat1.pt",
        emo_num=EMO_NUM,
        semantic_layer=1,
    )


W2V = W2VBertConfig(
    hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
)
BIGVGAN = BigVGANConfig(
    num_mels=80,
    upsample_initial_channel=16,
    upsample_rates=(16, 16),
    upsample_kernel_sizes=(32, 32),
    resblock_kernel_sizes=(3,),
    resblock_dilation_sizes=((1,),),
    use_tanh_at_final=True,
    use_bias_at_final=False,
)


def _weights(module: nn.Module, seed: int) -> dict[str, Tensor]:
    return fill_randomly(module, seed)


def write_tiny_model(folder: Path) -> Path:
    """Write the directory and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = tiny_config()
    plain = json.loads(json.dumps(asdict(config)))
    (folder / "config.yaml").write_text(yaml.safe_dump(plain), encoding="utf-8")
    (folder / "bpe.model").write_bytes(_train_tokenizer(config.gpt.number_text_tokens))
    with skeleton():
        gpt, conditioner = SemanticGPT(config.gpt), ReferenceConditioner(config.gpt)
        acoustic, codec = AcousticModel(config.s2mel), RepCodec(config.semantic_codec)
        style = CAMPPlus(config.s2mel.style_encoder)
        encoder, vocoder = W2VBertEncoder(W2V, W2V.num_hidden_layers), BigVGAN(BIGVGAN)
    gpt_state = _weights(gpt, 1) | _weights(conditioner, 2)
    # Random weights would often stop at once.
    gpt_state["mel_head.bias"][config.gpt.stop_mel_token] = -3.0
    torch.save({"model": gpt_state}, folder / "gpt.pth")
    net: dict[str, dict[str, Tensor]] = {}
    for key, value in _weights(acoustic, 3).items():
        part, rest = key.split(".", 1)
        net.setdefault(part, {})[rest] = value
    torch.save({"net": net, "epoch": 1}, folder / "s2mel.pth")
    random = torch.Generator().manual_seed(4)
    torch.save(torch.randn(sum(EMO_NUM), 16, generator=random), folder / "feat1.pt")
    torch.save(
        torch.randn(sum(EMO_NUM), config.gpt.model_dim, generator=random), folder / "feat2.pt"
    )
    stats = {"mean": torch.zeros(WIDTH), "var": torch.ones(WIDTH)}
    torch.save(stats, folder / "wav2vec2bert_stats.pt")
    cache = folder / "hf_cache"
    for name in ("w2v-bert-2.0", "bigvgan"):
        (cache / name).mkdir(parents=True, exist_ok=True)
    (cache / "w2v-bert-2.0/config.json").write_text(json.dumps(asdict(W2V)))
    (cache / "w2v-bert-2.0/preprocessor_config.json").write_text("{}")
    save_file(_weights(encoder, 5), cache / "w2v-bert-2.0/model.safetensors")
    save_file(_weights(codec, 6), cache / "semantic_codec_model.safetensors")
    torch.save(_weights(style, 7), cache / "campplus_cn_common.bin")
    (cache / "bigvgan/config.json").write_text(json.dumps(asdict(BIGVGAN)))
    generator = {k: v for k, v in _weights(vocoder, 8).items() if "filter" not in k}
    torch.save({"generator": generator}, cache / "bigvgan/bigvgan_generator.pt")
    return folder


def _train_tokenizer(pieces: int) -> bytes:
    import sentencepiece as spm

    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter([line.upper() for line in SENTENCES] * 20),
        model_writer=model,
        vocab_size=pieces,
        model_type="bpe",
        character_coverage=1.0,
        hard_vocab_limit=False,
        bos_id=0,
        eos_id=1,
        unk_id=2,
        minloglevel=2,
    )
    return model.getvalue()


def voice(seed: int, seconds: float = 1.0, rate: int = SAMPLE_RATE) -> NDArray[np.float32]:
    """A buzz with a pitch, a vibrato and some breath of its own: float32 [n]."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    pitch = 90 + 40 * seed + 5 * np.sin(2 * np.pi * 5 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    wave = sum(np.sin(k * phase) / k for k in range(1, 12)) * 0.2
    return (wave + 0.01 * random.standard_normal(len(time))).astype(np.float32)
