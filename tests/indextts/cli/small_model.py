"""A complete model directory of a few kilobytes, with zeros for weights."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from indextts.cli.expectations import EXPECTATIONS, WRAPPERS
from indextts.config import ModelConfig, load_model_config
from indextts.utils.file_shapes import BARE_TENSOR

CONFORMER = {"output_size": 8, "linear_units": 16, "attention_heads": 2, "num_blocks": 2}
CONFIG: dict[str, Any] = {
    "dataset": {"bpe_model": "bpe.model"},
    "gpt": {
        "model_dim": 16,
        "layers": 2,
        "heads": 2,
        "max_mel_tokens": 20,
        "max_text_tokens": 10,
        "number_text_tokens": 32,
        "number_mel_codes": 18,
        "start_mel_token": 16,
        "stop_mel_token": 17,
        "semantic_dim": 12,
        "emo_perceiver_dim": 8,
        "condition_num_latent": 4,
        "condition_module": CONFORMER,
        "emo_condition_module": CONFORMER,
    },
    "semantic_codec": {
        "codebook_size": 16,
        "hidden_size": 12,
        "codebook_dim": 4,
        "vocos_dim": 8,
        "vocos_intermediate_dim": 16,
        "vocos_num_layers": 2,
    },
    "s2mel": {
        "preprocess_params": {
            "sr": 22050,
            "spect_params": {"n_fft": 64, "win_length": 64, "hop_length": 16, "n_mels": 8},
        },
        "style_encoder": {"dim": 6, "block_layers": [2, 2, 2]},
        "length_regulator": {"channels": 8, "in_channels": 12, "sampling_ratios": [1, 1]},
        "DiT": {"hidden_dim": 8, "num_heads": 2, "depth": 2, "in_channels": 8, "content_dim": 8},
        "wavenet": {"hidden_dim": 8, "num_layers": 2, "kernel_size": 3, "dilation_rate": 1},
        "gpt_layer": [16, 4, 12],
    },
    "vocoder": {"type": "bigvgan", "name": "nvidia/bigvgan_v2_22khz_80band_256x"},
    "gpt_checkpoint": "gpt.pth",
    "s2mel_checkpoint": "s2mel.pth",
    "w2v_stat": "wav2vec2bert_stats.pt",
    "emo_matrix": "feat2.pt",
    "spk_matrix": "feat1.pt",
    "emo_num": [1, 1, 1, 1, 1, 1, 1, 1],
    "semantic_layer": 1,
}
W2V_BERT = {"hidden_size": 12, "num_attention_heads": 2, "intermediate_size": 24}
BIGVGAN = {
    "num_mels": 8,
    "upsample_initial_channel": 16,
    "upsample_rates": [2, 2],
    "upsample_kernel_sizes": [4, 4],
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 3, 5]],
}
# Field of ModelFiles -> where the official layout has it.
PLACES = {
    "gpt": "gpt.pth",
    "s2mel": "s2mel.pth",
    "w2v_stat": "wav2vec2bert_stats.pt",
    "emo_matrix": "feat2.pt",
    "spk_matrix": "feat1.pt",
    "w2v_bert": "hf_cache/w2v-bert-2.0/model.safetensors",
    "semantic_codec": "hf_cache/semantic_codec_model.safetensors",
    "campplus": "hf_cache/campplus_cn_common.bin",
    "bigvgan": "hf_cache/bigvgan/bigvgan_generator.pt",
}


def write_config(folder: Path, **changes: object) -> ModelConfig:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG | changes), encoding="utf-8")
    return load_model_config(path)


def write_model(folder: Path) -> ModelConfig:
    """The official layout, without Qwen."""
    config = write_config(folder)
    write_json(folder / "hf_cache/w2v-bert-2.0/config.json", W2V_BERT)
    write_json(folder / "hf_cache/w2v-bert-2.0/preprocessor_config.json", {})
    write_json(folder / "hf_cache/bigvgan/config.json", BIGVGAN)
    for name, place in PLACES.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        state = zeros_for(name, config, path)
        if path.suffix == ".safetensors":
            save_file(state, path)
        elif BARE_TENSOR in state:
            torch.save(state[BARE_TENSOR], path)
        else:
            content: object = state
            for key in reversed(WRAPPERS.get(name, ())[:1]):
                content = {key: content}
            torch.save(content, path)
    write_vocabulary(folder / "bpe.model", config.gpt.number_text_tokens)
    return config


def zeros_for(name: str, config: ModelConfig, path: Path) -> dict[str, Tensor]:
    shapes = EXPECTATIONS[name](config, (path.parent / "config.json", path))
    return {key: torch.zeros(shape) for key, shape in shapes.items()}


def write_vocabulary(path: Path, size: int) -> None:
    model = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the quick brown fox jumps over the lazy dog"] * 20),
        model_writer=model,
        vocab_size=size,
        model_type="bpe",
        minloglevel=2,
    )
    path.write_bytes(model.getvalue())


def write_qwen(folder: Path) -> None:
    """A stand-in for the optional emotion model."""
    write_json(folder / "config.json", {"vocab_size": 10, "hidden_size": 4})
    write_json(folder / "tokenizer.json", {})
    save_file({"model.embed_tokens.weight": torch.zeros(10, 4)}, folder / "model.safetensors")


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
