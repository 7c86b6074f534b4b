"""Runs of noisy recall against the parts they are made of, called by hand, on tiny models."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from mechbook.core import settings
from mechbook.core.cache import entries as cache
from mechbook.core.training.loop import TrainingResult, TrainingSettings
from mechbook.noisy import measure
from mechbook.noisy import runs as noisy_runs
from mechbook.noisy.model import NoisyConfig
from mechbook.noisy.runs import NoisyRun, Panel, answerable, value_name
from mechbook.noisy.task import sample
from mechbook.shared.truncation import LowRank

T, D = 23, 12
TINY = NoisyRun(
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
    measure.final.cache_clear()


def by_hand(spec, model, steps):
    """SGD on the plain forward, all positions computed: the weights after each step of `steps`."""
    trained = [p for p in model.parameters() if p.requires_grad]
    kept = {}
    step = 0
    for number, (count, lr) in enumerate(((4, 0.05), (3, 0.01))):
        random = settings.generator(*spec.seed_key, 1, number)
        optimizer = torch.optim.SGD(trained, lr=lr, momentum=0.9, weight_decay=1e-4)
        for _ in range(count):
            if step in steps:
                kept[step] = {name: p.detach().clone() for name, p in model.named_parameters()}
            batch = sample(spec.task(), 5, random)
            optimizer.zero_grad()
            F.cross_entropy(model(batch.inputs)[batch.in_context], batch.targets[batch.in_context]).backward()
            optimizer.step()
            step += 1
        # the loop draws one more batch where a phase ends on a step that is measured; it is another stream's anyway
    kept[step] = {name: p.detach().clone() for name, p in model.named_parameters()}
    return kept


def test_weights_are_those_of_sgd_by_hand_through_both_phases():
    """Oracle: the plain forward and torch's SGD, phase after phase; float32 to 1e-5."""
    run = TINY.run()
    expected = by_hand(TINY, TINY.build(), {0, 4})
    for step in (0, 4):
        for name, value in expected[step].items():
            torch.testing.assert_close(run.checkpoints[step][name], value, atol=1e-5, rtol=1e-4)
    for name, value in expected[7].items():
        torch.testing.assert_close(run.final[name], value, atol=1e-5, rtol=1e-4)
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


def test_shares_of_the_roles_by_hand():
    """Oracle: loops over tokens and over positions of the trace, on random weights."""
    model, roles = measure.trained(TINY), measure.roles(TINY)
    noise_hits = sum(int((model.W_U @ model.F2(model.W_E[i])).argmax()) == 65 for i in range(66))
    value_hits = sum(int((model.W_U @ (model.W_V2 @ model.W_E[i])).argmax()) == i for i in range(65))
    assert roles["noise"] == pytest.approx(noise_hits / 66) and roles["value"] == pytest.approx(value_hits / 65)
    own = model.W_U @ (model.W_V2 @ model.W_E[65])
    assert roles["noise_rank"] == sorted(own.tolist(), reverse=True).index(float(own[65])) + 1
    batch = measure.noisy_contexts(TINY, 256)
    first, second = model.trace(batch.inputs).attention
    every, early, used, weight = [], [], 0.0, 0.0
    for b in range(len(batch.z)):
        for t in range(1, T):
            mass = float(first[b, t, t - 1])
            every.append(mass)
            if t <= T // 4:
                early.append(mass)
            used += mass * float(second[b, -1, t])
            weight += float(second[b, -1, t])
    assert roles["previous"] == pytest.approx(sum(every) / len(every), abs=1e-5)
    assert roles["early"] == pytest.approx(sum(early) / len(early), abs=1e-5)
    assert roles["used"] == pytest.approx(used / weight, abs=1e-5)


def test_matching_is_query_by_key():
    """Oracle: the score of one query and one mark, entry by entry; the margin over all else, by a loop."""
    model = measure.trained(TINY)
    matrix = measure.matching(model)
    for j, i in ((1, 5), (5, 1), (43, 43)):
        score = float(model.W_E[j] @ model.W_KQ2 @ model.W_V1 @ model.W_E[i])
        assert float(matrix[j, i]) == pytest.approx(score, rel=1e-4, abs=1e-4)
    triggers = TINY.task().triggers
    rest = [float(matrix[j, i]) for j in range(66) for i in range(66) if not (i == j and i in triggers)]
    expected = min(float(matrix[q, q]) for q in triggers) - max(rest)
    assert measure.matching_margin(TINY) == pytest.approx(expected)


def test_final_measures_on_other_sequences_than_the_panel_of_the_run():
    """Oracle: `Panel` with the streams and sizes said, and inequality."""
    final = measure.final(TINY)
    again = Panel(TINY, torch.device("cpu"), size=measure.FRESH_SIZE, stream=5).measure(measure.trained(TINY))
    assert final == again
    assert final["correct"] != TINY.run().values["correct"][-1]


@pytest.mark.parametrize(
    ("values", "step"),
    [([1.0, 2.0, 3.0], 0), ([-1.0, 2.0, 3.0], 2), ([1.0, -1.0, 3.0], 7), ([1.0, 2.0, 0.0], 8), ([-1.0] * 3, 8)],
)
def test_stays_above_is_the_start_of_the_last_stretch(values, step):
    """Oracle: by eye; 0 is not above 0, and never is the last step + 1."""
    run = TrainingResult(steps=[0, 2, 7], values={"margin": values}, checkpoints={}, final={}, seconds=0.0)
    assert measure.stays_above(run, "margin", 0.0) == step


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
