"""Recall of the vanilla transformer against loops over tokens, positions and heads, and a model built to remember."""

import pytest
import torch
from torch.nn.functional import layer_norm

from mechbook.shared.vanilla import VanillaConfig, VanillaTransformer
from mechbook.shared.vanilla_recall import vanilla_recall_W_K1, vanilla_recall_W_K2, vanilla_recall_W_O2

N, T, d, H = 7, 11, 12, 3
SIZE = d // H


def build(**changes):
    config = VanillaConfig(**(dict(N=N, T=T, d=d, n_heads=H, position_std=1.0) | changes))
    model = VanillaTransformer(config, torch.Generator().manual_seed(1)).double()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" in name:
                p.add_(torch.randn(p.shape, generator=generator, dtype=p.dtype) * 0.3)
    return model


def norm(module, x):
    return layer_norm(x, (d,), module.weight, module.bias, module.eps)


def best(scores):
    return max(range(len(scores)), key=lambda j: scores[j].item())


def head(h):
    return slice(h * SIZE, (h + 1) * SIZE)


@pytest.mark.parametrize("window", [None, (3, 9)])
def test_W_K1_matches_a_loop(window):
    # Oracle: each head's scores of single positions, keys up to the query; memories half written into W_Q and W_K.
    model = build()
    block = model.blocks[0]
    p = [norm(block.norm_1, model.P[t]) for t in range(T)]
    with torch.no_grad():
        # head 1 maps p_t and p_{t-1} to nearly the same key
        stacked = torch.stack(p)
        code = torch.randn(T, SIZE, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        block.W_K[head(1)] = torch.linalg.lstsq(stacked, code).solution.T
        block.W_Q[head(1)] = torch.linalg.lstsq(stacked[1:], code[:-1]).solution.T
    start, stop = window or (1, T)
    expected = []
    for h in range(H):
        hits = []
        for t in range(start, stop):
            scores = [(block.W_Q[head(h)] @ p[t]) @ (block.W_K[head(h)] @ p[s]) for s in range(t + 1)]
            hits.append(best(scores) == t - 1)
        expected.append(sum(hits) / len(hits))
    assert vanilla_recall_W_K1(model, window).tolist() == pytest.approx(expected)
    assert max(expected) > 0.4 and len(set(expected)) > 1


@pytest.mark.parametrize("first_head", [None, 0, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_W_K2_matches_a_loop(first_head, weighted):
    # Oracle: keys made one token and one first-layer head at a time.
    model = build()
    first, second = model.blocks
    written = []
    for j in range(N):
        x = norm(first.norm_1, model.W_E[j])
        heads = range(H) if first_head is None else [first_head]
        written.append(sum(first.W_O[:, head(h)] @ (first.W_V[head(h)] @ x) for h in heads))
    with torch.no_grad():
        # head 0 reads queries and keys as codes of the token
        code = torch.randn(N, SIZE, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
        second.W_Q[head(0)] = torch.linalg.lstsq(norm(second.norm_1, model.W_E), code).solution.T
        second.W_K[head(0)] = torch.linalg.lstsq(norm(second.norm_1, torch.stack(written)), code).solution.T
    weights = torch.arange(1.0, N + 1) if weighted else None
    expected = []
    for h in range(H):
        hits = []
        for k in range(N):
            query = second.W_Q[head(h)] @ norm(second.norm_1, model.W_E[k])
            hits.append(best([query @ (second.W_K[head(h)] @ norm(second.norm_1, written[j])) for j in range(N)]) == k)
        w = weights.tolist() if weights is not None else [1.0] * N
        expected.append(sum(a * b for a, b in zip(hits, w, strict=True)) / sum(w))
    assert vanilla_recall_W_K2(model, weights, first_head).tolist() == pytest.approx(expected)
    assert max(expected) > 0.4 and len(set(expected)) > 1


@pytest.mark.parametrize("weighted", [False, True])
def test_W_O2_matches_a_loop(weighted):
    # Oracle: each head's output for one token alone, final LayerNorm, logits.
    model = build()
    block = model.blocks[1]
    with torch.no_grad():
        read = norm(block.norm_1, model.W_E) @ block.W_V[head(2)].T
        block.W_O[:, head(2)] = torch.linalg.lstsq(read, 3 * model.W_U).solution.T
    weights = torch.arange(1.0, N + 1) if weighted else None
    expected = []
    for h in range(H):
        hits = []
        for k in range(N):
            out = block.W_O[:, head(h)] @ (block.W_V[head(h)] @ norm(block.norm_1, model.W_E[k]))
            hits.append(best(model.W_U @ norm(model.norm, out)) == k)
        w = weights.tolist() if weights is not None else [1.0] * N
        expected.append(sum(a * b for a, b in zip(hits, w, strict=True)) / sum(w))
    assert vanilla_recall_W_O2(model, weights).tolist() == pytest.approx(expected)
    assert len(set(expected)) > 1


def test_one_layer_and_empty_windows_are_refused():
    # Oracle: the sentences.
    model = build(n_layers=1)
    for probe in (vanilla_recall_W_K2, vanilla_recall_W_O2):
        with pytest.raises(ValueError, match="the model has 1 layers; this probe needs at least 2"):
            probe(model)
    with pytest.raises(ValueError, match=r"the window is \(0, 3\); it must hold positions between 1 and 11"):
        vanilla_recall_W_K1(model, (0, 3))
