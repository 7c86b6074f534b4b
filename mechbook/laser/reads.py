"""What a weight matrix of a pretrained model reads: the inputs of the part of the model that holds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from mechbook.pretrained.adapter import Adapter


@contextmanager
def reading(adapter: Adapter, layer: int, matrix: str) -> Iterator[list[Tensor]]:
    """A list that receives, at each use of block `layer`'s `matrix` while the block runs, the input *b d_in."""
    parameter = adapter.matrix(layer, matrix).parameter
    (module,) = [m for m in adapter.model.modules() if any(p is parameter for p in m.parameters(recurse=False))]
    found: list[Tensor] = []

    def keep(_: Any, inputs: tuple[Tensor, ...]) -> None:
        found.append(inputs[0].detach())

    handle = module.register_forward_pre_hook(keep)
    try:
        yield found
    finally:
        handle.remove()
