"""Figure 10's architecture against its formula, its probe against a loop, and its runs against the plain loop."""

from dataclasses import replace

import pytest
import torch
from torch import Generator
from torch.nn import functional as F

from mechbook.core import settings
from mechbook.core.training.plain import train_plainly
from mechbook.core.training.settings import TrainingSettings
from mechbook.induction.metrics import in_context_accuracy
from mechbook.induction.realistic import ALL_KEYS, RealisticSettings, RealisticTransformer, recall_W_K1_all_keys
from mechbook.induction.runs import BATCHES, FRESH
from mechbook.shared.bigrams import sample
from mechbook.shared.vanilla import VanillaConfig
from mechbook.shared.vanilla_recall import vanilla_recall_W_K1

CONFIG = VanillaConfig(N=11, T=13, d=7, position_std=1.0)
SPEC = RealisticSettings(
    T=9,
    K=3,
    d=8,
    training=TrainingSettings(steps=3, batch_size=5, optimizer="sgd", lr=0.1, loss_on="all"),
    seed_key=(97, 1),
)


def model(seed: int = 0) -> RealisticTransformer:
    return RealisticTransformer(CONFIG, Generator().manual_seed(seed)).double()


def test_the_first_layer_is_attention_alone() -> None:
    """Oracle: both layers written out with torch's own attention; layer 1 has no MLP and no weights for one."""
    m, z = model(), torch.randint(11, (3, 13), generator=Generator().manual_seed(1))
    x = m.W_E[z] + m.P
    for number, block in enumerate(m.blocks):
        y = F.layer_norm(x, (7,), block.norm_1.weight, block.norm_1.bias)
        q, k, v = (y @ W.T for W in (block.W_Q, block.W_K, block.W_V))
        x = x + F.scaled_dot_product_attention(q, k, v, is_causal=True) @ block.W_O.T
        if number == 1:
            y = F.layer_norm(x, (7,), block.norm_2.weight, block.norm_2.bias)
            x = x + (y @ block.W_in.T + block.b_in).relu() @ block.W_out.T + block.b_out
    expected = F.layer_norm(x, (7,), m.norm.weight, m.norm.bias) @ m.W_U.T
    torch.testing.assert_close(m(z), expected, atol=1e-10, rtol=0)
    torch.testing.assert_close(m.trace(z).logits, expected, atol=1e-10, rtol=0)
    assert {name for name, _ in m.blocks[0].named_parameters()} == {
        "norm_1.weight", "norm_1.bias", "W_Q", "W_K", "W_V", "W_O",
    }  # fmt: skip


@pytest.mark.parametrize("window", [None, (1, 4), (5, 11)])
def test_recall_over_all_keys_against_a_loop(window) -> None:
    """Oracle: queries and keys of layer 1, one by one; positions are made to find their predecessor now and then."""
    m, block = model(3), model(3).blocks[0]
    p = F.layer_norm(m.P, (7,), m.blocks[0].norm_1.weight, m.blocks[0].norm_1.bias)
    wanted = sum(torch.outer(p[t], p[t - 1]) for t in range(2, 13, 3)).detach()
    with torch.no_grad():
        m.blocks[0].W_Q.copy_(torch.eye(7, dtype=torch.float64))
        m.blocks[0].W_K.copy_((wanted + 0.1 * block.W_K).T @ torch.eye(7, dtype=torch.float64))
        m.blocks[0].W_K.copy_(wanted + 0.1 * block.W_K)
    queries, keys = p @ m.blocks[0].W_Q.T, p @ m.blocks[0].W_K.T
    start, stop = window or (1, 13)
    hits = [int((keys @ queries[t]).argmax()) == t - 1 for t in range(start, stop)]
    found = float(recall_W_K1_all_keys(m, window))
    assert found == pytest.approx(sum(hits) / len(hits), abs=1e-12) and found > 0
    assert found <= float(vanilla_recall_W_K1(m, window)[0])


def test_an_impossible_window_is_refused() -> None:
    with pytest.raises(ValueError, match="between 1 and 13"):
        recall_W_K1_all_keys(model(), (0, 3))


def test_a_run_is_the_plain_loop_s(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the definition of training, on the same weights and batches; then accuracy on fresh sequences."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    run, other, task = SPEC.run(), SPEC.build(), SPEC.task()
    train_plainly(
        other, lambda random: sample(task, 5, random), SPEC.training, settings.generator(*SPEC.seed_key, BATCHES)
    )
    for name, value in other.state_dict().items():
        torch.testing.assert_close(run.final[name], value, atol=1e-6, rtol=1e-5)
    assert run.steps == [0, 3] and {"W_O2", "W_K2", "W_K2_weighted", "W_K1", ALL_KEYS, "loss"} <= set(run.values)
    fresh = sample(task, 512, settings.generator(*SPEC.seed_key, FRESH))
    other.load_state_dict(run.final)
    assert SPEC.accuracy() == float(in_context_accuracy(other(fresh.inputs), fresh))


@pytest.mark.parametrize("change", [{"T": 10}, {"K": 2}, {"d": 4}, {"seed_key": (97, 2)}])
def test_every_setting_is_part_of_the_key(change) -> None:
    assert replace(SPEC, **change).key() != SPEC.key() == replace(SPEC).key()
