"""Chapter 5's experiments as their definitions, one prompt at a time, nothing done for speed.

`measure_plainly` is what `mechbook.laser.edits.measure` does faster, `run_plainly` what the adapter of a Llama does,
`probe_plainly` and `knock_out_plainly` what `mechbook.laser.ioi` does for all heads, and `train_english_plainly` the
run of `mechbook.laser.english_runs`.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mechbook.core import settings
from mechbook.laser.data import english
from mechbook.laser.data.ioi import IOIPrompts
from mechbook.laser.edits import Edit, Measured, Prompt, measured
from mechbook.laser.english_runs import EnglishSettings
from mechbook.laser.ioi.probes import Head
from mechbook.pretrained.load import LanguageModel


def without_terms(W: Float[Tensor, "d_out d_in"], dropped: Sequence[int]) -> Float[Tensor, "d_out d_in"]:
    """W = sum_i s_i u_i v_i^T less the terms numbered in `dropped`; term 0 is the largest. ValueError for another."""
    U, s, Vh = torch.linalg.svd(W, full_matrices=False)
    s[_known(dropped, len(s))] = 0
    return (U * s) @ Vh


def _known(dropped: Sequence[int], count: int) -> list[int]:
    if not all(0 <= number < count for number in dropped):
        raise ValueError(f"dropped is {list(dropped)}; the terms are numbered 0 to {count - 1}.")
    return list(dropped)


def measure_plainly(
    model: LanguageModel, prompts: Sequence[Prompt], edits: Sequence[Edit], *, top: int = 1
) -> Measured:
    """For each edit a copy of the model with one matrix cut, and then prompt by prompt what comes next."""
    watched = torch.tensor([p.watch for p in prompts])
    found = []
    for edit in (None, *edits):  # None: the whole model
        edited = copy.deepcopy(model.adapter.model)
        if edit is not None:
            matrix = type(model.adapter)(edited).matrix(edit.layer, edit.matrix)
            matrix.write(without_terms(matrix.read(), edit.dropped))
        with torch.no_grad():
            rows = [edited(torch.tensor([p.tokens])).logits[0, -1] for p in prompts]
        p = torch.stack(rows).float().softmax(-1)
        ranked = p.sort(descending=True)
        found.append((p.gather(1, watched), ranked.indices[:, :top], ranked.values[:, :top]))
    return measured(edits, found)


@dataclass(frozen=True, kw_only=True, eq=False)
class PlainRun:
    """What a model of L blocks with H heads did on one prompt of T tokens.

    patterns: attention, from position (T) to position (T); values: what is attended to; z: each head's sum of them
    x: the residual stream that left the last block; logits: of the next token, after each position
    """

    patterns: Float[Tensor, "L H T T"]
    values: Float[Tensor, "L H T d_head"]
    z: Float[Tensor, "L H T d_head"]
    x: Float[Tensor, "T d"]
    logits: Float[Tensor, "T N"]


@torch.no_grad()
def run_plainly(
    llama: Any, tokens: Int[Tensor, "T"], replaced: Mapping[Head, Tensor] | None = None, at: int = -1
) -> PlainRun:
    """A Llama on one prompt; the heads of `replaced` write what is given there instead, at position `at`."""
    T, config, parts = len(tokens), llama.config, []
    later = torch.ones(T, T, dtype=torch.bool).triu(1)
    x = llama.model.embed_tokens(tokens)
    for layer, block in enumerate(llama.model.layers):
        attention, mlp = block.self_attn, block.mlp
        h = rms_norm(x, block.input_layernorm)
        heads = [project(h).view(T, -1, attention.head_dim).transpose(0, 1)
                 for project in (attention.q_proj, attention.k_proj, attention.v_proj)]  # fmt: skip
        q, k, v = (part.repeat_interleave(config.num_attention_heads // len(part), 0) for part in heads)
        q, k = (rotated(part, config.rope_parameters["rope_theta"]) for part in (q, k))
        scores = q @ k.mT / math.sqrt(attention.head_dim)
        pattern = scores.masked_fill(later, -math.inf).softmax(-1)
        z = pattern @ v
        for (number, head), mean in (replaced or {}).items():
            if number == layer:
                z[head, at] = mean
        x = x + attention.o_proj(z.transpose(0, 1).flatten(1))
        h = rms_norm(x, block.post_attention_layernorm)
        x = x + mlp.down_proj(nn.functional.silu(mlp.gate_proj(h)) * mlp.up_proj(h))
        parts.append((pattern, v, z))
    patterns, values, zs = (torch.stack(part) for part in zip(*parts, strict=True))
    logits = llama.lm_head(rms_norm(x, llama.model.norm))
    return PlainRun(patterns=patterns, values=values, z=zs, x=x, logits=logits)


def rms_norm(x: Float[Tensor, "T d"], norm: Any) -> Float[Tensor, "T d"]:
    """The vectors divided by their root mean square, times the norm's gains."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + norm.variance_epsilon) * norm.weight


