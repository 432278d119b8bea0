"""From made-up speech to a model directory that the engine speaks with."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from indextts.infer_v2 import IndexTTS2
from indextts.request import ReferenceAudio, SynthesisRequest
from indextts.utils.audio_file import read_audio
from indextts.utils.checkpoint import read_safetensors
from tests.indextts.tiny_model import SAMPLE_RATE, voice
from tests.training.tiny_run import STEPS, make_run, open_tiny, tiny_recipe
from training.data.corpus import MAX_JOINED, Corpus, load_cache, speech_batch
from training.data.features import load_items, make_features
from training.data.pack import pack, unpack
from training.evaluation.synthesis import resynthesize
from training.loop import chooser
from training.steps.codec import all_codes
from training.steps.common import Setting, all_items, load_encoder, semantic_features
from training.steps.emotion import EmotionGain
from training.steps.export import export_model
from training.steps.gpt import load_gpt
from training.steps.vocoder import VocoderTask
from training.workspace import Workspace, read_rows


def test_exported_parts_speak_in_the_engine(trained_run: Workspace) -> None:
    recipe = tiny_recipe()
    size = export_model(trained_run, recipe, trained_run.model)
    assert size == sum(p.stat().st_size for p in trained_run.model.rglob("*") if p.is_file())
    engine = IndexTTS2(trained_run.model, device="cpu")
    clip = ReferenceAudio(voice(1), SAMPLE_RATE)
    for text in ("One two tea.", "你好，一个银行。"):
        result = engine.synthesize(
            SynthesisRequest(text, clip, seed=3, emo_vector=(0.5,) + (0.0,) * 7)
        )
        assert result.audio_seconds > 0
        assert not [w for w in result.warnings if "does not know" in w]
    head = read_safetensors(trained_run.model / "gpt.safetensors")["mel_head.bias"]
    assert int(head.argmin()) == recipe.sizes.model.gpt.start_mel_token
    card = (trained_run.model / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "has not been scored" in card
    assert f"gpt {STEPS}" in card


def test_the_engine_hears_what_the_trainings_heard(
    trained_run: Workspace, setting: Setting
) -> None:
    """Features in batches, in half precision, against the engine's own path from the file."""
    export_model(trained_run, setting.recipe, trained_run.model)
    engine = IndexTTS2(trained_run.model, device="cpu")
    item = setting.train.items[0]
    heard = engine._line.reference.voice(read_audio(trained_run.audio(item.name)))
    style = load_cache(trained_run, "styles", "style")[item.name]
    torch.testing.assert_close(heard.style[0], style, atol=0.05, rtol=0.05)
    torch.testing.assert_close(heard.prompt.mel[0], item.mel.float(), atol=0.02, rtol=0.01)


def test_hidden_states_of_a_batch_are_those_of_each_alone(setting: Setting) -> None:
    encoder = load_encoder(setting)
    items = setting.train.items[:3]
    hidden = load_cache(setting.work, "hidden", "encoder")
    with torch.inference_mode():
        for item in items:
            batch = speech_batch([item], setting.device)
            alone = encoder(batch.features, batch.mask)[0]
            torch.testing.assert_close(hidden[item.name].float(), alone, atol=5e-3, rtol=1e-2)
    stacked = torch.cat([semantic_features(setting)[i.name] for i in setting.train.items])
    assert float(stacked.mean().abs()) < 0.1
    assert 0.5 < float(stacked.std()) < 1.5


def test_codes_and_latents_fit_each_other(setting: Setting) -> None:
    codes = all_codes(setting)
    latents = load_cache(setting.work, "latents", "gpt")
    config = setting.recipe.sizes.model.gpt
    for item in all_items(setting):
        assert len(codes[item.name]) == len(item.speech) == len(latents[item.name])
        assert int(codes[item.name].min()) >= 0
        assert int(codes[item.name].max()) < config.start_mel_token
        assert latents[item.name].shape[1] == config.model_dim


def test_emotions_have_a_row_for_each_example(setting: Setting) -> None:
    content = load_cache(setting.work, "emotions", "emotion")
    model = setting.recipe.sizes.model
    assert content["styles"].shape == (sum(model.emo_num), model.s2mel.style_encoder.dim)
    assert content["vectors"].shape == (sum(model.emo_num), model.gpt.model_dim)


def test_an_export_can_move_emotions_further(setting: Setting) -> None:
    usual = load_cache(setting.work, "emotions", "emotion")["usual"]
    _, conditioner = load_gpt(setting)
    clip = torch.randn(1, 40, setting.recipe.sizes.w2v_bert.hidden_size)
    with torch.inference_mode():
        before = conditioner.emotion(clip)[0]
        gain = EmotionGain(1.5, usual)
        conditioner.load_state_dict(gain.conditioner(conditioner.state_dict()))
        after = conditioner.emotion(clip)[0]
    torch.testing.assert_close(after - usual, 1.5 * (before - usual), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gain.vectors(before), after, rtol=1e-4, atol=1e-5)


