"""The hand-built induction head: it is equation (7), and it solves the task without a training step."""

import math

import pytest
import torch

from mechbook.induction.construction import bigram_memory, induction_head
from mechbook.induction.metrics import accuracy
from mechbook.shared.bigrams import sample, shakespeare_task
from mechbook.shared.recall import feed_forward_kl, recall_W_K1, recall_W_K2, recall_W_O2
from mechbook.shared.shakespeare import load_counts


def solved(model, task, *, seed=0, batch_size=48):
    """Accuracy over in-context positions of the sequences whose first token is no trigger."""
    batch = sample(task, batch_size, torch.Generator().manual_seed(seed))
    where = batch.in_context & ~batch.is_trigger[:, :1]
    with torch.no_grad():
        return accuracy(model(batch.inputs), batch.targets, where).item()


def test_matrices_are_the_sums_of_equation_7():
    # Oracle: outer products added one at a time, from the model's own embeddings.
    N, T, d = 5, 7, 11
    triggers, scales = (3, 1), (2.0, 3.0, 5.0)
    model = induction_head(N, T, d, triggers=triggers, generator=torch.Generator().manual_seed(1), scales=scales)
    W_E, W_U, P = model.W_E.double(), model.W_U.double(), model.P.double()
    W_K1 = sum(torch.outer(P[t], P[t - 1]) for t in range(1, T)) * scales[0] * math.sqrt(d)
    remapped = (model.W_O1 @ model.W_V1).double()
    W_K2 = sum(torch.outer(W_E[k], remapped @ W_E[k]) for k in triggers) * scales[1] * math.sqrt(d)
    W_O2 = sum(torch.outer(W_U[k], model.W_V2.double() @ W_E[k]) for k in range(N)) * scales[2]
    for name, expected in (("W_K1", W_K1), ("W_K2", W_K2), ("W_O2", W_O2)):
        torch.testing.assert_close(getattr(model, name).double(), expected, atol=1e-5, rtol=1e-5)
    for rows in (W_E, W_U, P):
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(rows)).double(), atol=1e-6, rtol=0)
    assert not any(p.requires_grad for p in model.parameters())


def test_it_solves_the_task_with_fixed_triggers():
    # Oracle: Birth section 4.2, accuracy 1; three seeds of embeddings.
    task = shakespeare_task(T=64, K=5, triggers="frequent")
    for seed in range(3):
        model = induction_head(65, 64, 512, triggers=task.triggers, generator=torch.Generator().manual_seed(seed))
        assert solved(model, task, seed=seed) >= 0.99


def test_it_solves_the_task_with_random_triggers():
    # Oracle: equation (7) with Q the support of pi_q.
    task = shakespeare_task(T=64, K=5)
    model = induction_head(65, 64, 1024, triggers=range(65), generator=torch.Generator().manual_seed(1))
    assert solved(model, task) >= 0.99
    assert recall_W_K1(model) == recall_W_K2(model) == recall_W_O2(model) == 1.0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_trigger_at_the_first_position_is_the_known_exception(seed):
    # Oracle: layer 2's attention at a later occurrence. Position 0 is its own predecessor, so it holds the trigger's
    # key as positions 1 and 4 do: thirds, up to a factor from the keys' unequal norms (a soft scale keeps it small).
    model = induction_head(
        11,
        13,
        1021,
        triggers=(2,),
        generator=torch.Generator().manual_seed(seed),
        scales=(30.0, 8.0, 10.0),
        embeddings="orthonormal",
    )
    z = torch.tensor([[2, 4, 7, 2, 4, 9, 3, 8, 2], [5, 4, 7, 2, 4, 9, 3, 8, 2]])
    attention = model.trace(z).attention[1][:, -1]
    assert bool((attention[0, [0, 1, 4]] > 0.1).all()) and attention[0, [0, 1, 4]].sum() > 0.98
    assert attention[1, 4] > 0.98


@pytest.mark.parametrize(
    ("feed_forward", "embeddings", "d", "at_least", "at_most"),
    [
        ("after_layer_2", "orthonormal", 256, 0.97, 1.0),
        ("before_attention", "orthonormal", 256, 0.99, 1.0),
        ("before_attention", "random", 512, 0.99, 1.0),
        ("after_layer_2", "random", 512, 0.0, 0.8),
    ],
)
def test_where_the_feed_forward_may_read(feed_forward, embeddings, d, at_least, at_most):
    # Oracle: equation (8) after layer 2 needs orthonormal embeddings, because it reads what layer 2 wrote as well.
    task = shakespeare_task(T=64, K=5, triggers="frequent")
    model = induction_head(
        65,
        64,
        d,
        triggers=task.triggers,
        generator=torch.Generator().manual_seed(5),
        pi_b=load_counts().pi_b,
        feed_forward=feed_forward,
        embeddings=embeddings,
    )
    assert at_least <= solved(model, task) <= at_most


def test_bigram_memory_recovers_the_bigrams():
    # Oracle: with orthonormal embeddings softmax(W_U W_F w_E(k)) is pi_b's row, float64; rows left out become uniform.
    N, d = 7, 17
    generator = torch.Generator().manual_seed(6)
    W_E, W_U = torch.linalg.qr(torch.randn(d, 2 * N, generator=generator, dtype=torch.float64)).Q.T.split(N)
    pi_b = torch.rand(N, N, generator=generator, dtype=torch.float64) + 0.1
    pi_b = pi_b / pi_b.sum(1, keepdim=True)
    predicted = (W_U @ bigram_memory(W_E, W_U, pi_b) @ W_E.T).T.softmax(1)
    torch.testing.assert_close(predicted, pi_b, atol=1e-12, rtol=0)
    assert feed_forward_kl(bigram_memory(W_E, W_U, pi_b), W_E, W_U, pi_b).item() == pytest.approx(0.0, abs=1e-12)
    without = (W_U @ bigram_memory(W_E, W_U, pi_b, leave_out=(2, 4)) @ W_E.T).T.softmax(1)
    torch.testing.assert_close(without[[2, 4]], torch.full((2, N), 1 / N, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(without[[0, 6]], pi_b[[0, 6]], atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(triggers=(1, 5)), r"the trigger 5 is outside the vocabulary 0\.\.4\."),
        (dict(triggers=(1, 1)), r"the triggers \(1, 1\) repeat a token"),
        (dict(feed_forward="after_layer_2"), "feed_forward is 'after_layer_2' with no pi_b"),
        (dict(pi_b=torch.full((5, 5), 0.2)), "feed_forward is 'none' with a pi_b"),
        (dict(embeddings="orthonormal"), "17 orthonormal embeddings are asked for; in d = 11"),
        (
            dict(pi_b=torch.full((5, 5), 0.2), feed_forward="after_layer_2", smallest_probability=0.0),
            "smallest_probability is 0.0; it must be between 0 and 1",
        ),
    ],
)
def test_impossible_constructions_are_refused(changes, message):
    # Oracle: the sentences.
    with pytest.raises(ValueError, match=message):
        induction_head(5, 7, 11, **(dict(triggers=(1,), generator=torch.Generator()) | changes))
