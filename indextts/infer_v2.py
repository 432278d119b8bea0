"""The engine: a model directory in, speech out.

    from indextts.infer_v2 import IndexTTS2

    engine = IndexTTS2("models/IndexTTS")
    engine.infer("voice.wav", "Hello there.", "hello.wav")

An engine holds weights and a cache, nothing of a request: threads may share it.
"""

from __future__ import annotations

import logging
from pathlib import Path

from indextts.facts import ModelFacts
from indextts.layers.reduced import Reduced
from indextts.lines import Line, LineOptions, Lines, LoadNetworks
from indextts.model_files import find_model_dir
from indextts.original_call import OriginalCall
from indextts.quality import FastClass, check_quality
from indextts.request import Control, Synthesis, SynthesisRequest
from indextts.sampling import SamplingOptions
from indextts.scheduler import Scheduler
from indextts.stages.device import (
    MaxBatch,
    choose_device,
    choose_precision,
    choose_weights,
    cuda_problem,
    precision_name,
    set_cuda_arithmetic,
)
from indextts.stages.networks import Networks, load_networks, reduced_copy
from indextts.stages.synthesis import SynthesisRun
from indextts.stages.text import check_normalization
from indextts.stream import Speaking, SpeechStream, collect
from indextts.utils.lru import CacheStats
from indextts.warm_up import speak_once
from indextts.work_stats import WorkStats

log = logging.getLogger(__name__)

DEFAULT_CACHE_BYTES = 256 * 1024 * 1024


