"""Where layer 2 of a trained model looks, and why: its keys' scores, what they are made of, what it can do without.

All of it is about the last position, which holds a trigger.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechbook.noisy.after_training import noisy_contexts, trained_model
from mechbook.noisy.model import NoisyTransformer
from mechbook.noisy.probes import pair_positions, prediction
from mechbook.noisy.runs import NoisySettings
from mechbook.noisy.task import NoisyBatch

# What the stream that layer 2 reads is the sum of, x^1 = w_E(z) + p + h^1 + F_1(y).
PARTS = ("w_E", "p", "h1", "F1")
# The keys that are compared: after an earlier trigger the answer or the noise, the triggers themselves, all others.
KINDS = ("answer", "noise", "trigger", "elsewhere")


def key_scores(model: NoisyTransformer, trigger: int) -> Float[Tensor, "V"]:
    """w_E(q) . W_KQ2 w_E(k) / sqrt(d) for every token k: what its embedding alone scores for the trigger's query."""
    return model.W_E @ (model.W_E[trigger] @ model.W_KQ2) / model.config.d**0.5


def noise_score(spec: NoisySettings) -> dict[str, float]:
    """The noise's entry of `key_scores` for the first trigger, beside the others.

    "noise"; "lowest": the lowest of all other tokens'; "trigger": the trigger's own; "character": the lowest of the
    characters that are no trigger; "mean" and "spread": mean and standard deviation over those.
    """
    task = spec.task()
    scores = key_scores(trained_model(spec), task.triggers[0])
    plain = torch.ones(task.N, dtype=torch.bool, device=scores.device)
    plain[list(task.triggers)] = False
    characters = scores[: task.N][plain]
    return {
        "noise": float(scores[task.noise_token]),
        "lowest": float(scores[: task.N].min()),
        "trigger": float(scores[task.triggers[0]]),
        "character": float(characters.min()),
        "mean": float(characters.mean()),
        "spread": float(characters.std()),
    }


def kinds_of_keys(batch: NoisyBatch, noise: int) -> dict[str, Bool[Tensor, "n T"]]:
    """The positions of each of KINDS, for the trigger that each sequence ends with; no position has two kinds."""
    z = batch.inputs
    last, trigger = z[:, -1], z == z[:, -1:]
    answer = pair_positions(z, last, batch.answer) & ~trigger
    spoiled = pair_positions(z, last, torch.full_like(last, noise))
    return {"answer": answer, "noise": spoiled, "trigger": trigger, "elsewhere": ~(answer | spoiled | trigger)}


def score_parts(model: NoisyTransformer, batch: NoisyBatch, noise: int) -> dict[str, dict[str, float]]:
    """Mean scores of layer 2's keys at the last position, {part: {kind: mean}}, over all sequences' keys of a kind.

    A key's score is the sum of its parts', x^1_T . W_KQ2 (part) / sqrt(d); "all" is that sum.
    """
    x, y, x1, *_ = model.trace(batch.inputs).streams
    position = model.P[: x.shape[1]].expand_as(x)
    query = x1[:, -1] @ model.W_KQ2 / model.config.d**0.5
    kinds = kinds_of_keys(batch, noise)
    found = {}
    for name, part in zip((*PARTS, "all"), (x - position, position, y - x, x1 - y, x1), strict=True):
        scores = (part * query.unsqueeze(1)).sum(-1)
        found[name] = {kind: float(scores[there].mean()) for kind, there in kinds.items()}
    return found


def without_term(model: NoisyTransformer, token: int) -> NoisyTransformer:
    """A copy of the model whose W_KQ2 sees no key's embedding of a token: W_KQ2 (1 - w w^T), w along w_E(token)."""
    copy = NoisyTransformer(model.config, torch.Generator()).to(model.W_E.device).requires_grad_(False)
    copy.load_state_dict(model.state_dict())
    along = model.W_E[token] / model.W_E[token].norm()
    copy.W_KQ2.sub_(torch.outer(copy.W_KQ2 @ along, along))
    return copy


def attention_on(model: NoisyTransformer, batch: NoisyBatch, noise: int) -> dict[str, float]:
    """Layer 2's mean attention from the last position on the keys of each of KINDS; together they are 1."""
    last = model.trace(batch.inputs).attention[1][:, -1]
    return {kind: float((last * there).sum(1).mean()) for kind, there in kinds_of_keys(batch, noise).items()}


def previous_by_part(spec: NoisySettings, parts: int = 8) -> dict[str, list[float]]:
    """Along the context, in so many parts of it: what layer 1 does there, and what layer 2 uses of it.

    "previous": layer 1's mean attention on the previous position; "used": layer 2's attention from the last position.
    """
    first, second = trained_model(spec).trace(noisy_contexts(spec, 256).inputs).attention
    # position 0 has no predecessor; it is left out of its part
    previous = torch.nn.functional.pad(first.diagonal(offset=-1, dim1=-2, dim2=-1).mean(0), (1, 0), value=torch.nan)
    return {
        "previous": [float(part.nanmean()) for part in previous.chunk(parts)],
        "used": [float(part.sum()) for part in second[:, -1].mean(0).chunk(parts)],
    }


def answered(model: NoisyTransformer, batch: NoisyBatch, seen: Bool[Tensor, "T"], noise: int) -> float:
    """P(correct) without F_2 where layer 2, at the last position, attends to the positions `seen` alone."""
    trace = model.trace(batch.inputs)
    stream, weights = trace.streams[2], trace.attention[1][:, -1] * seen
    # a softmax over fewer keys is the old one, made to sum to 1 again
    mixed = torch.einsum("nt,ntd->nd", weights / weights.sum(1, keepdim=True), stream)
    return prediction((stream[:, -1] + mixed @ model.W_V2.T) @ model.W_U.T, batch.answer, noise)["correct"]