def rotated(x: Float[Tensor, "H T d_head"], base: float) -> Float[Tensor, "H T d_head"]:
    """Coordinate pair i of position t (from 0) turned by the angle t / base^(2i / d_head)."""
    T, d_head = x.shape[-2:]
    angle = torch.arange(T)[:, None] / base ** (torch.arange(0, d_head, 2) / d_head)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)


@torch.no_grad()
def probe_plainly(llama: Any, group: IOIPrompts, row: int, head: Head, names: Sequence[int]) -> dict[str, float]:
    """What one head does on one prompt; `names` are the tokens of all names that prompts have."""
    IO, S, IO_at, S1_at, S2_at = (int(part[row]) for part in (group.IO, group.S, group.IO_at, group.S1_at, group.S2_at))
    run, (layer, number) = run_plainly(llama, group.tokens[row]), head
    pattern, norm, W_U = run.patterns[head], llama.model.norm, llama.lm_head.weight
    W_O = llama.model.layers[layer].self_attn.o_proj.weight.view(W_U.shape[1], -1, run.z.shape[-1])[:, number]
    # what it writes at END; and what it would write if it attended to IO alone
    written, moved = W_O @ run.z[head][-1], W_O @ run.values[head][IO_at]
    scale = torch.sqrt(run.x[-1].square().mean() + norm.variance_epsilon)
    raised = {name: float(W_U[name] @ (moved * norm.weight)) for name in names}
    others = [logit for name, logit in raised.items() if name != IO]
    return {
        "IO": float(pattern[-1, IO_at]),
        "S1": float(pattern[-1, S1_at]),
        "S2": float(pattern[-1, S2_at]),
        "duplicate": float(pattern[S2_at, S1_at]),
        "induction": float(pattern[S2_at, S1_at + 1]),
        "previous": float(pattern.diagonal(-1).mean()),
        "copying": float(raised[IO] > sum(others) / len(others)),
        "direct": float((written * norm.weight) @ (W_U[IO] - W_U[S]) / scale),
    }


def knock_out_plainly(llama: Any, group: IOIPrompts, heads: Sequence[Head], at: int = -1) -> Float[Tensor, "n"]:
    """The logit of IO minus that of S, heads replaced at position `at` by their means over pABC."""
    runs = [run_plainly(llama, tokens) for tokens in group.abc]
    means = {head: torch.stack([run.z[head][at] for run in runs]).mean(0) for head in heads}
    found = []
    for tokens, IO, S in zip(group.tokens, group.IO, group.S, strict=True):
        logits = run_plainly(llama, tokens, replaced=means, at=at).logits[-1]
        found.append(logits[IO] - logits[S])
    return torch.stack(found)


def train_english_plainly(how: EnglishSettings) -> nn.Module:
    """The model of one run after its last update."""
    model, training, generator = how.build(), how.training, settings.generator(*how.seed_key, 1)
    adamw = torch.optim.AdamW(model.parameters(), weight_decay=training.weight_decay)
    for step in range(training.steps):
        batch = english.sample(how.task, training.batch_size, generator)
        logits = model(batch.inputs).logits
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
        adamw.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), training.clip_norm or math.inf)
        adamw.param_groups[0]["lr"] = training.lr * min(1, (step + 1) / max(1, training.warmup))
        adamw.step()
    return model
