"""Statistics of maps against textbook cases and a loop; measurements on a run small enough to redo by hand."""

from dataclasses import replace

import pytest
import torch
from scipy import stats

from mechbook.core import settings
from mechbook.core.training.settings import TrainingSettings
from mechbook.induction import measurements
from mechbook.induction.runs import InductionSettings
from mechbook.shared.bigrams import sample, shakespeare_task
from mechbook.shared.simplified import SimplifiedConfig
from mechbook.shared.vanilla import VanillaConfig

T = 11
TRAINING = TrainingSettings(steps=3, batch_size=5, optimizer="sgd", lr=0.1)
SIMPLE = InductionSettings(
    T=T,
    K=3,
    model=SimplifiedConfig(N=65, T=T, d=13),
    training=TRAINING,
    seed_key=(99, 1),
    probe_every=1,
    checkpoint_steps=(0, 2),
)
HEADS = replace(SIMPLE, model=VanillaConfig(N=65, T=T, d=14, n_heads=2), checkpoint_steps=())


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))


def test_diagonal_separation_of_a_known_matrix():
    # Oracle: the diagonal lies 7 above a rest whose sample deviation the statistics module gives.
    matrix = torch.randn(17, 17, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    off = [float(matrix[i, j]) for i in range(17) for j in range(17) if i != j]
    mean = sum(off) / len(off)
    deviation = (sum((x - mean) ** 2 for x in off) / (len(off) - 1)) ** 0.5
    matrix.fill_diagonal_(mean + 7 * deviation)
    assert measurements.diagonal_separation(matrix) == pytest.approx(7, abs=1e-10)


def test_rank_correlation_is_spearmans_with_fishers_interval():
    # Oracle: scipy's own Spearman; the interval from tanh(atanh r - 1.96 / sqrt(n - 3)).
    g = torch.Generator().manual_seed(1)
    x = torch.rand(29, generator=g)
    y = x**3 + 0.3 * torch.rand(29, generator=g)
    r, low = measurements.rank_correlation(x, y)
    assert r == pytest.approx(stats.spearmanr(x.numpy(), y.numpy()).statistic, abs=1e-10)
    z = torch.atanh(torch.tensor(r, dtype=torch.float64)) - stats.norm.ppf(0.975) / 26**0.5
    assert low == pytest.approx(float(torch.tanh(z)), abs=1e-10)
    assert measurements.rank_correlation(x, -x)[0] == pytest.approx(-1)


def test_trained_gives_the_weights_of_a_checkpoint_or_of_the_end():
    run = SIMPLE.run()
    for step, state in ((None, run.final), (0, run.checkpoints[0]), (2, run.checkpoints[2])):
        for name, value in measurements.trained(SIMPLE, step).state_dict().items():
            assert torch.equal(value.cpu(), state[name]), (step, name)
    with pytest.raises(KeyError):
        measurements.trained(SIMPLE, 1)


def test_fresh_sequences_are_not_those_of_the_training():
    # Oracle: the generator the run trains with gives other sequences; the same call gives the same ones.
    batch, again = measurements.fresh_batch(SIMPLE, 37), measurements.fresh_batch(SIMPLE, 37)
    seen = sample(SIMPLE.task(), 37, settings.generator(*SIMPLE.seed_key, 1))
    assert torch.equal(batch.z, again.z) and not torch.equal(batch.z.cpu(), seen.z)


def test_outputs_of_the_test_replace_the_tasks():
    # Oracle: under "bigram" every output is one that pi_b allows after its trigger; uniform ones are not, for long.
    task = SIMPLE.task()
    allowed = {
        kind: (task.pi_b[batch.triggers.cpu(), batch.outputs.cpu()] > 0).all().item()
        for kind in ("uniform", "bigram")
        for batch in [measurements.fresh_batch(SIMPLE, 100, outputs=kind)]
    }
    assert allowed == {"uniform": False, "bigram": True}


def test_accuracy_and_masses_against_loops():
    # Oracle: loops over the sequences, heads and positions of the same fresh batch.
    model, batch = measurements.trained(HEADS), measurements.fresh_batch(HEADS)
    trace = model.trace(batch.inputs)
    hits = [bool(trace.logits[b, t].argmax() == batch.targets[b, t]) for b, t in batch.in_context.nonzero().tolist()]
    assert measurements.accuracy(HEADS) == pytest.approx(sum(hits) / len(hits), abs=1e-6)
    masses = measurements.head_masses(HEADS)
    z = batch.inputs.tolist()
    for h in range(2):
        first, second = trace.attention[0][:, h], trace.attention[1][:, h]
        previous = [float(first[b, t, t - 1]) for b in range(64) for t in range(1, T)]
        assert float(first[:64].diagonal(-1, 1, 2).mean()) == pytest.approx(sum(previous) / len(previous), abs=1e-6)
        assert masses["previous"][h] == pytest.approx(float(first.diagonal(-1, 1, 2).mean()), abs=1e-6)
        for name, where in (
            ("induction", batch.in_context),
            ("repeats", ~batch.is_trigger & (batch.occurrence >= 2)),
        ):
            values = [
                sum(float(second[b, t, s]) for s in range(1, t + 1) if z[b][s - 1] == z[b][t])
                for b, t in where.nonzero().tolist()
            ]
            assert masses[name][h] == pytest.approx(sum(values) / len(values), abs=1e-5)


def test_preference_uses_the_fresh_batch():
    # Oracle: the probe itself on the batch; the numbers differ between trained models.
    found = measurements.preference(HEADS)
    assert all(-1 < float(value) < 1 for value in found) and found.outside > 0 < found.inside
    other = measurements.preference(replace(HEADS, seed_key=(99, 2)))
    assert float(other.outside) != float(found.outside)


def test_steps_that_were_not_reached_are_bounds_in_a_table() -> None:
    assert measurements.steps_in_words([10, 20, 60], 60) == "30"
    assert measurements.steps_in_words([10, 20, 61], 60) == "≥ 30.3, not within 60 in 1 of 3 seeds"
    assert measurements.steps_in_words([61, 61], 60) == "> 60 in every seed"
    assert measurements.steps_in_words([61], 60) == "> 60"


def test_the_subdiagonal_stands_out_by_a_loop():
    """Oracle: means and the deviation of the entries, key t - 1 for query t apart from all others, by a loop."""
    matrix = torch.randn(7, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    there = [float(matrix[t, t - 1]) for t in range(1, 7)]
    rest = [float(matrix[t, s]) for t in range(7) for s in range(7) if s != t - 1]
    mean = sum(rest) / len(rest)
    deviation = (sum((x - mean) ** 2 for x in rest) / (len(rest) - 1)) ** 0.5
    found = measurements.subdiagonal_separation(matrix)
    assert found == pytest.approx((sum(there) / 6 - mean) / deviation, abs=1e-10)


def test_even_attention_by_a_loop(monkeypatch):
    """Oracle: of each in-context query the share of the tokens so far that stand after an earlier equal one."""
    batch = sample(shakespeare_task(T=13, K=5), 11, torch.Generator().manual_seed(1))
    monkeypatch.setattr(measurements, "fresh_batch", lambda spec: batch)
    shares = []
    for z, wanted in zip(batch.inputs.tolist(), batch.in_context.tolist(), strict=True):
        for t in range(13):
            if wanted[t]:
                shares.append(sum(z[s - 1] == z[t] for s in range(1, t + 1)) / (t + 1))
    assert measurements.uniform_induction(SIMPLE) == pytest.approx(sum(shares) / len(shares), rel=1e-5)
