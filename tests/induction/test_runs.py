"""Runs of the bigram task against the parts they are made of, called by hand."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator
from torch.utils.flop_counter import FlopCounterMode

from mechbook.core import settings
from mechbook.core.cache import entries as cache
from mechbook.core.training import loop as training
from mechbook.core.training.loop import TrainingResult, train
from mechbook.core.training.settings import TrainingSettings
from mechbook.induction import runs
from mechbook.induction.runs import InductionSettings, run_all, standard_probes
from mechbook.shared.bigrams import BigramBatch, BigramTask, sample, shakespeare_task
from mechbook.shared.recall import feed_forward_kl, memory_map
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer
from mechbook.shared.simplified_fast import selected_logits
from mechbook.shared.simplified_step import selected_losses
from mechbook.shared.vanilla import VanillaConfig, VanillaTransformer

T, D = 17, 13
SGD = TrainingSettings(steps=7, batch_size=5, optimizer="sgd", lr=0.05)
SIMPLIFIED = InductionSettings(
    T=T,
    K=3,
    model=SimplifiedConfig(N=65, T=T, d=D, feed_forward="before_attention", trained=("W_K1", "W_K2", "W_O2", "W_F")),
    training=SGD,
    seed_key=(3, 1),
    probe_every=3,
    checkpoint_steps=(0, 4),
)
VANILLA = replace(
    SIMPLIFIED,
    triggers="frequent",
    model=VanillaConfig(N=65, T=T, d=12, n_heads=3),
    training=replace(SGD, optimizer="adamw", lr=3e-3, loss_on="all"),
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "cache"))
    for name in ("MECHBOOK_FRESH", "MECHBOOK_SEED", "MECHBOOK_THREADS"):
        monkeypatch.delenv(name, raising=False)
    # these tests are about other things than an editor at work
    monkeypatch.setattr(cache, "_edited_since_start", lambda modules: "")
    return tmp_path / "cache"


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Counts batches; draws[1], where it is set, is the batch that is never reached."""
    state = [0, 10**9]

    def counted(task: BigramTask, size: int, generator: Generator, device: Any = None) -> Any:
        if state[0] >= state[1]:
            raise KeyboardInterrupt
        state[0] += 1
        return sample(task, size, generator, device)

    monkeypatch.setattr(runs, "sample", counted)
    yield state


def same(a: TrainingResult, b: TrainingResult) -> bool:
    def equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
        return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)

    return (
        (a.steps, a.values) == (b.steps, b.values)
        and a.checkpoints.keys() == b.checkpoints.keys()
        and all(equal(a.checkpoints[s], b.checkpoints[s]) for s in a.checkpoints)
        and equal(a.final, b.final)
    )


@pytest.mark.parametrize("spec", [SIMPLIFIED, VANILLA], ids=["simplified", "vanilla"])
def test_a_run_is_made_once_and_read_back_bit_for_bit(spec: InductionSettings, draws: list[int]) -> None:
    first = spec.run()
    assert first.steps == [0, 3, 6, 7] and set(first.checkpoints) == {0, 4}
    assert draws[0] == 8
    again, other = run_all([replace(spec), replace(spec, seed_key=(3, 2))])
    assert draws[0] == 16
    assert same(first, again) and not same(first, other)
    assert first.seconds == again.seconds > 0


@pytest.mark.parametrize("spec", [SIMPLIFIED, VANILLA], ids=["simplified", "vanilla"])
def test_an_interrupted_run_goes_on_to_the_same_bits(
    spec: InductionSettings, draws: list[int], own_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(training, "STATE_SECONDS", -1.0)
    draws[1] = 5
    with pytest.raises(KeyboardInterrupt):
        spec.run()
    assert list(own_cache.glob("*.state"))
    draws[1] = 10**9
    resumed = spec.run()
    assert draws[0] == 5 + 8 - 5
    assert not list(own_cache.glob("*.state"))
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "elsewhere"))
    assert same(resumed, spec.run())
    assert draws[0] == 8 + 8


def test_a_run_is_the_plain_model_trained_on_streams_of_its_own() -> None:
    task = shakespeare_task(T=T, K=3)
    model = SimplifiedTransformer(SIMPLIFIED.model, settings.generator(3, 1, 0))
    expected = train(model, lambda g: sample(task, 5, g), SGD, settings.generator(3, 1, 1), probe_steps=[0, 3, 6, 7])
    run = SIMPLIFIED.run()
    torch.testing.assert_close(run.final["W_K2"], expected.final["W_K2"], rtol=1e-4, atol=1e-5)
    for name in ("loss", "accuracy"):
        assert run.values[name] == pytest.approx(expected.values[name], rel=1e-4)


