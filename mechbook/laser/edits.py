"""LASER on pretrained models: what dropping singular directions of one matrix does to next-token probabilities.

model = load("smollm2-135m")
facts = {"Madrid": " Spain", "Rome": " Italy"}
prompts = [prompt(model, f"{city} is located in", country) for city, country in facts.items()]
edits = [laser(model, 28, "mlp_in", rho=rho) for rho in (0.01, 0.1, 0.3)]
result = measure(model, prompts, edits)
result.before[:, 0], result.after[:, :, 0]          # P(answer) of each prompt, whole and after each edit

LASER (Sharma et al. 2023; Chen et al. 2.2) replaces W = sum_i s_i u_i v_i^T by its first floor(rho min(d_in, d_out))
terms. Here an edit may drop any set of terms, for controls. The weights come back bit for bit.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from mechbook.core.progress import Line
from mechbook.pretrained.adapter import Adapter, Matrix
from mechbook.pretrained.load import LanguageModel
from mechbook.shared.truncation import LowRank, rank_of

Visit = Callable[[Tensor], None]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt as tokens, and the tokens whose probability of coming next is measured.

    watch: the right answer first, then the generic word it competes with, then any others; as many in every prompt
    group: a name that tables group by, such as the task
    """

    tokens: tuple[int, ...]
    watch: tuple[int, ...]
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """Singular directions to drop from one matrix of one block (counted from 0), 0 being the largest.

    rho: the fraction of the rank that LASER keeps; None for any other edit, which `kind` then names
    """

    layer: int
    matrix: str
    dropped: tuple[int, ...]
    kind: str
    rho: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """Probabilities of k watched tokens, and the t most probable tokens: n prompts, before and after each of m edits.

    top_before, top_after: those tokens, the most probable first; p_top_before, p_top_after: their probabilities
    """

    edits: tuple[Edit, ...]
    before: Float[Tensor, "n k"]
    after: Float[Tensor, "m n k"]
    top_before: Int[Tensor, "n t"]
    top_after: Int[Tensor, "m n t"]
    p_top_before: Float[Tensor, "n t"]
    p_top_after: Float[Tensor, "m n t"]


def prompt(model: LanguageModel, text: str, answer: str, generic: str = " the", *, group: str = "") -> Prompt:
    """A prompt that watches `answer` and `generic`. ValueError where one is not one token, or `text` is empty."""
    if not model.encode(text):
        raise ValueError("the text of a prompt is empty; a model needs one token at least.")
    watch = (model.token(answer), model.token(generic))
    return Prompt(tokens=tuple(model.prompt_tokens(text)), watch=watch, group=group)


def laser(model: LanguageModel, layer: int, matrix: str, *, rho: float) -> Edit:
    """LASER: keep the fraction `rho` of the rank. ValueError for a layer, a matrix or a rho that does not exist."""
    full = min(model.adapter.matrix(layer, matrix).shape)
    dropped = tuple(range(rank_of(rho, full), full))
    return Edit(layer=layer, matrix=matrix, dropped=dropped, kind=f"rho {rho:g}", rho=rho)


def without_smallest(model: LanguageModel, layer: int, matrix: str, n: int) -> Edit:
    """Drop only the `n` smallest singular directions."""
    full = _at_most(model, layer, matrix, n)
    return Edit(layer=layer, matrix=matrix, dropped=tuple(range(full - n, full)), kind=f"without the {n} smallest")


def without_largest(model: LanguageModel, layer: int, matrix: str, n: int) -> Edit:
    """Drop the `n` largest singular directions."""
    _at_most(model, layer, matrix, n)
    return Edit(layer=layer, matrix=matrix, dropped=tuple(range(n)), kind=f"without the {n} largest")


def without_random(
    model: LanguageModel, layer: int, matrix: str, n: int, generator: Generator, *, spare: int = 0
) -> Edit:
    """Drop `n` singular directions drawn at random, none of them of the `spare` largest or the `spare` smallest."""
    full = _at_most(model, layer, matrix, n + 2 * spare)
    drawn = torch.randperm(full - 2 * spare, generator=generator)[:n].add(spare).sort().values.tolist()
    where = f" between the {spare} largest and smallest" if spare else ""
    return Edit(layer=layer, matrix=matrix, dropped=tuple(drawn), kind=f"without {n} random{where}")


def without_mlp(model: LanguageModel, layer: int) -> Edit:
    """Zero the MLP's output matrix; of the MLP only a bias is left, where there is one."""
    return replace(laser(model, layer, "mlp_out", rho=0.0), kind="without the MLP", rho=None)


