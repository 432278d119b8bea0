from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from indextts.utils.tensor_trees import cloned, copy_tensors, layout, tensors


@dataclass(frozen=True, eq=False)
class Leaf:
    value: Tensor
    width: int = 3


@dataclass(frozen=True, eq=False)
class Tree:
    first: Tensor
    leaves: tuple[Leaf, ...] | None
    named: str = "tree"


def tree(fill: float, width: int = 3, rows: int = 2) -> Tree:
    return Tree(
        torch.full((rows,), fill), (Leaf(torch.full((1, 2), fill), width), Leaf(torch.ones(1)))
    )


def test_a_copy_has_memory_of_its_own_and_takes_values_in() -> None:
    source = tree(1.0)
    copy = cloned(source)
    assert [len(tensors(one)) for one in (source, copy)] == [3, 3]
    copy_tensors(copy, tree(2.0))
    assert [float(one.sum()) for one in tensors(copy)] == [4.0, 4.0, 1.0]
    assert [float(one.sum()) for one in tensors(source)] == [2.0, 2.0, 1.0]
    assert copy.leaves is not None
    assert (copy.leaves[0].width, copy.named) == (3, "tree")


def test_layouts_tell_what_fits() -> None:
    assert layout(tree(1.0)) == layout(tree(2.0))
    assert hash(layout(tree(1.0))) == hash(layout(tree(2.0)))
    others = (tree(1.0, width=4), tree(1.0, rows=3), Tree(torch.ones(2), None))
    assert len({layout(one) for one in (tree(1.0), *others)}) == 4
    with pytest.raises(ValueError, match="zip"):
        copy_tensors(tree(1.0), others[2])


def test_what_is_no_tree_is_refused() -> None:
    for call in (tensors, cloned, layout):
        with pytest.raises(TypeError, match="list"):
            call(Tree(torch.ones(1), [torch.ones(1)]))  # type: ignore[arg-type]