def recall_by_loops(W: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, weights: list[float]) -> float:
    """Birth eq. 9, one association at a time."""
    total = 0.0
    for i, weight in enumerate(weights):
        scores = [float(values[j] @ W @ keys[i]) for j in range(len(values))]
        total += weight * (scores.index(max(scores)) == i)
    return total / sum(weights)


@pytest.mark.parametrize("triggers", ["random", "rare"])
def test_standard_probes_of_the_simplified_model_are_the_recalls_written_out(triggers: str) -> None:
    task = shakespeare_task(T=T, K=11, triggers=triggers)
    # a wide layer, so that recalls lie between 0 and 1: W_K1 and W_K2 hold noisy memories
    model = SimplifiedTransformer(replace(SIMPLIFIED.model, d=61), settings.generator(2))
    E, P, U = model.W_E.detach(), model.P.detach(), model.W_U.detach()
    remapped = E @ model.W_V1.detach().T @ model.W_O1.detach().T
    with torch.no_grad():
        model.W_K1.add_(0.005 * P[1:].T @ P[:-1])
        model.W_K2.add_(0.001 * E.T @ remapped)
        model.W_O2.add_(0.05 * U.T @ (E @ model.W_V2.T))
    with torch.no_grad():
        found = {name: float(probe(model)) for name, probe in standard_probes(model, task).items()}
    often = task.pi_u.tolist() if triggers == "random" else [float(k in task.triggers) for k in range(65)]
    can_be = [1.0] * 65 if triggers == "random" else often
    W_K1, W_K2, W_O2 = model.W_K1.detach(), model.W_K2.detach(), model.W_O2.detach()
    hits = []
    for t in range(1, T):
        scores = [float(P[t] @ W_K1 @ P[s]) for s in range(t + 1)]
        hits.append(float(scores.index(max(scores)) == t - 1))
    expected = {
        "W_O2": recall_by_loops(W_O2, E @ model.W_V2.detach().T, U, [1.0] * 65),
        "W_K2": recall_by_loops(W_K2.T, E, remapped, can_be),
        "W_K2_weighted": recall_by_loops(W_K2.T, E, remapped, often),
        "W_K1": sum(hits) / 16,
        "W_K1_early": sum(hits[:3]) / 3,
        "W_K1_late": sum(hits[3:]) / 13,
        "W_F_kl": float(feed_forward_kl(model.W_F.detach(), E, U, task.pi_b)),
    }
    assert found == pytest.approx(expected, abs=1e-6)
    assert 0 < found["W_K1"] < 1 and 0 < found["W_K2"] < 1 and 0 < found["W_O2"] < 1


def test_vanilla_probes_are_the_best_heads(draws: list[int]) -> None:
    model = VanillaTransformer(VANILLA.model, settings.generator(4))
    task = VANILLA.task()
    with torch.no_grad():
        found = {name: float(probe(model)) for name, probe in standard_probes(model, task).items()}
    assert set(found) == {"W_O2", "W_K2", "W_K2_weighted", "W_K1", "W_K1_early", "W_K1_late"}
    block, second = model.blocks[0], model.blocks[1]
    P = block.norm_1(model.P).detach()
    E = second.norm_1(model.W_E).detach()
    shares, outputs = [], []
    for head in range(3):
        rows = slice(4 * head, 4 * head + 4)
        scores = memory_map(block.W_Q[rows].T @ block.W_K[rows], P, P).detach()
        shares.append(sum(int(scores[t, : t + 1].argmax()) == t - 1 for t in range(1, T)) / 16)
        written = model.norm(E @ second.W_V[rows].T @ second.W_O[:, rows].T) @ model.W_U.T
        outputs.append(float((written.argmax(1) == torch.arange(65)).float().mean()))
    assert len(set(shares)) > 1
    assert found["W_K1"] == pytest.approx(max(shares)) and found["W_O2"] == pytest.approx(max(outputs))
    one = VanillaTransformer(replace(VANILLA.model, n_layers=1), settings.generator(4))
    assert set(standard_probes(one, task)) == {"W_K1", "W_K1_early", "W_K1_late"}


