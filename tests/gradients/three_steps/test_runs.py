"""Chapter 2's runs of Theorem 3, at small sizes."""

from dataclasses import asdict, fields, replace

import pytest
import torch

from mechbook.core import presets
from mechbook.gradients.presets import LAPTOP
from mechbook.gradients.streams import STREAMS
from mechbook.gradients.task import SingleTriggerBatch, SingleTriggerTask, sample
from mechbook.gradients.three_steps import plain
from mechbook.gradients.three_steps.counts import W_O2_counts, W_O2_step
from mechbook.gradients.three_steps.factors import predicted_previous
from mechbook.gradients.three_steps.model import initial, predict
from mechbook.gradients.three_steps.probes import diagonal_gap, previous_gap
from mechbook.gradients.three_steps.runs import (
    PROBES,
    STEPS,
    WEIGHTS,
    probe_batch,
    sharpened,
    take_steps,
    three_step_settings,
)

SMALL = three_step_settings(LAPTOP, 0, N=17, T=13, d=512, sequences=20_000, test_sequences=4_000)
TINY = three_step_settings(LAPTOP, 0, N=5, T=7, d=64, sequences=2_000)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """One folder for the whole session: several tests ask for the same run."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path_factory.getbasetemp() / "three_steps"))


def test_a_run_stores_memory_after_memory():
    """Oracle: Theorem 3: a recall is 1 from its step on and at chance before; the accuracy comes last."""
    run = SMALL.run()
    for name, place in (("W_O2", 1), ("W_K2", 2), ("W_K1_early", 3)):
        values = [probe[name] for probe in run.probes]
        assert max(values[:place]) < 0.6 and min(values[place:]) == 1.0
    assert run.probes[3]["accuracy"] > 0.8 > 0.3 > run.probes[2]["accuracy"]
    assert run.position_in_query < run.probes[3]["accuracy"]
    assert run.attention[2]["q"] > run.attention[2]["o"] and run.attention[3]["o"] > 0.8
    assert 0.5 < run.spurious_ratio < 1.1
    assert run.seconds > 0


def test_a_run_is_read_from_the_cache_as_it_was():
    """Oracle: the seconds, which no second run would have to the last digit."""
    first, again = SMALL.run(), SMALL.run()
    assert first.seconds == again.seconds and torch.equal(first.by_first, again.by_first)


def test_what_is_kept_of_a_run_is_of_its_models():
    """Oracle: the tables of the models themselves; accuracy by the first occurrence averages to the accuracy."""
    run, (models, etas) = SMALL.run(), take_steps(SMALL)
    before, final = sharpened(models, SMALL)[2:]
    for name, table in (("W_O2", "value_table"), ("W_K2", "score_table"), ("W_K1", "position_scores")):
        torch.testing.assert_close(run.memories[name], getattr(final, table))
    assert run.stored == pytest.approx(diagonal_gap(before.value_table) * diagonal_gap(before.score_table))
    torch.testing.assert_close(run.previous_scores(), final.position_scores / (etas[2] * run.stored))
    batch = probe_batch(SMALL, 4_000)
    right = predict(final, batch)[0].argmax(1) == batch.y
    share = torch.bincount(batch.first, minlength=12) / 4_000
    assert float((share * run.by_first).sum()) == pytest.approx(run.probes[3]["accuracy"], abs=1e-6)
    assert float(run.by_first[0]) == pytest.approx(float(right[batch.first == 0].double().mean()))


def test_previous_scores_have_the_predicted_size():
    """Oracle: the corrected factor of B.3.3 up to O(1/N), with no free parameter; crosstalk at d = 512 is below 10%."""
    run = replace(SMALL, N=61, d=2048, sequences=50_000, test_sequences=100).run()
    t = torch.arange(2, 14, dtype=torch.float64)
    expected = predicted_previous(t, 13) * (1 - 1 / 61)
    assert abs(float((run.previous_scores().diagonal(-1) / expected)[1:-1].mean()) - 1) < 0.05


def test_a_small_W_K2_in_step_3_is_scaled_up_afterwards():
    """Oracle: linearised, the gap inside step 3 does not matter (spec of the theory), so the accuracy is the same."""
    values = [replace(SMALL, gap_W_K2=gap).run().probes[3]["accuracy"] for gap in (0.3, 30.0)]
    assert abs(values[0] - values[1]) < 0.03 and min(values) > 0.8


def test_the_steps_are_those_of_their_definition():
    """Oracle: `plain.three_steps` on the same sequences, in double precision."""
    how = replace(TINY, logit=0.2, gap_W_K2=20.0, gap_W_K1=80.0)
    zero = initial(5, 7, 64, how.generator(WEIGHTS), dtype=torch.float64)
    task, data = SingleTriggerTask(N=5, T=7), how.generator(STEPS)
    expected = plain.three_steps(zero, lambda: sample(task, 2_000, data), 0.2, 20.0, 80.0)
    found, _ = take_steps(how, dtype=torch.float64)
    for ours, theirs in zip(found, expected, strict=True):
        for name in ("W_O2", "W_K2", "W_K1"):
            torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=1e-9, atol=1e-9)


def test_three_steps_store_the_three_memories():
    """Oracle: Theorem 3 and spec'd step sizes: targets met exactly, the right entries win, the model predicts."""
    how = replace(SMALL, logit=0.2, gap_W_K2=20.0, gap_W_K1=80.0, chunk=7_000)
    models, etas = take_steps(how)
    zero, first, second, third = models
    assert all(eta > 0 for eta in etas)
    assert float(first.value_table.diagonal().mean()) == pytest.approx(0.2, rel=1e-4)
    assert diagonal_gap(second.score_table) == pytest.approx(20.0, rel=1e-3)
    assert float(previous_gap(third.position_scores).median()) == pytest.approx(80.0, rel=1e-3)
    for a, b, kept in ((zero, first, "W_K1 W_K2"), (first, second, "W_O2 W_K1"), (second, third, "W_O2 W_K2")):
        assert all(torch.equal(getattr(a, name), getattr(b, name)) for name in kept.split())
    fresh = probe_batch(how, 5_000)
    accuracy = [float((predict(m, fresh)[0].argmax(1) == fresh.y).double().mean()) for m in models]
    assert max(accuracy[:3]) < 0.25 and accuracy[3] > 0.9