def measure(model: LanguageModel, prompts: Sequence[Prompt], edits: Sequence[Edit], *, top: int = 1) -> Measured:
    """Next-token probabilities before and after each edit, on the CPU; the `top` most probable tokens are named.

    A matrix is decomposed once for all its edits that stand side by side; prompts of a length run together; what is
    below an edited block is computed once. ValueError without prompts, for prompts that watch different numbers of
    tokens, have none or one that the model does not have, and for edits of parts the model does not have.
    """
    batches = batches_of(prompts, model.adapter.n_vocab)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    visit_ends(
        model.adapter,
        [tokens for _, tokens in batches],
        edits,
        lambda ends: found.append(watched_probabilities(model.adapter, prompts, batches, ends, top=top)),
        last_only=True,
    )
    return measured(edits, found)


def measured(edits: Sequence[Edit], found: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Measured:
    """What `watched_probabilities` gave for the whole model and then for each edit, as one."""
    p, top, p_top = (torch.stack(part) for part in zip(*found, strict=True))
    return Measured(
        edits=tuple(edits),
        before=p[0],
        after=p[1:],
        top_before=top[0],
        top_after=top[1:],
        p_top_before=p_top[0],
        p_top_after=p_top[1:],
    )


def watched_probabilities(
    adapter: Adapter,
    prompts: Sequence[Prompt],
    batches: Sequence[tuple[Tensor, Tensor]],
    ends: Float[Tensor, "n d"],
    *,
    top: int = 1,
) -> tuple[Float[Tensor, "n k"], Int[Tensor, "n t"], Float[Tensor, "n t"]]:
    """Of each prompt, from what leaves the last block: the probabilities of what it watches, and its `top` most
    probable tokens with theirs. ValueError for a `top` that is not between 1 and the vocabulary's size."""
    if not 1 <= top <= adapter.n_vocab:
        raise ValueError(f"top is {top}; it must be between 1 and the {adapter.n_vocab} tokens of the vocabulary.")
    rows = torch.cat([which for which, _ in batches])
    p = adapter.logits(ends).float().softmax(-1).cpu()[rows.argsort()]
    best = p.topk(top)
    return p.gather(1, torch.tensor([prompt.watch for prompt in prompts])), best.indices, best.values


def mean_distributions(
    model: LanguageModel, prompts: Sequence[Prompt], edits: Sequence[Edit]
) -> tuple[Float[Tensor, "N"], Float[Tensor, "m N"]]:
    """The next token's distribution averaged over prompts, before and after each edit; ValueError as `measure`."""
    found: list[Tensor] = []

    def visit(ends: Tensor) -> None:
        found.append(model.adapter.logits(ends).float().softmax(-1).mean(0).cpu())

    batches = batches_of(prompts, model.adapter.n_vocab)
    visit_ends(model.adapter, [tokens for _, tokens in batches], edits, visit, last_only=True)
    return found[0], torch.stack(found[1:]) if edits else torch.empty(0, model.adapter.n_vocab)


def text_losses(
    model: LanguageModel, tokens: Int[Tensor, "B T"], edits: Sequence[Edit]
) -> tuple[Float[Tensor, "B T-1"], Float[Tensor, "m B T-1"]]:
    """The negative log-likelihood (nats) of every token of a text but the first, before and after each edit.

    ValueError for no text, fewer than two tokens, or one that the model does not have.
    """
    if not len(tokens) or tokens.shape[1] < 2:
        raise ValueError(f"the tokens have the shape {tuple(tokens.shape)}; a text needs two tokens at least.")
    check_tokens(tokens.flatten().tolist(), model.adapter.n_vocab)
    found: list[Tensor] = []

    def visit(ends: Tensor) -> None:
        log_p = model.adapter.logits(ends.unflatten(0, tuple(tokens.shape))[:, :-1]).float().log_softmax(-1).cpu()
        found.append(-log_p.gather(2, tokens.cpu()[:, 1:, None])[..., 0])

    visit_ends(model.adapter, [tokens], edits, visit, last_only=False)
    return found[0], torch.stack(found[1:]) if edits else torch.empty(0, *found[0].shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class ResidualStreams:
    """What enters blocks: `entering[layer]` is n d, all positions of batches one after the other; shapes are (B, T)."""

    shapes: tuple[tuple[int, int], ...]
    entering: dict[int, Tensor]


def visit_ends(
    adapter: Adapter, batches: Sequence[Tensor], edits: Sequence[Edit], visit: Visit, *, last_only: bool
) -> None:
    """Call `visit` with what leaves the last block (n d), the positions of `batches` (B T tokens) one after the other.

    The whole model comes first, then the edits in their order.
    last_only: each prompt's last position only. Whatever `visit` raises, the weights come back.
    """
    for edit in edits:
        adapter.matrix(edit.layer, edit.matrix)
    streams = streams_entering(adapter, batches, {edit.layer for edit in edits})
    visit_whole(adapter, streams, visit, last_only=last_only)
    visit_edits(adapter, streams, edits, visit, last_only=last_only)


def streams_entering(adapter: Adapter, batches: Sequence[Tensor], layers: Iterable[int]) -> ResidualStreams:
    """What enters each of `layers`, and (as the layer after the last) what leaves the last block."""
    shapes = tuple((len(tokens), tokens.shape[1]) for tokens in batches)
    x, start = torch.cat([adapter.embed(tokens.to(adapter.W_U.device)).flatten(0, 1) for tokens in batches]), 0
    entering = {}
    for layer in sorted({*layers, adapter.n_layers}):
        x, start = adapter.run_many(x, shapes, start=start, stop=layer), layer
        entering[layer] = x
    return ResidualStreams(shapes=shapes, entering=entering)


def visit_whole(adapter: Adapter, streams: ResidualStreams, visit: Visit, *, last_only: bool) -> None:
    """What `visit_ends` does for the whole model."""
    end = adapter.n_layers
    visit(adapter.run_many(streams.entering[end], streams.shapes, start=end, last_only=last_only))


def visit_edits(
    adapter: Adapter, streams: ResidualStreams, edits: Sequence[Edit], visit: Visit, *, last_only: bool
) -> None:
    """What `visit_ends` does for the edits; those of a matrix that stand side by side share its decomposition."""
    with Line("a matrix changed", len(edits), "ways") as line:
        for (layer, name), group in groupby(edits, key=lambda edit: (edit.layer, edit.matrix)):
            matrix = adapter.matrix(layer, name)
            with restored(matrix) as W:
                terms = Terms(W)
                for edit in group:
                    matrix.write(terms.without(edit.dropped))
                    visit(adapter.run_many(streams.entering[layer], streams.shapes, start=layer, last_only=last_only))
                    line.advance()


@contextmanager
def restored(matrix: Matrix) -> Iterator[Float[Tensor, "d_out d_in"]]:
    """The matrix's value; when the block ends, however it ends, that value is back in the model, every bit."""
    W = matrix.read()
    try:
        yield W
    finally:
        matrix.write(W)


class Terms(LowRank):
    """A matrix's singular value decomposition, from which any terms can be dropped."""

    def without(self, dropped: Sequence[int]) -> Float[Tensor, "d_out d_in"]:
        """The sum of the other terms; the matrix itself where none is dropped. ValueError for a term there is not."""
        full = self.full_rank
        if not all(0 <= i < full for i in dropped) or len(set(dropped)) < len(dropped):
            raise ValueError(f"dropped names terms outside 0..{full - 1}, or one twice.")
        kept = sorted(set(range(full)) - set(dropped))
        if kept == list(range(len(kept))):
            return self.rank(len(kept))
        U, S, Vh = self._svd
        index = torch.tensor(kept, device=S.device)
        return ((U[:, index] * S[index]) @ Vh[index]).to(self._W.dtype)


def check_tokens(tokens: Iterable[int], n_vocab: int) -> None:
    """ValueError for a token that a model of so many does not have."""
    if (strange := next((token for token in tokens if not 0 <= token < n_vocab), None)) is not None:
        raise ValueError(f"{strange} is no token of the model; they are numbered 0 to {n_vocab - 1}.")


def batches_of(prompts: Sequence[Prompt], n_vocab: int | None = None) -> list[tuple[Tensor, Tensor]]:
    """Prompts of one length together: which they are, and their tokens.

    ValueError without prompts, for one without tokens, for prompts that watch none or different numbers of tokens, and
    for tokens that are not among the `n_vocab` of a model.
    """
    if not prompts:
        raise ValueError("there are no prompts; give one at least.")
    if len(counts := sorted({len(p.watch) for p in prompts})) > 1:
        raise ValueError(f"prompts watch {counts} tokens; all must watch as many.")
    if not all(p.tokens and p.watch for p in prompts):
        raise ValueError("a prompt is empty or watches no token; it needs one token at least, and one to watch.")
    if n_vocab is not None:
        check_tokens((token for p in prompts for token in (*p.tokens, *p.watch)), n_vocab)
    by_length: dict[int, list[int]] = {}
    for number, p in enumerate(prompts):
        by_length.setdefault(len(p.tokens), []).append(number)
    return [
        (torch.tensor(numbers), torch.tensor([prompts[i].tokens for i in numbers]))
        for _, numbers in sorted(by_length.items())
    ]


def _at_most(model: LanguageModel, layer: int, matrix: str, n: int) -> int:
    full = min(model.adapter.matrix(layer, matrix).shape)
    if not 0 <= n <= full:
        raise ValueError(f"{n} directions are to be dropped; block {layer}'s {matrix!r} has {full}.")
    return full