def test_an_export_can_speak_slower_than_its_teacher(setting: Setting, tmp_path: Path) -> None:
    clip = ReferenceAudio(voice(1), SAMPLE_RATE)
    seconds = {}
    for pace in (1.0, 0.8):
        export_model(setting.work, replace(setting.recipe, pace=pace), tmp_path / str(pace))
        engine = IndexTTS2(tmp_path / str(pace), device="cpu")
        request = SynthesisRequest("One two tea.", clip, seed=3)
        seconds[pace] = engine.synthesize(request).audio_seconds
    assert seconds[0.8] == pytest.approx(seconds[1.0] / 0.8, rel=0.02)


def test_resynthesis_writes_sound_and_a_list_for_the_scorer(setting: Setting) -> None:
    listing = resynthesize(setting, 1)
    rows = list(read_rows(listing))
    assert {row["language"] for row in rows} == {"en", "zh"}
    for row in rows:
        assert read_audio(listing.parent / row["audio"]).seconds > 0.5


def test_features_are_made_once(fresh_run: Workspace) -> None:
    preprocess = tiny_recipe().sizes.model.s2mel.preprocess_params
    paths = sorted(fresh_run.cache("x").parent.iterdir())
    before = [p.stat().st_mtime_ns for p in paths]
    assert make_features(fresh_run, preprocess) == 18
    assert sorted(fresh_run.cache("x").parent.iterdir()) == paths
    assert [p.stat().st_mtime_ns for p in paths] == before


def test_another_clip_is_of_the_voice_or_of_the_manner(setting: Setting) -> None:
    corpus: Corpus = setting.train
    choose = chooser(0)
    for item in corpus.items:
        assert corpus.same_voice(item, choose).row.voice == item.row.voice
        assert corpus.same_manner(item, choose).row.manner == item.row.manner
        clip = corpus.clip(item, 3 * len(item.speech) - 9, choose)
        assert clip[0] is item
        assert 2 < len(clip) <= MAX_JOINED
        assert {(i.row.voice, i.row.manner) for i in clip} == {(item.row.voice, item.row.manner)}
    batch = corpus.batch(choose, 4)
    assert len({item.name for item in batch}) == 4
    with pytest.raises(ValueError, match="unseen"):
        Corpus(corpus.items, "unseen")


def test_a_manner_that_the_voice_has_not_spoken_in_comes_from_another_voice(
    setting: Setting,
) -> None:
    plain = [i for i in setting.train.items if i.row.voice != "af_one" or i.row.manner == "plain"]
    corpus = Corpus(plain)
    fast = next(i for i in setting.train.items if i.row.manner == "fast")
    silent = replace(fast, row=replace(fast.row, voice="af_one"))
    choose = chooser(0)
    for _ in range(20):
        found = corpus.same_manner(silent, choose)
        assert found in plain
        assert found.row.manner == "fast"


def test_a_packed_run_goes_on_elsewhere(fresh_run: Workspace, tmp_path: Path) -> None:
    archive = tmp_path / "run.tar"
    assert pack(fresh_run, archive, 60) == archive.stat().st_size
    moved = Workspace(tmp_path / "moved")
    unpack(moved, archive)
    make_features(moved, tiny_recipe().sizes.model.s2mel.preprocess_params)
    ours, theirs = open_tiny(moved).train.items, open_tiny(fresh_run).train.items
    assert [i.name for i in ours] == [i.name for i in theirs]
    assert all(torch.equal(a.mel, b.mel) for a, b in zip(ours, theirs, strict=True))
    # Some sound is left out, nothing else ever is.
    limit = archive.stat().st_size / 2**20 - 0.01
    assert pack(fresh_run, archive, limit) <= limit * 2**20
    with pytest.raises(ValueError, match="too large without any sound"):
        pack(fresh_run, archive, 0.1)


def test_a_missing_step_says_so(fresh_run: Workspace, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run the step"):
        export_model(fresh_run, tiny_recipe(), tmp_path)
    with pytest.raises(FileNotFoundError, match="emotion"):
        load_cache(fresh_run, "emotions", "emotion")
    empty = Workspace(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="texts"):
        pack(empty, tmp_path / "x.tar", 1)


def test_a_cut_off_line_of_the_list_is_passed_over(tmp_path: Path) -> None:
    work = make_run(tmp_path / "run")
    with work.speech.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"name": "x"})[:-3])
    from indextts.stages.text.tokenizer import Tokenizer
    from training.vocabulary import vocabulary_file

    assert len(load_items(work, Tokenizer(vocabulary_file(work)))) == 18


def test_the_vocoder_hears_what_the_acoustic_model_makes(setting: Setting) -> None:
    guesses = load_cache(setting.work, "mels", "s2mel")
    items = setting.train.items
    assert guesses.keys() == {item.name for item in items}
    for item in items:
        assert guesses[item.name].shape[0] == item.mel.shape[0]
        assert abs(guesses[item.name].shape[1] - item.mel.shape[1]) <= 4
        assert guesses[item.name].isfinite().all()
    task = VocoderTask(setting)
    starts = [1] * 4
    true = torch.zeros(4, items[0].mel.shape[0], setting.recipe.vocoder_frames)
    heard = task._heard(items[:4], starts, true, _Always(0.0))
    for row, item in zip(heard, items[:4], strict=True):
        torch.testing.assert_close(row, guesses[item.name][:, 1 : 1 + row.shape[1]].float())
    assert torch.equal(task._heard(items[:4], starts, true, _Always(0.99)), true)


class _Always(random.Random):
    """Draws one number for ever."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self._value = value

    def random(self) -> float:
        return self._value
