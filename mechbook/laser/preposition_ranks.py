"""Where a pretrained model ranks "the" after prepositions (Chen et al. appendix F.1)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mechbook.laser.data.prepositions import PREPOSITIONS, SENTENCES
from mechbook.pretrained.load import LanguageModel


def preposition_ranks(model: LanguageModel, *, prefix: str = "") -> list[int]:
    """The rank of " the" (1: the most likely) after each of the 30 prepositions, `prefix` and a space before them.

    Without a prefix a preposition is a model's first token, which many models treat unlike any other.
    """
    before = f"{prefix} " if prefix else ""
    return _ranks(model, [before + word for word in PREPOSITIONS])


def sentence_ranks(model: LanguageModel) -> list[int]:
    """The rank of " the" after each of the 40 sentences that end in a preposition."""
    return _ranks(model, list(SENTENCES))


def _ranks(model: LanguageModel, texts: list[str]) -> list[int]:
    adapter, the = model.adapter, model.token(" the")
    by_length: dict[int, list[int]] = {}
    for place, text in enumerate(texts):
        by_length.setdefault(len(model.encode(text)), []).append(place)
    ranks = [0] * len(texts)
    for places in by_length.values():
        end = adapter.run(adapter.embed(model.tokens(*(texts[place] for place in places))), last_only=True)
        logits: Tensor = adapter.logits(end[:, -1])
        found = 1 + (logits > logits[:, the : the + 1]).sum(1)
        for place, rank in zip(places, found.tolist(), strict=True):
            ranks[place] = rank
    return ranks


def median(values: Sequence[int | float]) -> float:
    """The middle value, or the mean of the two in the middle. ValueError for no value and one that is not finite."""
    if not values or not all(-float("inf") < value < float("inf") for value in values):
        raise ValueError(f"the middle of {list(values)} was asked for; give one finite number at least.")
    return float(torch.tensor(values, dtype=torch.float64).quantile(0.5))
