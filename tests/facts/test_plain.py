"""The fast trainings against the plain ones, one model at a time on the same batches."""

import dataclasses
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from mechbook.facts.dynamics import descend
from mechbook.facts.gpt import initial_gpt
from mechbook.facts.knowledge import KnowledgeSettings, train_people
from mechbook.facts.model import FactConfig, head_tables, initial_weights, linear_logits, softmax_logits, stack
from mechbook.facts.people import draw_people
from mechbook.facts.plain import descend_one, learn_people, train_one
from mechbook.facts.stack_training import StackSettings, train_stack
from mechbook.facts.task import CountBatch, FactTask, random_task, structured_answers
from mechbook.facts.task_stack import FactStack, StackBatch
from mechbook.shared.vanilla import VanillaTransformer


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def of_model(batch: StackBatch, g: int) -> CountBatch:
    """What model g of a stack is given."""
    return CountBatch(counts=batch.counts[g], s=batch.s[g], r=batch.r[g], targets=batch.targets[g])


def test_a_stack_trains_each_model_as_it_would_be_trained_alone() -> None:
    """Oracle: `train_one` on the same batches, for each of two models; its losses fall."""
    how = StackSettings(steps=25, batch_size=32, rates=(1e-2,))
    tasks = [random_task(5, generator(seed), D=3, T=9) for seed in (1, 2)]
    config = FactConfig(V=tasks[0].V, A=tasks[0].A, d=11, H=2, d_h=3, m=7)
    alone = [initial_weights(config, generator(seed)) for seed in (3, 4)]
    together, draws = stack(alone), FactStack(tasks)
    train_stack(tasks, together, how, 1e-2, generator(5))
    for g, weights in enumerate(alone):
        losses = train_one(
            weights, lambda random, g=g: of_model(draws.sample_counts(32, random), g), how, 1e-2, generator(5)
        )
        assert len(losses) == 25 and sum(losses[-9:]) < sum(losses[:9])
        for name in ("W_Q", "W_K", "W_V", "W_O", "W_in", "b_in", "W_out"):
            found, expected = getattr(together, name)[g], getattr(weights, name)
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4, msg=name)


def small_stack(G: int = 2) -> FactStack:
    answers = structured_answers(6, 5, 3)
    return FactStack([FactTask(S=6, R=5, D=3, T=9, n_noise=7, answers=answers)] * G)


def batches(together: FactStack, count: int) -> list[StackBatch]:
    drawn = [together.sample_counts(19, generator(seed)) for seed in range(count)]
    return [dataclasses.replace(batch, counts=batch.counts.double()) for batch in drawn]


def test_steps_on_tables_are_steps_on_the_matrices() -> None:
    """Oracle: `descend_one` on W_OV and W_KQ e_EOS themselves, in float64, for three steps of two models."""
    together, d = small_stack(), 11
    E, U = (torch.randn(2, n, d, generator=generator(n), dtype=torch.float64) for n in (together.V, together.A))
    W_OV = torch.randn(2, d, d, generator=generator(1), dtype=torch.float64)
    key = torch.randn(2, d, generator=generator(2), dtype=torch.float64)
    tables, kernels, drawn = head_tables(E, U, W_OV, key), (E @ E.mT, U @ U.mT), batches(together, 3)
    for batch in drawn:
        descend(softmax_logits, tables, kernels, batch, 0.3)
    for g in range(2):

        def logits(W_OV: Any, key: Any, counts: Any, g: int = g) -> Any:
            return softmax_logits(*head_tables(E[g], U[g], W_OV, key), counts)

        descend_one(logits, (W_OV[g], key[g]), [of_model(batch, g) for batch in drawn], 0.3)
    for found, expected in zip(tables, head_tables(E, U, W_OV, key), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_steps_with_one_hot_embeddings_are_plain_descent() -> None:
    """Oracle: `descend_one` for each of three models; its losses are the cross-entropies before each step."""
    together = small_stack(3)
    values = torch.randn(3, together.V, together.A, generator=generator(1), dtype=torch.float64)
    weights = torch.randn(3, together.V, generator=generator(2), dtype=torch.float64)
    alone, drawn = (values.clone(), weights.clone()), batches(together, 4)
    first = [
        F.cross_entropy(linear_logits(values[g], weights[g], drawn[0].counts[g]), drawn[0].targets[g])
        for g in (0, 1, 2)
    ]
    for batch in drawn:
        descend(linear_logits, (values, weights), None, batch, 0.2)
    for g in range(3):
        losses = descend_one(linear_logits, (alone[0][g], alone[1][g]), [of_model(batch, g) for batch in drawn], 0.2)
        assert len(losses) == 4 and losses[0] == pytest.approx(float(first[g]), abs=1e-12)
        torch.testing.assert_close(values[g], alone[0][g], rtol=0, atol=1e-12)
        torch.testing.assert_close(weights[g], alone[1][g], rtol=0, atol=1e-12)


def test_people_are_learned_as_by_one_gpt_alone() -> None:
    """Oracle: `learn_people` on the vanilla transformer, for each of two models, in the same orders."""
    how = KnowledgeSettings(shape=(1, 6, 3), N=23, exposures=3, batch_size=10, lr=1e-2, seeds=2)
    everyone = torch.stack([draw_people(how.people(), generator(seed)) for seed in (1, 2)])
    weights = initial_gpt(how.config(), 2, generator(3))
    before = {name: values.detach().clone() for name, values in weights.items()}
    train_people(weights, everyone, how, generator(4))
    stream = generator(4)
    orders = [torch.rand(2, 23, generator=stream).argsort(1) for _ in range(3)]
    for g in range(2):
        alone = VanillaTransformer(how.config(), generator(0))
        alone.load_state_dict({name: values[g] for name, values in before.items()})
        losses = learn_people(alone, everyone[g], [order[g] for order in orders], how)
        assert len(losses) == 9
        for name, expected in alone.state_dict().items():
            moved = float((expected - before[name][g]).abs().max())
            assert float((weights[name][g].detach() - expected).abs().max()) < 1e-2 * moved, name
