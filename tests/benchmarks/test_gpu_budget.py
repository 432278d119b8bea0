"""What the official model takes of a GPU's memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.gpu_check.budget import Budget, budget, markdown, peak_of
from benchmarks.gpu_check.shapes import official_shapes, tiny_shapes
from benchmarks.gpu_check.weights import make_networks

pytestmark = pytest.mark.slow

GB = 10**9
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "gpu.md"


@pytest.fixture(scope="module")
def official() -> Budget:
    return budget(official_shapes())


def test_the_official_model_speaks_within_6_gb(official: Budget) -> None:
    assert official.of_weights(clips_on_cpu=False) < 5.0 * GB
    assert official.total(clips_on_cpu=False) < 6.0 * GB
    assert official.of_weights(clips_on_cpu=True) < 1.9 * GB
    assert official.total(clips_on_cpu=True) < 2.8 * GB


def test_the_documented_table_is_current(official: Budget) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert markdown(official) in text, "run: python -m benchmarks.gpu_check.budget, and paste it"


def test_weights_are_those_of_the_networks() -> None:
    cpu = torch.device("cpu")
    networks = make_networks(tiny_shapes(), cpu, "fp32", 1, cpu)
    reference = networks.reference
    modules = (networks.gpt, reference.acoustic, networks.vocoder.model)
    readers = (
        reference.features.encoder, reference.conditioner, reference.codec, reference.style.encoder,
    )  # fmt: skip
    gpt, *others = (sum(w.nbytes for w in one.parameters()) for one in (*modules, *readers))
    counted = budget(tiny_shapes())
    spoken = counted.of_weights(clips_on_cpu=True)
    # Buffers are counted, too.
    assert gpt / 2 + sum(others[:2]) <= spoken <= 1.1 * (gpt / 2 + sum(others[:2]))
    all_of_it = counted.of_weights(clips_on_cpu=False)
    assert gpt / 2 + sum(others) <= all_of_it <= 1.1 * (gpt / 2 + sum(others))


def test_memory_is_counted_while_it_is_held() -> None:
    weight = torch.empty(10, 100, device="meta")

    def work() -> None:
        first = weight.T + 1  # 4000 bytes; a view of what was there before is none
        second = first * 2
        del first
        second.T.add_(1)
        _ = second - 1

    assert peak_of(work) == 8000
