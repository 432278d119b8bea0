"""Tables whose rows share what they have in common.

"-AO3" has the sound of "-AO1" and the tone of "-I3"; a code has its sound, third and step of melody
in common with many others.  With a row of its own for each, a few thousand sentences say too little
of the rare ones.  While training, a row is therefore its own vector plus one for each of its
properties; the export adds them up, and the model has plain tables.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from training.data.units import Units, sound_name

# Keys of torch's parametrization of a weight, in place of "weight".
OWN, SHARED = "parametrizations.weight.original", "parametrizations.weight.0.shared"


class SharedRows(nn.Module):
    """Row + sum of the vectors of its properties.

    Args:
        properties: float32 [rows, P], one where a row has a property.
        width: of the rows.
        scale: standard deviation of the first values.
    """

    def __init__(self, properties: Tensor, width: int, scale: float) -> None:
        super().__init__()
        self.properties: Tensor
        self.register_buffer("properties", properties, persistent=False)
        self.shared = nn.Parameter(torch.randn(properties.shape[1], width) * scale)

    def forward(self, own: Tensor) -> Tensor:
        return own + self.properties @ self.shared


def share_rows(module: nn.Module, properties: Tensor, scale: float) -> None:
    """Let the rows of ``module.weight`` share vectors."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    parametrize.register_parametrization(
        module, "weight", SharedRows(properties.to(weight.device), weight.shape[1], scale)
    )


def plain_tables(state: dict[str, Tensor], properties: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with the rows of the named modules added up.

    Args:
        state: of a module whose children `properties` names share rows.
        properties: of each of them.
    """
    found = dict(state)
    for name, table in properties.items():
        own = found.pop(f"{name}.{OWN}")
        shared = found.pop(f"{name}.{SHARED}")
        found[f"{name}.weight"] = own + table.to(shared.device) @ shared
    return found


def shared_tables(state: dict[str, Tensor], properties: dict[str, Tensor]) -> dict[str, Tensor]:
    """The other way: plain rows become the rows' own, and nothing is shared yet."""
    found = dict(state)
    for name, table in properties.items():
        own = found.pop(f"{name}.weight")
        found[f"{name}.{OWN}"] = own
        found[f"{name}.{SHARED}"] = own.new_zeros(table.shape[1], own.shape[1])
    return found


def symbol_properties(symbols: Sequence[str], rows: int) -> Tensor:
    """Sound, and tone or stress with its language, of the symbol of each row: [rows, P].

    Args:
        symbols: of the first rows; empty where a row is no symbol.
        rows: of the table.
    """
    names = [_symbol_names(symbol) for symbol in symbols]
    order = sorted({name for row in names for name in row})
    table = torch.zeros(rows, len(order))
    for row, own in enumerate(names):
        for name in own:
            table[row, order.index(name)] = 1.0
    return table


def _symbol_names(symbol: str) -> tuple[str, ...]:
    if not symbol:
        return ()
    sound = sound_name(symbol)
    if not symbol[-1].isdigit():
        return (sound,)
    return sound, f"{'tone' if symbol.startswith('-') else 'stress'} {symbol[-1]}"


def code_properties(units: Units, rows: int) -> Tensor:
    """The three parts of each code, [rows, sum of widths]; rows behind the codes share nothing."""
    entries = units.entries()
    table = torch.zeros(rows, entries.shape[1])
    table[: len(entries)] = entries
    return table
