"""Chapter 6's training on a stand-in for an accelerator, and its device's sampler against the CPU's."""

import pytest
import torch
from scipy import stats

from mechbook.core import settings
from mechbook.facts import dynamics, knowledge
from mechbook.facts.dynamics import DynamicsSettings, Model
from mechbook.facts.knowledge import KnowledgeSettings
from mechbook.facts.model import FactConfig, initial_weights, placed, stack
from mechbook.facts.stack_training import StackSettings, train_stack
from mechbook.facts.task import FactTask, random_answers
from mechbook.facts.task_stack import FactStack
from mechbook.facts.task_stack_device import DeviceFactStack
from tests.devices import DEVICE, standing_in

g0 = torch.Generator().manual_seed(3)
# subjects, relations and noise of all different numbers
TASKS = [
    FactTask(S=S, R=R, D=2, T=7, n_noise=n_noise, answers=random_answers(S, R, 2, g0))
    for S, R, n_noise in ((3, 2, 7), (5, 4, 11))
]


def test_a_stack_is_trained_without_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    how, g = StackSettings(steps=4, batch_size=6, rates=(0.01,), test_size=8), torch.Generator().manual_seed(1)
    together = FactStack(TASKS)
    config = FactConfig(V=together.V, A=together.A, d=8, H=2, d_h=4, m=6)
    drawn = stack([initial_weights(config, g) for _ in TASKS])
    with standing_in(monkeypatch) as seen:
        weights = placed(drawn, DEVICE)
        seen.clear()
        train_stack(TASKS, weights, how, 0.01, g, hidden=torch.ones(2, 6))
    # to the device: three lists of sizes, the answers, which answers are possible, the widths; back: the accuracies
    seen.nothing_wrong(waits=7)


@pytest.mark.parametrize("model", ["linear", "softmax"])
def test_figure_5_is_read_at_its_end(monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    spec = DynamicsSettings(
        model=model, S=6, R=3, D=2, T=7, n_noise=5, d=8, lr=1.0, init=0.01, steps=6, batch_size=4, seeds=2,
        probe_every=2, test_size=8, checkpoints=3,
    )  # fmt: skip
    with standing_in(monkeypatch) as seen:
        dynamics._train(spec)
    # to the device: sizes (3), answers, two tables (for the softmax: two embeddings and two parameters); back: whether
    # two tables are finite, five scores, two checkpointed and two final tables
    to = 4 + (2 if model == "linear" else 4)
    seen.nothing_wrong(waits=to + 2 + 5 + 4)


def test_people_are_learned_without_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = KnowledgeSettings(shape=(1, 8, 2), N=6, exposures=2, batch_size=4, lr=1e-3, seeds=2)
    with standing_in(monkeypatch) as seen:
        everyone = torch.zeros(2, 6, spec.people().length, dtype=torch.int64, device=DEVICE)
        weights = knowledge.initial_gpt(spec.config(), 2, torch.Generator())
        weights = {name: values.to(DEVICE) for name, values in weights.items()}
        seen.clear()
        knowledge.train_people(weights, everyone, spec, torch.Generator())
    seen.nothing_wrong()


def test_the_devices_sampler_draws_what_the_cpus_does() -> None:
    """Oracle: `FactStack.sample_counts`; chi-square of subjects, relations and noise, level 0.001, fixed seeds."""
    together, B = FactStack(TASKS), 4000
    cpu = together.sample_counts(B, torch.Generator().manual_seed(1))
    there = DeviceFactStack(together, "cpu").sample_counts(B, torch.Generator().manual_seed(2))
    for g, task in enumerate(TASKS):
        for ours, theirs, size in ((there.s, cpu.s, task.S), (there.r, cpu.r, task.R)):
            table = torch.stack([torch.bincount(v[g], minlength=size) for v in (ours, theirs)])
            assert table.shape[1] == size and stats.chi2_contingency(table).pvalue > 1e-3
        first = together.S + together.R
        noise = [batch.counts[g, :, first:-1].sum(0) for batch in (there, cpu)]
        drawn = [row[: task.n_noise] for row in noise]
        assert all(float(row[task.n_noise :].sum()) == 0 for row in noise)
        assert stats.chi2_contingency(torch.stack(drawn)).pvalue > 1e-3


def test_the_devices_counts_are_of_sequences_with_their_facts() -> None:
    """Oracle: the task itself: T tokens, one EOS, the subject and the relation once, the true answer."""
    together = FactStack(TASKS)
    batch = DeviceFactStack(together, "cpu").sample_counts(50, torch.Generator().manual_seed(2))
    assert bool((batch.counts.sum(-1) == together.T).all()) and bool((batch.counts[..., -1] == 1).all())
    for g, task in enumerate(TASKS):
        for b in range(50):
            s, r = int(batch.s[g, b]), int(batch.r[g, b])
            assert int(batch.targets[g, b]) == int(task.answers[s, r])
            said = batch.counts[g, b, : together.S + together.R].nonzero().flatten().tolist()
            assert said == [s, together.S + r]
    with pytest.raises(ValueError, match="batch_size is 0; it must be at least 1"):
        DeviceFactStack(together, "cpu").sample_counts(0, settings.generator(1))
