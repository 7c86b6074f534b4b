"""Loss, accuracy and global loss of training batches, added up without waiting for the device."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechbook.core import devices


@runtime_checkable
class Batch(Protocol):
    """What the training loop needs of a batch: inputs and targets (B, T), and boolean (B, T) masks of the targets."""

    @property
    def inputs(self) -> Tensor: ...
    @property
    def targets(self) -> Tensor: ...
    @property
    def in_context(self) -> Tensor: ...
    @property
    def global_tokens(self) -> Tensor: ...


@dataclass
class Meter:
    """Sums and counts of positions since the last reading, by name."""

    totals: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def add(
        self,
        losses: Float[Tensor, "n"],
        predicted: Int[Tensor, "n"],
        targets: Int[Tensor, "n"],
        in_context: Bool[Tensor, "n"],
        outside: Bool[Tensor, "n"] | None,
    ) -> None:
        """Count n positions: their losses, predicted and true tokens, which are in-context, which global (or None)."""
        parts = {
            "loss": (losses.detach().sum(), torch.ones_like(in_context).sum()),
            "accuracy": (((predicted == targets) & in_context).sum(), in_context.sum()),
        }
        if outside is not None:
            parts["global_loss"] = ((losses.detach() * outside).sum(), outside.sum())
        self.add_sums(parts)

    def add_sums(self, parts: dict[str, tuple[Tensor, Tensor]]) -> None:
        """Add sums and the counts of positions that they are over, by name."""
        for name, (part, count) in parts.items():
            if name in self.totals:
                part, count = self.totals[name][0] + part, self.totals[name][1] + count
            self.totals[name] = (part, count)

    def read(self) -> dict[str, float]:
        """The means since the last reading, 0 where nothing was counted; counting starts anew."""
        parts = {f"{name} {what}": value for name, two in self.totals.items() for what, value in enumerate(two)}
        numbers = devices.read(parts)
        means = {name: numbers[f"{name} 0"] / max(int(numbers[f"{name} 1"]), 1) for name in self.totals}
        self.totals = {}
        return means

    def restore(self, totals: dict[str, tuple[Tensor, Tensor]], device: torch.device) -> None:
        """Take up `totals` kept from an earlier process."""
        self.totals = {name: (total.to(device), count.to(device)) for name, (total, count) in totals.items()}