class IndexTTS2(OriginalCall):
    """Zero-shot text-to-speech.

    Args:
        model_dir: folder with ``config.yaml`` and the weights, or the folder around it; "auto" is
            ``models/IndexTTS``, or the demonstration model ``models/demo`` while there is nothing
            in it: see :func:`indextts.model_files.find_model_dir`.
        device: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:1", ...
        precision: of the GPT's block stack: "auto" (fp16 on CUDA, fp32 on the CPU), "fp32",
            "fp16", "bf16".  Everything else runs in float32.
        encoders_device: where clips are read, for which more than half of the weights are: "same"
            as `device`, "cpu", or "auto": the CPU where a GPU has little memory.
        deepspeed: "auto" or "off".
        verbalizer: who reads numbers and signs in the reference's way: "wetext",
            "wetextprocessing", or "none" for texts that are all words.
        normalization: how texts are read where a request does not say: "natural" as a person
            reads them, "reference" as the original does, "off" for texts that are spoken already.
        cache_bytes: bound on what is remembered of reference clips.
        cuda_graphs: "auto" records the steps of decoder and flow on CUDA and replays them; "off"
            never.
        tf32: multiply matrices of float32 in TF32 on CUDA; faster, less exact, and for the whole
            process.
        warm_up: speak a little at load, so that the first request does not pay for what is made
            ready once.
        max_batch: segments that share the model's steps at most, of one text or of many: "auto",
            as the device's memory allows, or a number.  1 makes results repeat byte for byte,
            whatever else is spoken, and is needed for DeepSpeed.
        quality: class of the requests that do not say: "exact" or "fast".  The other one is made
            ready when a request first asks for it.
        fast: what the class "fast" saves.

    Attributes:
        device_notice: why "auto" is the CPU although there seems to be a GPU; mostly empty.

    Raises:
        ModelFileError: a file is missing, damaged or of another model.
        ConfigError: ``config.yaml`` or an argument is not supported.
    """

    def __init__(
        self,
        model_dir: str | Path = "auto",
        device: str = "auto",
        precision: str = "auto",
        deepspeed: str = "auto",
        *,
        encoders_device: str = "auto",
        verbalizer: str = "wetext",
        normalization: str = "natural",
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        cuda_graphs: str = "auto",
        tf32: bool = False,
        warm_up: bool = True,
        max_batch: MaxBatch = "auto",
        quality: str = "exact",
        fast: FastClass | None = None,
    ) -> None:
        self.model_dir = find_model_dir(model_dir)
        self._device = choose_device(device)
        self.device_notice = cuda_problem() if device == "auto" else ""
        if self.device_notice:
            log.warning("%s; the CPU is in use", self.device_notice)
        if self._device.type == "cuda":
            set_cuda_arithmetic(tf32=tf32)
        self.precision = choose_precision(precision, self._device)
        self.normalization = check_normalization(normalization)

        def load(weights: Reduced | None, beside: Networks | None) -> Networks:
            return load_networks(
                self.model_dir,
                self._device,
                self.precision,
                verbalizer,
                self.normalization,
                weights,
                beside,
                encoders_device,
            )

        options = LineOptions(deepspeed, cuda_graphs, cache_bytes, max_batch)
        self._open_lines(load, quality, fast, options)
        if warm_up:
            speak_once(self._line, self.sample_rate)

    @classmethod
    def from_networks(
        cls,
        networks: Networks,
        deepspeed: str = "auto",
        *,
        cuda_graphs: str = "auto",
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        max_batch: MaxBatch = "auto",
        quality: str = "exact",
        fast: FastClass | None = None,
    ) -> IndexTTS2:
        """An engine of networks that were not read from a directory; for tests and benchmarks.

        Args:
            networks: all on one device, the GPT in one of the precisions.
            deepspeed, cuda_graphs, cache_bytes, max_batch, quality, fast: as above.
        """
        engine = cls.__new__(cls)
        engine.model_dir = Path("networks")
        engine.device_notice = ""
        engine._device = networks.gpt.device
        engine.precision = precision_name(networks.gpt.dtype)
        options = LineOptions(deepspeed, cuda_graphs, cache_bytes, max_batch)

        def load(weights: Reduced | None, _: Networks | None) -> Networks:
            return networks if weights is None else reduced_copy(networks, weights)

        engine._open_lines(load, quality, fast, options)
        return engine

    def _open_lines(
        self, load: LoadNetworks, quality: str, fast: FastClass | None, options: LineOptions
    ) -> None:
        self.quality, self.fast = check_quality(quality), fast or FastClass()
        weights = choose_weights(self.fast.weights, self._device)
        self._lines = Lines(load, self.quality, self.fast, weights, options)

    @property
    def _line(self) -> Line:
        """Of the requests that do not say."""
        return self._lines.default

    @property
    def networks(self) -> Networks:
        """The stages' networks, for those who measure or compare them one by one."""
        return self._line.networks

    @property
    def facts(self) -> ModelFacts:
        """What is loaded, for people: see :class:`indextts.facts.ModelFacts`."""
        return ModelFacts(
            device=self.device,
            encoders_device=str(self.networks.reference.features.device),
            precision=self.precision,
            deepspeed_enabled=self.deepspeed_enabled,
            cuda_graphs=self.cuda_graphs,
            flow_graphs=self._line.flows.recorded,
            max_batch=self.max_batch,
            device_notice=self.device_notice or None,
            model_name=self.model_name,
            model_version=self.model_version,
            model_notice=self.model_notice or None,
            sample_rate=self.sample_rate,
            emotion_text=self.supports_emotion_text,
            quality=self.quality,
            fast_class=self.fast_class,
        )

    @property
    def fast_class(self) -> str:
        """What the class "fast" saves, in a few words."""
        config = self.networks.config
        return self.fast.sentence(
            str(self._lines.weights), config.s2mel.diffusion_steps, config.sampling
        )

    @property
    def device(self) -> str:
        """Where the weights are: "cpu", "cuda:0", ..."""
        return str(self._device)

    @property
    def deepspeed_enabled(self) -> bool:
        """Whether DeepSpeed's kernels draw the codes; turns False for good when they fail."""
        return self._line.decoder.deepspeed_enabled

    @property
    def cuda_graphs(self) -> bool:
        """Whether decoding steps are recorded on CUDA; turns False for good when that fails."""
        return self._line.decoder.cuda_graphs

    @property
    def max_batch(self) -> int:
        """Segments that share the model's steps at most."""
        return self._line.scheduler.policy.slots

    @property
    def sample_rate(self) -> int:
        """Of all output, in Hz."""
        return self.networks.config.s2mel.preprocess_params.sr

    @property
    def model_name(self) -> str:
        return self.model_dir.resolve().name

    @property
    def model_version(self) -> str:
        return str(self.networks.config.version)

    @property
    def model_notice(self) -> str:
        """What people should know about the checkpoint, in a sentence or two; mostly empty."""
        return self.networks.config.notice

    @property
    def default_sampling(self) -> SamplingOptions:
        """How codes are drawn where a request does not say."""
        return self.networks.config.sampling

    @property
    def supports_emotion_text(self) -> bool:
        """Whether the model directory has the Qwen emotion model."""
        return self.networks.emotion_reader.available

    def cache_stats(self) -> CacheStats:
        """Hits, misses, entries and bytes of the cache of reference clips."""
        return self._lines.cache_stats()

    def release_memory(self) -> None:
        """Forget all reference clips, for instance when the device has run out of memory."""
        self._lines.forget_clips()

    def synthesize(self, request: SynthesisRequest, control: Control | None = None) -> Synthesis:
        """Speak a text.

        Raises:
            TextError, AudioError, EmotionTextUnavailableError: the request cannot be met.
            GenerationError: the model made nothing usable, or NaN.
            QualityUnavailableError: the request's class could not be made ready.
            CancelledError, DeadlineExceededError: `control` said so.
        """
        return collect(self.stream(request, control))

    def stream(self, request: SynthesisRequest, control: Control | None = None) -> SpeechStream:
        """The same, segment by segment as they are ready; closing the stream ends the work.

        With ``quick_streaming_tokens`` the first segment is short and comes soon:

            with engine.stream(SynthesisRequest(text, voice, quick_streaming_tokens=24)) as stream:
                for segment in stream:
                    play(segment.with_pause(), segment.sample_rate)
        """
        return SpeechStream(*self._run(request, control), self.sample_rate)

    def submit(self, request: SynthesisRequest, control: Control | None = None) -> Speaking:
        """The same beside others, for a caller who drives the engine with :meth:`tick`.

        What goes wrong is told by the result, not raised.
        """
        return Speaking(*self._run(request, control), self.sample_rate)

    def tick(self) -> bool:
        """One round of work for everything that was submitted; False where there was nothing to do,
        so what every round has made can be taken behind it.
        """
        return self._lines.work()

    def stats(self) -> WorkStats:
        """What is being worked on, and what has been done since the start."""
        return self._lines.stats()

    def _run(
        self, request: SynthesisRequest, control: Control | None
    ) -> tuple[Scheduler, SynthesisRun]:
        """A request's state and who works on it; where its line is not to be had, the state tells
        why."""
        quality = request.quality or self.quality
        failure: Exception | None = None
        try:
            line = self._lines.get(quality)
        except Exception as error:
            line, failure = self._line, error
        run = line.run(request, control or Control())
        run.quality, run.error = quality, failure
        return line.scheduler, run