def test_the_key_tells_every_setting_and_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [
        replace(SIMPLIFIED, K=4),
        replace(SIMPLIFIED, triggers="rare"),
        replace(SIMPLIFIED, outputs="bigram"),
        replace(SIMPLIFIED, seed_key=(3,)),
        replace(SIMPLIFIED, probe_every=2),
        replace(SIMPLIFIED, checkpoint_steps=(0,)),
        replace(SIMPLIFIED, model=replace(SIMPLIFIED.model, d=14)),
        replace(SIMPLIFIED, model=replace(SIMPLIFIED.model, trained=("W_O2",))),
        replace(SIMPLIFIED, training=replace(SGD, lr=0.06)),
        replace(SIMPLIFIED, training=replace(SGD, frozen_until=(("W_K1", 3),))),
        replace(SIMPLIFIED, model=VanillaConfig(N=65, T=T, d=D)),
    ]
    keys = {json.dumps(spec.key(), sort_keys=True) for spec in [SIMPLIFIED, *others]}
    assert len(keys) == len({SIMPLIFIED, *others}) == 12
    assert json.dumps(replace(SIMPLIFIED).key(), sort_keys=True) in keys
    monkeypatch.setenv("MECHBOOK_SEED", "1")
    assert json.dumps(SIMPLIFIED.key(), sort_keys=True) not in keys


def test_the_key_tells_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    before = json.dumps(SIMPLIFIED.key(), sort_keys=True)
    other = replace(SIMPLIFIED.task(), pi_u=torch.full((65,), 1 / 65, dtype=torch.float64))
    monkeypatch.setattr(runs, "shakespeare_task", lambda **_: other)
    assert json.dumps(SIMPLIFIED.key(), sort_keys=True) != before


def test_another_book_seed_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    first = SIMPLIFIED.run()
    monkeypatch.setenv("MECHBOOK_SEED", "1")
    assert not same(first, SIMPLIFIED.run())


def test_no_backward_work_in_attention_that_is_frozen() -> None:
    """Counted multiplications, against those that the gradient of W_O2 alone takes."""
    T = 61
    task = shakespeare_task(T=T, K=5)
    flops: list[int] = []
    sizes: list[int] = []

    def counted(model: SimplifiedTransformer, batch: BigramBatch, select: torch.Tensor) -> torch.Tensor:
        logits = selected_logits(model, batch.inputs, select)
        with FlopCounterMode(display=False) as counter:
            logits.sum().backward()
        # flops count a multiplication and an addition
        flops.append(counter.get_total_flops() // 2)
        sizes.append(len(logits))
        return logits.detach()

    for frozen in (("W_K1", "W_K2"), ("W_K1",), ()):
        model = SimplifiedTransformer(SimplifiedConfig(N=65, T=T, d=D), settings.generator(5))
        one = replace(SGD, steps=1, frozen_until=tuple((name, 1) for name in frozen))
        train(model, lambda g: sample(task, 5, g), one, settings.generator(6), logits_at=counted, probe_steps=[])
    alone, second, both = flops
    # logits to stream, stream to W_O2's output, W_O2's gradient, and the fixed W_V2 in between
    assert alone <= sizes[0] * D * (65 + 3 * D) + 65 * D * 3 * D
    assert alone < second < both and both - alone > T * T * D


def test_the_fast_path_is_for_two_simplified_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(runs, "selected_losses", lambda *a: calls.append(1) or selected_losses(*a))
    one = replace(SIMPLIFIED.model, n_layers=1, feed_forward="none", trained=("W_K1", "W_O1"))
    for spec in (replace(SIMPLIFIED, model=one), VANILLA):
        values = spec.run().values
        assert all(math.isfinite(value) for series in values.values() for value in series)
    assert not calls
    SIMPLIFIED.run()
    assert len(calls) == 8
    replace(SIMPLIFIED, training=replace(SGD, loss_on="all")).run()
    assert len(calls) == 16


def test_impossible_specifications_are_refused_in_one_sentence() -> None:
    for make, message in (
        (lambda: replace(SIMPLIFIED, T=16), "The model has T = 17, N = 65; it must have the task's 16 and 65."),
        (lambda: replace(SIMPLIFIED, K=66), "K is 66; it must be between 1 and the vocabulary's 65."),
        (
            lambda: replace(SIMPLIFIED, probe_every=None),
            "probe_every is None, probe_steps is (); exactly one must be given.",
        ),
        (
            lambda: replace(SIMPLIFIED, probe_steps=(1,)),
            "probe_every is 3, probe_steps is (1,); exactly one must be given.",
        ),
        (lambda: replace(SIMPLIFIED, probe_every=0), "probe_every is 0; it must be 1 or more."),
        (
            lambda: replace(SIMPLIFIED, checkpoint_steps=(8,)),
            "checkpoint_steps names 8; the steps of this run are 0 to 7.",
        ),
        (
            lambda: replace(SIMPLIFIED, probe_every=None, probe_steps=(-1,)),
            "probe_steps names -1; the steps of this run are 0 to 7.",
        ),
    ):
        with pytest.raises(ValueError) as caught:
            make()
        assert str(caught.value) == message
