"""What widget 3c hands to Python, and takes from it, where a kernel runs: all matrices of the model."""

import math
from typing import Any

import numpy as np
import torch
import traitlets

from mechbook.core.presets import whole
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer
from mechbook.widgets.base import BookWidget

# The order in which they travel, as float32 and row by row.
NAMES = ("W_E", "P", "W_U", "W_K1", "W_V1", "W_O1", "W_K2", "W_V2", "W_O2")


def _bytes(value: Any, _: object) -> bytes:
    """What has come from a page, where buffers arrive as memory that a trait of bytes does not take."""
    return bytes(value)


def _count(N: int, T: int, d: int) -> int:
    """The numbers in all matrices of a model of these sizes."""
    return d * (2 * N + T + (len(NAMES) - 3) * d)


class TrainerWidget(BookWidget):
    """Widget 3c: when training pauses or ends, `model()` is what the page has; `give(model)` starts it from one."""

    trained = traitlets.Bytes().tag(sync=True, from_json=_bytes)
    handed = traitlets.Dict().tag(sync=True)
    given = traitlets.Bytes().tag(sync=True, from_json=_bytes)
    given_size = traitlets.Unicode().tag(sync=True)

    def model(self) -> SimplifiedTransformer:
        """The model as the page last handed it over, when training paused or ended.

        `handed` says at which step that was, and of which run. Raises RuntimeError where nothing was handed over yet,
        ValueError where it is no model.
        """
        if not self.trained:
            raise RuntimeError("The page has handed nothing over yet: press Play in the widget, and then Pause.")
        sizes: dict[str, Any] = {name: self.handed.get(name) for name in ("N", "T", "d")}
        if not all(whole(size, 1) for size in sizes.values()) or len(self.trained) != 4 * _count(**sizes):
            told = ", ".join(f"{name} = {size!r}" for name, size in sizes.items())
            raise ValueError(f"The page has handed over {len(self.trained)} bytes, which are no model of {told}.")
        config = SimplifiedConfig(**sizes)
        model = SimplifiedTransformer(config, torch.Generator().manual_seed(0))
        floats = torch.from_numpy(np.frombuffer(bytes(self.trained), dtype=np.float32).copy())
        parts = floats.split([math.prod(getattr(model, name).shape) for name in NAMES])
        with torch.no_grad():
            for name, part in zip(NAMES, parts, strict=True):
                parameter = getattr(model, name)
                parameter.copy_(part.view_as(parameter))
        return model

    def give(self, model: SimplifiedTransformer) -> None:
        """Start a new run in the page from a model's matrices.

        Raises ValueError for a model whose N, T and d are those of none of the widget's models, with a W_F, or with
        numbers that are not finite.
        """
        own, sizes = model.config, self.settings["sizes"]
        fitting = [
            key
            for key, size in sizes.items()
            if (len(size["vocabulary"]), size["T"], size["d"]) == (own.N, own.T, own.d)
        ]
        if not fitting or own.n_layers != 2 or own.feed_forward != "none":
            raise ValueError(
                f"The widget has no model with N = {own.N}, T = {own.T}, d = {own.d}, two layers and no feed-forward."
            )
        floats = torch.cat([getattr(model, name).detach().cpu().float().flatten() for name in NAMES])
        if not bool(floats.isfinite().all()):
            raise ValueError("The model has numbers that are not finite: the page could train nothing with them.")
        self.given_size = fitting[0]
        self.given = floats.numpy().tobytes()
