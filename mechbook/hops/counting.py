"""Who keeps the records of models that train side by side: read at once on the CPU, and later on an accelerator.

`AtOnce` reads every loss and accuracy and lets `Record` decide. `Later` decides on the device what `Record.move_on`
decides, and is read only where a record is due, once for all models.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.core import devices
from mechbook.hops.training import Record, hop_weights


class AtOnce:
    """Records that take in every step as it is made."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = list(records)

    def weights(self, like: Tensor) -> Float[Tensor, "S hops"]:
        """Each model's weights of the hops' losses at its stage, where and as `like` is."""
        return torch.stack([hop_weights(r.how.regime, r.stage, r.hops) for r in self.records]).to(like)

    def add(self, step: int, losses: Float[Tensor, "S"], accuracy: Float[Tensor, "S hops"]) -> list[bool]:
        """Take in the batch of update `step` (from 1); return which runs are over."""
        rows = zip(self.records, losses.tolist(), accuracy.tolist(), strict=True)
        return [record.add(step, loss, row) for record, loss, row in rows]

    def keep(self, places: Sequence[int]) -> None:
        """Go on with the models of these places alone."""
        self.records = [self.records[place] for place in places]

    def kept(self) -> dict[str, Any]:
        """What is kept of a stopped run besides its records."""
        return {}

    def take_up(self, found: dict[str, Any]) -> None:
        """Go on from what `kept` gave; the records have been taken up already."""


class Later:
    """Records whose steps stay on the device until one is due; stages move there as `Record.move_on` has it."""

    def __init__(self, records: Sequence[Record], device: torch.device) -> None:
        self.records = list(records)
        how, hops = records[0].how, records[0].hops
        self.how, self.hops = how, hops
        self.table = torch.stack([hop_weights(how.regime, stage, hops) for stage in range(1, hops + 1)]).to(device)
        self.stage = torch.ones(len(records), dtype=torch.int64, device=device)
        self.running = torch.zeros(len(records), device=device)
        self.sums = torch.zeros(len(records), 1 + hops, device=device)
        self.stages: list[Tensor] = []

    def weights(self, like: Tensor) -> Float[Tensor, "S hops"]:
        """As `AtOnce.weights`."""
        return self.table[self.stage - 1]

    def add(self, step: int, losses: Float[Tensor, "S"], accuracy: Float[Tensor, "S hops"]) -> list[bool]:
        """As `AtOnce.add`: a run is over at a record only."""
        if self.how.regime in ("curriculum", "current"):
            newest = accuracy.gather(1, (self.stage - 1).unsqueeze(1)).squeeze(1)
            self.running = 0.9 * self.running + 0.1 * newest
            up = (self.running > self.how.advance_at) & (self.stage < self.hops)
            self.stage, self.running = self.stage + up, self.running.masked_fill(up, 0.0)
            self.stages.append(self.stage)
        self.sums += torch.cat([losses.detach().unsqueeze(1), accuracy], 1)
        if step % self.how.record_every:
            return [False] * len(self.records)
        # one reading: S rows of sums, and the stages after each step
        history = torch.cat([self.sums, *(stage.unsqueeze(1).to(self.sums) for stage in self.stages)], 1).tolist()
        self.sums, self.stages = torch.zeros_like(self.sums), []
        return [
            record.take(step, row[: 1 + self.hops], [int(stage) for stage in row[1 + self.hops :]])
            for record, row in zip(self.records, history, strict=True)
        ]

    def keep(self, places: Sequence[int]) -> None:
        """As `AtOnce.keep`."""
        self.records = [self.records[place] for place in places]
        index = torch.tensor(places).to(self.stage.device)
        self.stage, self.running, self.sums = (v.index_select(0, index) for v in (self.stage, self.running, self.sums))

    def kept(self) -> dict[str, Any]:
        """As `AtOnce.kept`."""
        there = {"stage": self.stage, "running": self.running, "sums": self.sums}
        return {name: value.cpu() for name, value in there.items()} | {"stages": [each.cpu() for each in self.stages]}

    def take_up(self, found: dict[str, Any]) -> None:
        """As `AtOnce.take_up`."""
        device = self.stage.device
        self.stage, self.running, self.sums = (found[name].to(device) for name in ("stage", "running", "sums"))
        self.stages = [each.to(device) for each in found["stages"]]


def counting(records: Sequence[Record], device: torch.device) -> AtOnce | Later:
    """What keeps the records of models on `device`."""
    return Later(records, device) if devices.is_accelerator(device) else AtOnce(records)