@pytest.mark.parametrize("chunk", [2_000, 700])
def test_a_step_is_the_mean_over_its_chunks(chunk):
    """Oracle: the first step from all sequences at once, drawn chunk by chunk from the same stream."""
    how = replace(TINY, chunk=chunk)
    models, etas = take_steps(how, dtype=torch.float64)
    task, data = SingleTriggerTask(N=5, T=7), how.generator(STEPS)
    drawn = [sample(task, size, data) for size in ([2_000] if chunk == 2_000 else [700, 700, 600])]
    whole = SingleTriggerBatch(**{name: torch.cat([getattr(x, name) for x in drawn]) for name in ("z", "first", "y")})
    zero = initial(5, 7, 64, how.generator(WEIGHTS), dtype=torch.float64)
    step = W_O2_step(zero, W_O2_counts(whole, 5))
    scale = 0.3 / replace(zero, W_O2=step).value_table.diagonal().mean()
    torch.testing.assert_close(models[1].W_O2, scale * step)
    assert etas[0] == pytest.approx(float(scale))


def test_settings_follow_the_preset_and_its_changes():
    """Oracle: the preset's numbers, and a change's."""
    how = three_step_settings(presets.replace(LAPTOP, T=32), 3, d=256)
    assert (how.seed, how.N, how.T, how.d, how.sequences, how.gap_W_K1) == (3, 64, 32, 256, 50_000, 100.0)
    # the probes' gap stays the preset's where step 3 has another
    assert three_step_settings(LAPTOP, 0, gap_W_K2=0.3).probe_gap == LAPTOP.gap_W_K2


@pytest.mark.parametrize("name", [field.name for field in fields(SMALL)])
def test_every_setting_is_in_the_key(name):
    """Oracle: the key of settings that differ in this one."""
    other = {"second_layer": "softmax"}.get(name, getattr(SMALL, name) * 2 + 1 if name != "second_layer" else None)
    assert replace(SMALL, **{name: other}).key() != SMALL.key()
    assert SMALL.key() == {"three steps": asdict(SMALL), "seed": 0}


def test_batches_for_probes_are_fresh():
    """Oracle: another stream than the steps'."""
    steps_data = sample(SingleTriggerTask(N=17, T=13), 100, STREAMS.generator("three steps", 0, 512, 1))
    assert not torch.equal(probe_batch(SMALL, 100).z, steps_data.z)
    assert (WEIGHTS, STEPS, PROBES) == (0, 1, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"N": 1}, "N is 1; it must be at least 2"),
        ({"T": 1}, "T is 1; it must be at least 2"),
        ({"d": 0}, "d is 0; it must be at least 1"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
        ({"sequences": 0}, "sequences is 0"),
        ({"test_sequences": 0}, "test_sequences is 0"),
        ({"chunk": 0}, "chunk is 0"),
        ({"logit": float("nan")}, "logit is nan; it must be a finite number > 0"),
        ({"gap_W_K2": float("inf")}, "gap_W_K2 is inf"),
        ({"gap_W_K1": -1.0}, "gap_W_K1 is -1.0"),
        ({"probe_gap": 0.0}, "probe_gap is 0.0"),
        ({"second_layer": "hard"}, "second_layer is 'hard'; it must be 'linearised' or 'softmax'"),
    ],
)
def test_impossible_settings_are_refused(change, message):
    """Oracle: the sentences."""
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)
