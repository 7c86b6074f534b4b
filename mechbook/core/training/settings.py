"""How a model is trained: optimizer, rates, what is frozen and what the loss counts."""

import math
from dataclasses import dataclass

from mechbook.core.presets import require


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a model is trained.

    steps, batch_size: updates, and sequences in each (the loop itself takes whatever `draw` gives)
    optimizer: "sgd" with `momentum` (torch.optim.SGD) or "adamw" (torch.optim.AdamW; `momentum` unused)
    warmup: the learning rate of update s (from 0) is lr min(1, (s + 1) / warmup)
    clip_norm: the gradient's largest Euclidean norm, over all matrices together; None: not clipped
    loss_on: mean cross-entropy over the in-context positions, or over all
    frozen_until: (parameter, step) pairs; before its step a parameter has no gradient, weight decay or momentum
    """

    steps: int
    batch_size: int
    optimizer: str
    lr: float
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warmup: int = 0
    clip_norm: float | None = None
    loss_on: str = "in_context"
    frozen_until: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        names = [name for name, _ in self.frozen_until]
        rules = [
            ("steps", self.steps >= 0, "0 or more"),
            ("batch_size", self.batch_size >= 1, "1 or more"),
            ("optimizer", self.optimizer in ("sgd", "adamw"), '"sgd" or "adamw"'),
            ("lr", 0 < self.lr < math.inf, "a positive finite number"),
            ("momentum", 0 <= self.momentum < 1, "in [0, 1)"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more"),
            ("warmup", self.warmup >= 0, "0 or more"),
            ("clip_norm", self.clip_norm is None or self.clip_norm > 0, "a positive number or None"),
            ("loss_on", self.loss_on in ("in_context", "all"), '"in_context" or "all"'),
            ("frozen_until", len(set(names)) == len(names), "one step for each parameter"),
            ("frozen_until", all(step >= 0 for _, step in self.frozen_until), "steps of 0 or more"),
        ]
        require(self, *rules)
