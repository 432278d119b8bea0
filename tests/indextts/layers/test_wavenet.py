from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from indextts.config import WaveNetConfig
from indextts.layers.wavenet import ReflectPad, WaveNet
from tests.indextts.goldens import assert_close


def small(kernel: int = 5, dilation: int = 2) -> WaveNet:
    torch.manual_seed(1)
    return WaveNet(WaveNetConfig(6, 3, kernel, dilation)).requires_grad_(False).eval()


def test_reflect_pad_is_the_librarys_where_the_sequence_is_long_enough() -> None:
    y = torch.randn(1, 3, 9)
    pad = ReflectPad.for_kernel(3, 2)
    assert pad == ReflectPad(left=2, right=2)
    assert torch.equal(pad.whole(y), F.pad(y, (2, 2), mode="reflect"))


def test_short_sequences_are_filled_with_zeros_first() -> None:
    y = torch.tensor([[[1.0, 2.0]]])
    assert ReflectPad(2, 2).whole(y).flatten().tolist() == [0, 2, 1, 2, 0, 2]
    assert ReflectPad(3, 2).whole(y).flatten().tolist() == [0, 0, 2, 1, 2, 0, 0]


@pytest.mark.parametrize("pad", [ReflectPad(2, 2), ReflectPad(4, 4), ReflectPad(3, 2)])
def test_row_edges_pad_each_row_as_alone(pad: ReflectPad) -> None:
    torch.manual_seed(6)
    lengths = [9, 1, 2, 3, 4, 5, 6]
    rows = [torch.randn(1, 3, length) for length in lengths]
    for total in (9, 12):
        batch = torch.cat([F.pad(row, (0, total - row.shape[-1])) for row in rows])
        padded = pad.edges(torch.tensor(lengths)).apply(batch)
        assert padded.shape[-1] == pad.left + total + pad.right
        for index, row in enumerate(rows):
            own = pad.whole(row)
            assert torch.equal(padded[index, :, : own.shape[-1]], own[0])


@pytest.mark.parametrize(("kernel", "dilation"), [(5, 1), (3, 2), (5, 2)])
def test_rows_alone_in_a_batch(kernel: int, dilation: int) -> None:
    net = small(kernel, dilation)
    lengths = torch.tensor([11, 2, 7, 1])
    y, g = torch.randn(4, 6, 11), torch.randn(4, 6)
    batch = net(y, g, net.frames(lengths, 11, rows_alone=True))
    for index, length in enumerate(lengths.tolist()):
        alone = net(
            y[index : index + 1, :, :length],
            g[index : index + 1],
            net.frames(torch.tensor([length]), length),
        )
        assert_close(batch[index, :, :length], alone[0], 1e-5)
        assert batch[index, :, length:].abs().sum() == 0


def test_default_mask_pads_at_the_end_of_the_tensor() -> None:
    net = small()
    y, g = torch.randn(2, 6, 20), torch.randn(1, 6)
    masked = net(y, g, net.frames(torch.tensor([20, 12]), 20))
    assert_close(masked[:1], net(y[:1], g, net.frames(torch.tensor([20]), 20)), 1e-6)
    alone = net(y[1:, :, :12], g, net.frames(torch.tensor([12]), 12))
    assert (masked[1, :, :12] - alone[0]).abs().max() > 1e-3
    assert masked[1, :, 12:].abs().max() == 0
