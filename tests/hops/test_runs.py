"""Cached runs on hops. Oracles: training without the cache, the streams' independence, the task's own targets."""

import dataclasses

import pytest
import torch

from mechbook.core import settings
from mechbook.hops.model import HopTransformer
from mechbook.hops.runs import CompositionSettings, HeadSettings, fresh, fresh_accuracy, trained
from mechbook.hops.streams import PURPOSES
from mechbook.hops.task import hop_head_targets, hop_targets
from mechbook.hops.training import HopTrainingSettings, train_hops

TRAINING = HopTrainingSettings(regime="mixture", steps=10, batch_size=3, record_every=5)
RUNS = CompositionSettings(n=3, k=2, training=TRAINING, seeds=(4, 2), n_layers=2, n_heads=2, d=12)
HEADS = HeadSettings(letters=3, T=7, hops=(1, 3), training=TRAINING, seeds=(0, 1), n_layers=2, n_heads=2, d=12)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    monkeypatch.setenv("MECHBOOK_DEVICE", "cpu")


@pytest.mark.parametrize("spec", [RUNS, HEADS])
def test_a_run_is_plain_training_from_its_streams(spec) -> None:
    """Oracle: `train_hops` on the model and batches that the streams give; float32, so to 1e-4."""
    results = spec.run()
    for seed, result in zip(spec.seeds, results, strict=True):
        model = HopTransformer(spec.config(), spec.stream(seed, "weights"))
        sample = spec.sampler(seed)
        alone = train_hops(model, lambda g, sample=sample: sample(3, g), TRAINING, spec.stream(seed, "batches"))
        assert alone.steps == result.steps == [5, 10]
        for name, values in alone.final.items():
            torch.testing.assert_close(result.final[name], values, rtol=1e-4, atol=1e-4)
        found = trained(spec, seed).state_dict()
        assert all(torch.equal(values, result.final[name]) for name, values in found.items())


def test_a_run_is_read_back_as_it_was() -> None:
    """Oracle: the first computation, bit for bit."""
    first, second = RUNS.run(), RUNS.run()
    for one, other in zip(first, second, strict=True):
        assert (one.steps, one.accuracy, one.loss, one.stages, one.solved, one.seen, one.seconds) == (
            other.steps,
            other.accuracy,
            other.loss,
            other.stages,
            other.solved,
            other.seen,
            other.seconds,
        )
        assert all(torch.equal(values, other.final[name]) for name, values in one.final.items())


def test_regimes_share_permutations_weights_and_batches() -> None:
    """Property: for one seed only the loss differs; another seed, or the book's seed, changes all of it."""
    direct = dataclasses.replace(RUNS, training=dataclasses.replace(TRAINING, regime="direct"))
    assert torch.equal(direct.task(4).pi, RUNS.task(4).pi)
    for purpose in PURPOSES:
        assert torch.equal(direct.stream(4, purpose).get_state(), RUNS.stream(4, purpose).get_state())
    streams = [RUNS.stream(seed, purpose).initial_seed() for seed in (4, 2) for purpose in PURPOSES]
    assert len(set(streams)) == 8


def test_the_book_s_seed_shifts_every_stream(monkeypatch) -> None:
    before = [spec.stream(0, "batches").initial_seed() for spec in (RUNS, HEADS)]
    monkeypatch.setenv("MECHBOOK_SEED", "1")
    after = [spec.stream(0, "batches").initial_seed() for spec in (RUNS, HEADS)]
    assert settings.seed() == 1 and len({*before, *after}) == 4


def test_fresh_sequences_are_of_the_task_and_not_of_the_training() -> None:
    """Oracle: the task's own targets; the training's first batch."""
    z, targets = fresh(RUNS, 4, 5)
    sigma = z.view(5, 2, 3)
    assert torch.equal(targets, hop_targets(RUNS.task(4), sigma).reshape(5, 6, 2))
    assert not torch.equal(z, RUNS.sampler(4)(5, RUNS.stream(4, "batches"))[0])
    letters, targets = fresh(HEADS, 0, 5)
    assert torch.equal(targets, hop_head_targets(letters, 3, (1, 3)))


def test_fresh_accuracy_is_counted() -> None:
    """Oracle: a loop over tokens."""
    z, targets = fresh(RUNS, 2, 11)
    predicted = trained(RUNS, 2)(z).argmax(-1)
    for hop in range(2):
        right = [int(predicted[b, t, hop] == targets[b, t, hop]) for b in range(11) for t in range(6)]
        assert float(fresh_accuracy(RUNS, 2, 11)[hop]) == pytest.approx(sum(right) / 66)


def test_a_seed_that_was_not_trained_is_refused() -> None:
    with pytest.raises(ValueError, match=r"There is no seed 3 among these runs; they are \[4, 2\]."):
        trained(RUNS, 3)


def test_numbers_too_small_are_zero_while_training_and_only_then(monkeypatch) -> None:
    """Oracle: 1e-30 x 1e-10, below 1e-38: zero within the training, 1e-40 before and after it, also where it fails."""

    def product() -> float:
        return float((torch.full((64,), 1e-30) * 1e-10).sum())

    found = []

    def fails(*args, **named):
        found.append(product())
        raise FloatingPointError("The loss is nan")

    monkeypatch.setattr("mechbook.hops.runs.train_stacked", fails)
    before = product()
    with pytest.raises(FloatingPointError, match="The loss is nan"):
        RUNS.run()
    assert (before > 0, found, product() > 0) == (True, [0.0], True)
