"""What a loaded model is: one record for logs, ``/health``, the command line and documents."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


def fact(meaning: str, default: Any = None) -> Any:
    """Declare a fact with a sentence for people."""
    return dataclasses.field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True)
class ModelFacts:
    """A snapshot, fit for strangers; without a model every fact has its default.

    The sentence of each field is its documentation: the service shows it in its API description.
    """

    device: str | None = fact("Where the weights are: cpu, cuda:0, ...")
    encoders_device: str | None = fact("Where clips are read.")
    precision: str | None = fact("Number format of the GPT: fp32, fp16 or bf16.")
    deepspeed_enabled: bool = fact("Whether DeepSpeed's kernels draw the codes.", False)
    cuda_graphs: bool = fact("Whether decoding steps are recorded and replayed (CUDA).", False)
    flow_graphs: bool = fact("The same of the steps from noise to mel.", False)
    max_batch: int | None = fact("Segments, of one text or of many, that share the model's steps.")
    device_notice: str | None = fact("Why the CPU is in use although there seems to be a GPU.")
    model_name: str | None = fact("Folder of the checkpoint.")
    model_version: str | None = fact("Version that the checkpoint says it has.")
    model_notice: str | None = fact("What to know about this model before judging its speech.")
    sample_rate: int | None = fact("Of the model's sound, in Hz.")
    emotion_text: bool = fact("Whether emo_text can be used.", False)
    quality: str | None = fact("Class of requests that do not say: exact or fast.")
    fast_class: str | None = fact("What the class fast saves.")
