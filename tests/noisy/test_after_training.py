"""What is measured on trained models against loops and entries by hand, on a tiny model."""

from pathlib import Path

import pytest
import torch

from mechbook.core.cache import entries as cache
from mechbook.core.training.loop import TrainingResult
from mechbook.core.training.settings import TrainingSettings
from mechbook.noisy import after_training
from mechbook.noisy.model import NoisyConfig
from mechbook.noisy.runs import NoisySettings, Panel

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
    after_training.end_values.cache_clear()


def test_shares_of_the_roles_by_hand():
    """Oracle: loops over tokens and over positions of the trace, on random weights."""
    model, roles = after_training.trained_model(TINY), after_training.roles(TINY)
    noise_hits = sum(int((model.W_U @ model.F2(model.W_E[i])).argmax()) == 65 for i in range(66))
    value_hits = sum(int((model.W_U @ (model.W_V2 @ model.W_E[i])).argmax()) == i for i in range(65))
    assert roles["noise"] == pytest.approx(noise_hits / 66) and roles["value"] == pytest.approx(value_hits / 65)
    own = model.W_U @ (model.W_V2 @ model.W_E[65])
    assert roles["noise_rank"] == sorted(own.tolist(), reverse=True).index(float(own[65])) + 1
    batch = after_training.noisy_contexts(TINY, 256)
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
    model = after_training.trained_model(TINY)
    matrix = after_training.matching(model)
    for j, i in ((1, 5), (5, 1), (43, 43)):
        score = float(model.W_E[j] @ model.W_KQ2 @ model.W_V1 @ model.W_E[i])
        assert float(matrix[j, i]) == pytest.approx(score, rel=1e-4, abs=1e-4)
    triggers = TINY.task().triggers
    rest = [float(matrix[j, i]) for j in range(66) for i in range(66) if not (i == j and i in triggers)]
    expected = min(float(matrix[q, q]) for q in triggers) - max(rest)
    assert after_training.matching_margin(TINY) == pytest.approx(expected)


def test_final_measures_on_other_sequences_than_the_panel_of_the_run():
    """Oracle: `Panel` with the streams and sizes said, and inequality."""
    final = after_training.end_values(TINY)
    again = Panel(TINY, torch.device("cpu"), size=after_training.END_SIZE, stream=5).measure(
        after_training.trained_model(TINY)
    )
    assert final == again
    assert final["correct"] != TINY.run().values["correct"][-1]


@pytest.mark.parametrize(
    ("values", "step"),
    [([1.0, 2.0, 3.0], 0), ([-1.0, 2.0, 3.0], 2), ([1.0, -1.0, 3.0], 7), ([1.0, 2.0, 0.0], 8), ([-1.0] * 3, 8)],
)
def test_stays_above_is_the_start_of_the_last_stretch(values, step):
    """Oracle: by eye; 0 is not above 0, and never is the last step + 1."""
    run = TrainingResult(steps=[0, 2, 7], values={"margin": values}, checkpoints={}, final={}, seconds=0.0)
    assert after_training.stays_above(run, "margin", 0.0) == step
