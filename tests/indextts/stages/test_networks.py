from __future__ import annotations

import pytest
import torch

from indextts.errors import ConfigError
from indextts.stages.networks import choose_device


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "cuda:99"])
def test_a_device_that_is_not_there_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match=f"'{name}' is not there; torch finds 0 CUDA devices"):
        choose_device(name)


def test_devices_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    names = ("auto", "cpu", "cuda", "cuda:1")
    assert [str(choose_device(name)) for name in names] == ["cpu", "cpu", "cuda:0", "cuda:1"]
    with pytest.raises(ConfigError, match="'gpu' is no device"):
        choose_device("gpu")
