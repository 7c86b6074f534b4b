"""Runs of noisy recall against the parts they are made of, called by hand, on tiny models."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mechbook.core import settings
from mechbook.core.cache import entries as cache
from mechbook.core.training.plain import train_plainly
from mechbook.core.training.settings import TrainingSettings
from mechbook.noisy import runs as noisy_runs
from mechbook.noisy.model import NoisyConfig
from mechbook.noisy.runs import NoisySettings, Panel, answerable, value_name
from mechbook.noisy.task import sample
from mechbook.shared.truncation import LowRank

T, D = 23, 12
TINY = NoisySettings(
    T=T,
    alpha=0.5,
    K=2,
    model=NoisyConfig(V=66, T=T, d=D),
    training=TrainingSettings(steps=4, batch_size=5, optimizer="sgd", lr=0.05),
    seed_key=(4, 1),
    probe_steps=(0, 2, 7),
    checkpoint_steps=(0, 4, 7),
    cuts=(("F2.W_in", 0.0), ("F2.W_in", 0.3), ("F1.W_in", 0.0)),
    cool_down=(3, 0.01),
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "cache"))
    # these tests are about other things than an editor at work
    monkeypatch.setattr(cache, "_edited_since_start", lambda modules: "")


def by_hand(spec):
    """The plain loop on the plain forward, phase after phase: the weights after each."""
    model, kept = spec.build(), []
    for phase, (steps, lr) in enumerate(((4, 0.05), (3, 0.01))):
        random = settings.generator(*spec.seed_key, 1, phase)
        how = replace(spec.training, steps=steps, lr=lr)
        train_plainly(model, lambda generator: sample(spec.task(), 5, generator), how, random)
        kept.append({name: p.detach().clone() for name, p in model.named_parameters()})
    return kept


def test_weights_are_those_of_sgd_by_hand_through_both_phases():
    """Oracle: `mechbook.core.training.plain`, all positions computed, phase after phase; float32 to 1e-5."""
    run = TINY.run()
    first, last = by_hand(TINY)
    for found, expected in ((run.checkpoints[4], first), (run.final, last)):
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-4)
    for name, value in TINY.build().named_parameters():
        assert torch.equal(run.checkpoints[0][name], value)
    assert run.steps == [0, 2, 7] and all(len(v) == 3 for v in run.values.values())
    assert set(run.checkpoints) == {0, 4, 7}


def test_measuring_changes_no_weight():
    """Oracle: the run that is measured at its end alone, bit for bit."""
    seldom = replace(TINY, probe_steps=(7,), cuts=())
    for name, value in seldom.run().final.items():
        assert torch.equal(value, TINY.run().final[name]), name


def test_a_run_is_read_back_bit_for_bit():
    """Oracle: the first answer."""
    first, second = TINY.run(), TINY.run()
    assert first.values == second.values and first.seconds == second.seconds
    assert all(torch.equal(v, second.final[k]) for k, v in first.final.items())


def test_the_panel_measures_what_the_trace_gives():
    """Oracle: the plain trace at the last position, softmax by hand, truncated weights put in by hand."""
    model = TINY.build().double().requires_grad_(False)
    panel = Panel(TINY, torch.device("cpu"))
    panel.model.double()
    values = panel.measure(model)
    assert list(values) == panel.names()
    batch = answerable(sample(TINY.task(0.0), noisy_runs.PANEL_SIZE, settings.generator(*TINY.seed_key, 2, 0)))
    rows = torch.arange(len(batch.z))
    for cut in (None, *TINY.cuts):
        changed = TINY.build().double().requires_grad_(False)
        if cut is not None:
            block = getattr(changed, cut[0][:2])
            block.W_in.data = LowRank(block.W_in).fraction(cut[1])
        p = changed.trace(batch.inputs).logits[:, -1].softmax(-1)
        right = p[rows, batch.answer]
        expected = {
            "noise": p[:, 65].mean(),
            "correct": right.mean(),
            "clean_loss": -right.log().mean(),
            "noise_first": (p.argmax(1) == 65).double().mean(),
        }
        for name, value in expected.items():
            assert abs(values[value_name(name, cut)] - float(value)) < 1e-10, (name, cut)
    noisy = answerable(sample(TINY.task(0.5), noisy_runs.PANEL_SIZE, settings.generator(*TINY.seed_key, 2, 1)))
    attention = model.trace(noisy.inputs).attention[1][:, -1]
    for name in ("correct", "noise"):
        total = 0.0
        for b, z in enumerate(noisy.inputs.tolist()):
            token = int(noisy.answer[b]) if name == "correct" else 65
            total += sum(float(attention[b, t]) for t in range(1, T) if z[t - 1] == z[-1] and z[t] == token)
        assert abs(values[f"attention_{name}"] - total / len(noisy.z)) < 1e-10
    logits = model.F2(model.W_E[list(TINY.task().triggers)]) @ model.W_U.T
    assert abs(values["margin"] - float((logits[:, 65] - logits[:, :65].amax(1)).min())) < 1e-10


def test_a_run_starts_from_another_s_end():
    """Oracle: the first run's final weights, bit for bit."""
    next_run = replace(TINY, alpha=0.2, start=TINY, seed_key=(4, 2))
    for name, value in next_run.run().checkpoints[0].items():
        assert torch.equal(value, TINY.run().final[name])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"T": 11}, "The model has T = 23, V = 66; it must have the task's 11 inputs and 66 tokens"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"probe_steps": ()}, "probe_steps is empty"),
        ({"probe_steps": (0, 8)}, "probe_steps names 8; the steps of this run are 0 to 7"),
        ({"checkpoint_steps": (-1,)}, "checkpoint_steps names -1"),
        ({"start": replace(TINY, model=NoisyConfig(V=66, T=T, d=D, F1="none"), cuts=())}, "another model's weights"),
    ],
)
def test_impossible_settings_are_refused_in_a_sentence(changes, words):
    """Oracle: the sentence."""
    with pytest.raises(ValueError, match=words):
        replace(TINY, **changes)
