"""Where a pretrained model keeps a city's country on the way: activations moved from one city's run into another's.

For two cities whose prompts have as many tokens, the stream that enters a block at one position is taken from the run
of city A and put into that of city B; what part of the gap in log P(A's country) does it recover? (Meng et al. 2022
do so with noise for B; Nichani et al. 2024 have votes of subject and relation.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from mechbook.core.progress import Line
from mechbook.laser.edits import Prompt, batches_of
from mechbook.laser.intervals import of_means
from mechbook.pretrained.adapter import BlockRecord
from mechbook.pretrained.load import LanguageModel


@dataclass(frozen=True, kw_only=True, eq=False)
class FactSite:
    """For m pairs of cities: log P(A's country) in B's run as it is, in A's, and in B's with A's stream put in.

    blocks: the blocks (from 0) that the stream enters; words: where it is put, the subject's last token first
    lens: mean P(country) and P("the") read off the stream at END as it enters each block, and as it leaves the last
    """

    n_layers: int
    blocks: list[int]
    words: list[str]
    base: Float[Tensor, "m"]
    own: Float[Tensor, "m"]
    patched: Float[Tensor, "blocks words m"]
    lens: Float[Tensor, "layers 2"]

    @property
    def share(self) -> Float[Tensor, "blocks words"]:
        """The recovered part of the mean gap."""
        base = self.base.mean()
        return (self.patched.mean(-1) - base) / (self.own.mean() - base)

    def interval(self, block: int, word: int, generator: Generator) -> tuple[float, float]:
        """The 95% interval of one share (places in the lists), pairs drawn with replacement."""
        rows = torch.stack([self.patched[block, word], self.own, self.base], 1)
        return of_means(lambda m: (m[:, 0] - m[:, 2]) / (m[:, 1] - m[:, 2]), rows, generator)


def fact_site(model: LanguageModel, cities: Sequence[Prompt], pairs: int, tail: int, generator: Generator) -> FactSite:
    """Measure with at most `pairs` pairs of `cities`, in every second block and the last.

    The last `tail` tokens of every prompt must be the same words after the subject. ValueError where no two cities of
    different countries have prompts of one length.
    """
    adapter = model.adapter
    n, blocks = adapter.n_layers, [*range(0, adapter.n_layers - 1, 2), adapter.n_layers - 1]
    parts: list[dict[str, Tensor]] = []
    drawn = drawn_pairs(cities, pairs, generator)
    with Line("where the fact is", len(drawn) * len(blocks) * (tail + 1), "patches") as line:
        for A, B, answers in drawn:
            batch = model_batch(adapter.W_U.device, A, B)
            record: dict[int, BlockRecord] = {}
            end = adapter.run(adapter.embed(batch), record=record)
            m, own_answers = len(A), torch.cat([answers, answers])
            # the first half of the batch are the A's, the second the B's; both are asked for A's country
            log_p = _log_p(model, end[:, -1], own_answers)
            base_run = {layer: rows_of(block, slice(m, None)) for layer, block in record.items()}
            patched = torch.empty(len(blocks), tail + 1, m, dtype=torch.float64)
            T = batch.shape[1]
            for row, layer in enumerate(blocks):
                for column, position in enumerate(range(T - tail - 1, T)):
                    x = base_run[layer].x[:, position:].clone()
                    x[:, 0] = record[layer].x[:m, position]
                    left = adapter.run(x, start=layer, prefix=base_run, last_only=True)
                    patched[row, column] = line.passed(_log_p(model, left[:, -1], answers))
            entering = [*(record[layer].x[:m, -1] for layer in range(n)), end[:m, -1]]
            lens = _lens(model, entering, answers)
            parts.append({"own": log_p[:m], "base": log_p[m:], "patched": patched, "lens": lens})
    words = [model.text(token) for token in cities[0].tokens[-tail:]]
    return FactSite(
        n_layers=n,
        blocks=blocks,
        words=["subject", *(word.strip() for word in words)],
        base=torch.cat([part["base"] for part in parts]),
        own=torch.cat([part["own"] for part in parts]),
        patched=torch.cat([part["patched"] for part in parts], -1),
        lens=torch.cat([part["lens"] for part in parts], 1).mean(1),
    )


def drawn_pairs(
    cities: Sequence[Prompt], pairs: int, generator: Generator
) -> list[tuple[list[Prompt], list[Prompt], Int[Tensor, "m"]]]:
    """At most `pairs` pairs (A, B) of one length and different countries, no A twice, with the token of A's country.

    Those of one length stand together. ValueError where there is none.
    """
    groups: list[tuple[list[Prompt], list[Prompt], Tensor]] = []
    left = pairs
    for which, _ in sorted(batches_of(cities), key=lambda batch: -len(batch[0])):
        own = [cities[i] for i in which[torch.randperm(len(which), generator=generator)].tolist()]
        found: list[tuple[Prompt, Prompt]] = []
        for i, A in enumerate(own):
            B = next((other for other in own[i + 1 :] + own[:i] if other.watch[0] != A.watch[0]), None)
            if B is not None and len(found) < left:
                found.append((A, B))
        if found:
            left -= len(found)
            groups.append(([A for A, _ in found], [B for _, B in found], torch.tensor([A.watch[0] for A, _ in found])))
    if not groups:
        raise ValueError("no two cities of different countries have prompts of one length; give more cities.")
    return groups


def model_batch(device: Any, A: Sequence[Prompt], B: Sequence[Prompt]) -> Int[Tensor, "B T"]:
    """The A's tokens and then the B's, on the model's device."""
    return torch.tensor([p.tokens for p in (*A, *B)], device=device)


def rows_of(block: BlockRecord, rows: slice) -> BlockRecord:
    """The record of some of its prompts."""
    return replace(block, **{name: getattr(block, name)[rows] for name in vars(block)})


def _log_p(model: LanguageModel, x: Float[Tensor, "n d"], tokens: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
    log_p = model.adapter.logits(x).float().log_softmax(-1).cpu().double()
    return log_p.gather(1, tokens[:, None])[:, 0]


def _lens(model: LanguageModel, streams: Sequence[Tensor], answers: Int[Tensor, "m"]) -> Float[Tensor, "L m 2"]:
    the = model.token(" the")
    rows = []
    for x in streams:
        p = model.adapter.logits(x).float().softmax(-1).cpu().double()
        rows.append(torch.stack([p.gather(1, answers[:, None])[:, 0], p[:, the]], 1))
    return torch.stack(rows)


def packed(found: FactSite) -> dict[str, Any]:
    """The same as plain values and tensors, for the cache."""
    return dict(vars(found))


def unpacked(stored: Mapping[str, Any]) -> FactSite:
    """What `packed` was given."""
    return FactSite(**stored)
