from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from indextts.layers import kv_cache
from indextts.layers.gpt2 import GPT2
from indextts.layers.kv_cache import ALIGNMENT, KVCache, PrefixCache
from tests.indextts.small_models import fill_randomly

LENGTHS = torch.tensor([5, 3])


def model() -> GPT2:
    made = GPT2(16, 2, 3).requires_grad_(False).eval()
    made.load_state_dict(fill_randomly(made))
    return made


def read(gpt: GPT2, prefix: Tensor, rows: Tensor, cache: KVCache) -> Tensor:
    """Step through rows [R, n, D] -> [R, n, D]."""
    steps = [gpt.step(rows[:, i], cache, torch.tensor(i)) for i in range(rows.shape[1])]
    return torch.stack(steps, dim=1)


@pytest.mark.parametrize("windows", [(16,), (8, 16)])
def test_steps_are_the_causal_pass(windows: tuple[int, ...]) -> None:
    """Two sequences of different prefixes, two beams each, also where the cache grows."""
    gpt, beams = model(), 2
    torch.manual_seed(1)
    prefix, rows = torch.randn(2, 5, 16), torch.randn(4, 11, 16)
    cache = KVCache.open(gpt.prefill(prefix, LENGTHS), beams, windows[0])
    out = []
    for i in range(rows.shape[1]):
        if i == cache.window:
            cache.grow(cache.starts[0] + windows[1])
        out.append(gpt.step(rows[:, i], cache, torch.tensor(i)))
    for row in range(4):
        own = prefix[row // beams, : LENGTHS[row // beams]]
        whole = gpt(torch.cat((own, rows[row]))[None])[0, len(own) :]
        torch.testing.assert_close(torch.stack(out)[:, row], whole, atol=1e-5, rtol=1e-5)
    assert cache.bias.shape[-1] % ALIGNMENT == 0
    assert all(start % ALIGNMENT == 0 for start in cache.starts)


@pytest.mark.parametrize("at_once", [1, 2**20])
def test_rows_continue_what_their_parents_have_read(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kv_cache, "_MOVED_AT_ONCE", at_once)
    gpt, parents = model(), torch.tensor([1, 1, 3, 2])
    torch.manual_seed(1)
    prefix, rows = torch.randn(2, 5, 16), torch.randn(4, 4, 16)
    moved, straight = (KVCache.open(gpt.prefill(prefix, LENGTHS), 2, 8) for _ in range(2))
    read(gpt, prefix, rows[:, :3], moved)
    moved.reorder(parents, moved.starts[0], moved.starts[0] + 3)
    read(gpt, prefix, rows[parents, :3], straight)
    last = [gpt.step(rows[:, 3], cache, torch.tensor(3)) for cache in (moved, straight)]
    torch.testing.assert_close(last[0], last[1])


def test_what_is_not_there_yet_is_masked() -> None:
    cache = KVCache.open(model().prefill(torch.randn(2, 5, 16), LENGTHS), 1, 8)
    model().step(torch.randn(2, 16), cache, torch.tensor(0))
    real = (cache.bias == 0).flatten(1)
    assert real.sum(1).tolist() == [6, 4]
    assert (cache.bias[~real[:, None, None]] == -math.inf).all()
    assert cache.window == 8
    cache.grow(4)
    assert cache.window == 8


def test_rows_come_and_go_at_any_step() -> None:
    """Each row reads what it reads alone, whoever is beside it, was there before or comes later."""
    gpt = model()
    torch.manual_seed(2)
    prefixes = [torch.randn(1, length, 16) for length in (3, 17, 9, 5)]
    rows = torch.randn(4, 12, 16)

    def read_prefix(index: int) -> PrefixCache:
        return gpt.prefill(prefixes[index], torch.tensor([prefixes[index].shape[1]]))

    def alone(index: int) -> Tensor:
        return read(
            gpt, prefixes[index], rows[index : index + 1], KVCache.open(read_prefix(index), 1, 16)
        )[0]

    cache = KVCache.open(read_prefix(0), 1, 16)
    inside, at = [0], [0] * 4
    out: dict[int, list[Tensor]] = {index: [] for index in range(4)}

    def step() -> None:
        inputs = torch.stack([rows[index, at[index]] for index in inside])
        positions = torch.tensor([at[index] for index in inside])
        for index, hidden in zip(inside, gpt.step(inputs, cache, positions), strict=True):
            out[index].append(hidden)
            at[index] += 1

    def join(index: int) -> None:
        cache.join(read_prefix(index), 1, 16)
        inside.append(index)

    def leave(index: int) -> None:
        staying = [place for place, one in enumerate(inside) if one != index]
        inside.remove(index)
        cache.keep(staying, max(cache.starts[place] for place in staying) + 16)

    step()
    join(1)
    step()
    join(2)
    step()
    # What a broken row leaves behind must not reach who comes into its place.
    cache.entries[:, :, 1] = math.nan
    leave(1)
    step()
    join(3)
    leave(0)
    while min(at[index] for index in inside) < 8:
        step()
    for index in (0, 2, 3):
        made = torch.stack(out[index])
        torch.testing.assert_close(made, alone(index)[: len(made)], atol=1e-5, rtol=1e-5)
    assert cache.rows == 2
    cache.keep([], 0)
    assert (cache.rows, cache.positions) == (0, 0)
    cache.join(read_prefix(1), 2, 16)
    assert cache.entries[:, :, :, :, 17:].abs().max() == 0
    assert (cache.bias[..., 17:] == -math.inf).all()


def test_memory_is_kept_for_those_who_come_later() -> None:
    gpt = model()
    cache = KVCache.open(gpt.prefill(torch.randn(2, 5, 16), LENGTHS), 2, 8)
    before = cache.allocations, cache.nbytes
    cache.keep([0], 16)
    cache.join(gpt.prefill(torch.randn(1, 5, 16), LENGTHS[:1]), 3, 8)
    assert (cache.allocations, cache.nbytes) == before
    cache.grow(40)
    assert cache.allocations == before[0] + 1


@torch.inference_mode()
def test_no_tensor_moves_unless_it_is_told() -> None:
    """Recorded steps go on reading where it was."""
    gpt = model()

    def prefix(length: int) -> PrefixCache:
        return gpt.prefill(torch.randn(1, length, gpt.dim), torch.tensor([length]))

    cache = KVCache.open(prefix(5), 2, 8)
    cache.grow(64)
    assert cache.start.tolist() == [8, 8]
    allocations = cache.allocations
    places = [tensor.data_ptr() for tensor in (cache.entries, cache.bias, cache.start)]
    cache.keep([], 0)
    cache.join(prefix(13), 2, 8)
    assert cache.start.tolist() == [16, 16]
    assert cache.allocations == allocations
    assert [t.data_ptr() for t in (cache.entries, cache.bias, cache.start)] == places
