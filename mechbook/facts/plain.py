"""The three trainings of chapter 6 as their definitions: one model at a time, nothing done for speed.

`stack_training.train_stack`, `dynamics.descend` and `knowledge.train_people` do the same for many models at once.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Int
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from mechbook.facts.knowledge import WARMUP, KnowledgeSettings
from mechbook.facts.model import FactWeights, count_logits
from mechbook.facts.people import model_inputs
from mechbook.facts.stack_training import StackSettings
from mechbook.facts.task import CountBatch


def train_one(
    weights: FactWeights, draw: Callable[[Generator], CountBatch], how: StackSettings, rate: float, generator: Generator
) -> list[float]:
    """Train one model of Figure 3 in place, the rate falling linearly to 0; returns the loss of each batch, in nats."""
    parameters = [p.requires_grad_() for p in weights.trained()]
    adam = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0)
    losses = []
    for step in range(how.steps):
        batch = draw(generator)
        loss = F.cross_entropy(count_logits(weights, batch.counts), batch.targets)
        adam.zero_grad()
        loss.backward()
        adam.param_groups[0]["lr"] = rate * (1 - step / how.steps)
        adam.step()
        losses.append(loss.item())
    return losses


def descend_one(
    logits: Callable[..., Tensor], parameters: Sequence[Tensor], batches: Iterable[CountBatch], lr: float
) -> list[float]:
    """Gradient descent on one model of Figure 5, in place; returns the loss of each batch, in nats."""
    losses = []
    for batch in batches:
        held = [p.detach().requires_grad_() for p in parameters]
        loss = F.cross_entropy(logits(*held, batch.counts), batch.targets)
        for p, gradient in zip(parameters, torch.autograd.grad(loss, held), strict=True):
            p.sub_(gradient, alpha=lr)
        losses.append(loss.item())
    return losses


def learn_people(
    model: nn.Module, people: Int[Tensor, "N length"], orders: Iterable[Tensor], how: KnowledgeSettings
) -> list[float]:
    """Train one GPT in place; each of `orders` shows all people once. Returns the loss of each batch, in nats."""
    inputs = model_inputs(how.people(), people)
    adam = torch.optim.AdamW(model.parameters(), lr=how.lr, weight_decay=how.weight_decay, betas=(0.9, 0.98))
    batches = [chosen for order in orders for chosen in order.split(how.batch_size)]
    losses = []
    for step, chosen in enumerate(batches):
        loss = F.cross_entropy(model(inputs[chosen]).flatten(0, 1), people[chosen].flatten())
        adam.zero_grad()
        loss.backward()
        warm, cosine = min(1, (step + 1) / WARMUP), (1 + math.cos(math.pi * step / len(batches))) / 2
        adam.param_groups[0]["lr"] = how.lr * warm * cosine
        adam.step()
        losses.append(loss.item())
    return losses
