"""How chapter 6 trains the models of Figure 3 (Nichani et al.): many of one shape side by side, as a stack.

The stack runs over seeds, and over sizes of the task or widths of the MLP. `mechbook.facts.plain.train_one` is the
definition, for one model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mechbook.core import devices
from mechbook.core.progress import Line
from mechbook.facts.model import FactWeights, count_logits
from mechbook.facts.task import FactTask
from mechbook.facts.task_stack import FactStack
from mechbook.facts.task_stack_device import drawing


@dataclass(frozen=True, kw_only=True)
class StackSettings:
    """How every model of a sweep is trained: AdamW without weight decay, the rate falling linearly to 0, fresh data.

    rates: with several the best one counts, for each model
    test_size: fresh sequences that the accuracy is measured on
    Raises ValueError for steps < 0, another size < 1, or no rate above 0.
    """

    steps: int
    batch_size: int
    rates: tuple[float, ...]
    test_size: int = 1024

    def __post_init__(self) -> None:
        for name, least in (("steps", 0), ("batch_size", 1), ("test_size", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}.")
        if not self.rates or min(self.rates) <= 0:
            raise ValueError(f"rates is {self.rates}; it must hold one learning rate or more, all above 0.")


def train_stack(
    tasks: Sequence[FactTask],
    weights: FactWeights,
    how: StackSettings,
    rate: float,
    generator: torch.Generator,
    *,
    hidden: Tensor | None = None,
) -> Tensor:
    """Train the stack in place, model g on task g, and return each model's accuracy on fresh sequences, on the CPU.

    Where the weights are, batches are drawn and the stack is trained; `generator` is on the CPU. Nothing is read until
    the end.
    `hidden` (G, m), of zeros and ones, says which neurons of its MLP a model has; None: all of them.
    """
    together, device = FactStack(tasks), weights.E.device
    draw = drawing(together, device)
    impossible = None if bool(together.possible.all()) else ~together.possible.unsqueeze(1).to(device)

    def logits(counts: Tensor) -> Tensor:
        out = count_logits(weights, counts)
        return out if impossible is None else out.masked_fill(impossible, -torch.inf)

    if hidden is not None:
        hidden = hidden.to(device)
        # Far below its threshold a neuron is off, and so are all of its gradients.
        weights.b_in.sub_(1e3 * (1 - hidden))
        # As drawn for the width that is left.
        weights.W_out.mul_((hidden.shape[1] / hidden.sum(1).clamp(min=1)).sqrt().view(-1, 1, 1))
    parameters = [p.requires_grad_() for p in weights.trained()]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0, **devices.fast_optimizer(device))
    with Line(f"{len(tasks)} models of facts side by side", how.steps, "steps") as line:
        for step in range(how.steps):
            batch = draw(how.batch_size, generator)
            out = logits(batch.counts)
            loss = F.cross_entropy(out.flatten(0, 1), batch.targets.flatten(), reduction="sum") / how.batch_size
            optimizer.zero_grad()
            loss.backward()
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 - step / how.steps)
            optimizer.step()
            line.advance()
    test = draw(how.test_size, generator)
    with torch.no_grad():
        return (logits(test.counts).argmax(-1) == test.targets).cpu().double().mean(-1)
