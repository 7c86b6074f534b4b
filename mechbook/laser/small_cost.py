"""What a truncation costs the small GPT-NeoX of chapter 5: its loss on fresh documents; and its block without the MLP.

A choice by the ratio alone may take an edit that ruins the model: the ratio does not see what other words cost.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from mechbook.laser.data import english
from mechbook.laser.data.english import EnglishBatch
from mechbook.laser.dynamics import Choice, Prompts, means
from mechbook.laser.english_runs import EnglishSettings
from mechbook.laser.streams import STREAMS
from mechbook.shared.truncation import truncated

DOCUMENTS = 400
AT_ONCE = 50


@dataclass(frozen=True, kw_only=True)
class SmallCost:
    """At the last checkpoint: mean nats a word of fresh documents, in the full model and with the choice made.

    without_mlp: by what factor the ratio on half B changes without the whole MLP of the choice's layer
    """

    full: float
    cut: float
    without_mlp: float


def small_cost(how: EnglishSettings, prompts: Prompts, choice: Choice, documents: int = DOCUMENTS) -> SmallCost:
    """Measure one choice; the documents are drawn apart from those of the training, the same for every choice."""
    # of a seed's stream 0 is its weights, 1 its training
    fresh = english.sample(how.task, documents, STREAMS.generator("english", how.seed_key[-1], 2))
    model, B = how.checkpoints().at(how.checkpoint_steps()[-1]), prompts.half("B")
    full, ratio = loss(model, fresh), means(model, B).ratio
    with truncated(model, choice.name, rho=choice.rho):
        cut = loss(model, fresh)
    with no_mlp(model, choice.layer):
        without = means(model, B).ratio
    return SmallCost(full=full, cut=cut, without_mlp=without / ratio)


def loss(model: nn.Module, documents: EnglishBatch) -> float:
    """The mean cross-entropy of all next words, in nats."""
    device = next(model.parameters()).device
    found = 0.0
    with torch.no_grad():
        for inputs, targets in zip(documents.inputs.split(AT_ONCE), documents.targets.split(AT_ONCE), strict=True):
            logits = model(inputs.to(device)).logits
            each = F.cross_entropy(logits.flatten(0, 1), targets.to(device).flatten(), reduction="sum")
            found += float(each)
    return found / documents.targets.numel()


@contextmanager
def no_mlp(model: nn.Module, layer: int) -> Iterator[None]:
    """The layer's MLP adds nothing, its bias included; then every bit is as before."""
    end = model.get_submodule(f"gpt_neox.layers.{layer}.mlp.dense_4h_to_h")
    before = [parameter.detach().clone() for parameter in end.parameters()]
    try:
        with torch.no_grad():
            for parameter in end.parameters():
                parameter.zero_()
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(end.parameters(), before, strict=True):
                parameter.copy_(value)
