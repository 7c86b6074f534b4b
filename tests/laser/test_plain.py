"""The plain definitions of chapter 5, which its other tests take as oracles, against transformers and against numpy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mechbook.laser.data.ioi import IOIPrompts
from mechbook.laser.ioi.knockout import Knockout, knock_out, template_means
from mechbook.laser.ioi.probes import head_scores
from mechbook.laser.plain import knock_out_plainly, probe_plainly, run_plainly, without_terms
from mechbook.pretrained.architectures import adapt


@pytest.fixture(scope="module")
def llama(tiny_model: Callable[..., Path]) -> Any:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model("llama"), dtype=torch.float64).eval()
    model.set_attn_implementation("eager")
    return model


def group(seed: int, n: int = 5, T: int = 11) -> IOIPrompts:
    """Prompts without words: names 3 to 9 at places 2, 4 and 7, other tokens above 9."""
    random = torch.Generator().manual_seed(seed)
    IO, S = torch.stack([torch.randperm(7, generator=random)[:2] + 3 for _ in range(n)]).T
    rows, ABBA = torch.randint(10, 60, (n, T), generator=random), torch.arange(n) % 2 == 0
    rows[:, 2], rows[:, 4], rows[:, 7] = torch.where(ABBA, IO, S), torch.where(ABBA, S, IO), S
    return IOIPrompts(
        template="", texts=("",) * n, tokens=rows, abc=torch.randint(3, 60, (n, T), generator=random), IO=IO, S=S,
        IO_at=torch.where(ABBA, 2, 4), S1_at=torch.where(ABBA, 4, 2), S2_at=torch.full((n,), 7), is_ABBA=ABBA,
    )  # fmt: skip


def test_a_plain_run_is_transformers_own(llama: Any) -> None:
    """Oracle: transformers' logits, attention weights and hidden states, and the adapter's records, on one prompt."""
    tokens = group(1).tokens[0]
    run, records = run_plainly(llama, tokens), {}
    with torch.no_grad():
        whole = llama(tokens[None], output_attentions=True)
    # transformers computes RMSNorm, rotation and softmax in float32
    torch.testing.assert_close(run.logits, whole.logits[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(run.patterns, torch.stack(whole.attentions)[:, 0].double(), atol=1e-6, rtol=0)
    adapter = adapt(llama)
    out = adapter.run(adapter.embed(tokens[None]), record=records)
    torch.testing.assert_close(run.x, out[0], atol=1e-5, rtol=0)
    for layer, block in records.items():
        torch.testing.assert_close(run.z[layer].transpose(0, 1), block.z[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(run.values[layer, ::3], block.values[0], atol=1e-5, rtol=0)


def test_the_scores_of_all_heads_are_those_of_single_heads_and_prompts(llama: Any) -> None:
    """Oracle: `probe_plainly`, a loop over heads and prompts."""
    groups = [group(2), group(3, n=3)]
    scores = head_scores(adapt(llama), groups)
    names = sorted({int(token) for each in groups for token in (*each.IO, *each.S)})
    for head in ((0, 0), (1, 4), (2, 5)):
        rows = [probe_plainly(llama, each, row, head, names) for each in groups for row in range(len(each.IO))]
        for name in rows[0]:
            mean = sum(row[name] for row in rows) / len(rows)
            assert float(getattr(scores, name)[head]) == pytest.approx(mean, abs=1e-5), (head, name)


@pytest.mark.parametrize(("place", "at"), [("END", -1), ("S2", 7)])
def test_a_knockout_that_reuses_a_run_is_that_of_whole_runs(llama: Any, place: Any, at: int) -> None:
    """Oracle: `knock_out_plainly`, every prompt anew from its first token."""
    each, heads, adapter = group(4), ((0, 2), (1, 5), (1, 0)), adapt(llama)
    fast = knock_out(adapter, [each], template_means(adapter, [each]), {"set": Knockout(heads=heads, place=place)})
    plain = knock_out_plainly(llama, each, heads, at)
    torch.testing.assert_close(fast["set"].difference, plain, atol=1e-5, rtol=0)
    assert not torch.allclose(fast["none"].difference, plain, atol=1e-3)


def test_dropped_terms_are_gone() -> None:
    """Oracle: numpy's decomposition, the other terms added one by one."""
    W = torch.randn(7, 5, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    U, s, Vh = np.linalg.svd(W.numpy(), full_matrices=False)
    expected = sum(s[i] * np.outer(U[:, i], Vh[i]) for i in (0, 2, 4))
    torch.testing.assert_close(without_terms(W, (1, 3)), torch.from_numpy(expected), atol=1e-12, rtol=0)
