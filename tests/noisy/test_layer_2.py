"""What layer 2's keys score and what it can do without, against loops over tokens and positions on a tiny model."""

from pathlib import Path

import pytest
import torch

from mechbook.core.cache import entries as cache
from mechbook.core.training.settings import TrainingSettings
from mechbook.noisy import after_training, layer_2
from mechbook.noisy.model import NoisyConfig
from mechbook.noisy.probes import prediction
from mechbook.noisy.runs import NoisySettings
from mechbook.noisy.task import NoisyBatch

T, D, NOISE = 23, 12, 65
TINY = NoisySettings(
    T=T,
    alpha=0.5,
    K=1,
    model=NoisyConfig(V=66, T=T, d=D),
    training=TrainingSettings(steps=3, batch_size=5, optimizer="sgd", lr=0.05),
    seed_key=(4, 1),
    probe_steps=(3,),
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "cache"))
    # these tests are about other things than an editor at work
    monkeypatch.setattr(cache, "_edited_since_start", lambda modules: "")


def test_scores_of_embeddings_entry_by_entry():
    """Oracle: one product of vectors a token, the query on the left; extremes and moments by a loop."""
    model, (q,) = after_training.trained_model(TINY), TINY.task().triggers
    by_hand = [float(model.W_E[q] @ (model.W_KQ2 @ model.W_E[k])) / D**0.5 for k in range(66)]
    assert layer_2.key_scores(model, q).tolist() == pytest.approx(by_hand, rel=1e-4, abs=1e-5)
    found = layer_2.noise_score(TINY)
    characters = [score for k, score in enumerate(by_hand) if k not in (q, NOISE)]
    assert found["noise"] == pytest.approx(by_hand[NOISE], rel=1e-4)
    assert found["trigger"] == pytest.approx(by_hand[q], rel=1e-4)
    assert found["lowest"] == pytest.approx(min(by_hand[:NOISE]), rel=1e-4)
    assert found["character"] == pytest.approx(min(characters), rel=1e-4)
    assert found["mean"] == pytest.approx(sum(characters) / 64, rel=1e-3, abs=1e-5)
    variance = sum((score - sum(characters) / 64) ** 2 for score in characters) / 63
    assert found["spread"] == pytest.approx(variance**0.5, rel=1e-4)


def test_the_kinds_of_keys_on_a_sequence_read_by_eye():
    """Oracle: trigger 1, answer 7, noise 65; a key that is the trigger itself is no answer, also where it is one."""
    z = torch.tensor([[7, 1, 7, 65, 1, 65, 3, 1, 7, 1, 0], [1, 1, 1, 65, 1, 2, 2, 2, 2, 1, 0]])
    answers = torch.tensor([[7] * 10, [1] * 10])
    batch = NoisyBatch(z=z, is_trigger=z[:, :-1] == 1, in_context=z[:, :-1] == 1, answers=answers)
    found = layer_2.kinds_of_keys(batch, 65)
    places = {kind: [there[b].nonzero().flatten().tolist() for b in (0, 1)] for kind, there in found.items()}
    assert places == {
        "answer": [[2, 8], []],
        "noise": [[5], [3]],
        "trigger": [[1, 4, 7, 9], [0, 1, 2, 4, 9]],
        "elsewhere": [[0, 3, 6], [5, 6, 7, 8]],
    }


def test_the_parts_of_a_score_add_up_to_the_one_that_attention_is_made_of():
    """Oracle: logarithms of the trace's own attention, which are scores up to a number for each sequence."""
    model, batch = after_training.trained_model(TINY), after_training.noisy_contexts(TINY, 64)
    parts = layer_2.score_parts(model, batch, NOISE)
    for kind in layer_2.KINDS:
        total = sum(parts[part][kind] for part in layer_2.PARTS)
        assert parts["all"][kind] == pytest.approx(total, rel=1e-4, abs=1e-4)
    x1 = model.trace(batch.inputs).streams[2]
    by_hand = {kind: [] for kind in layer_2.KINDS}
    embedded = {kind: [] for kind in layer_2.KINDS}
    for b, there in ((b, b_there) for b in range(len(batch.z)) for b_there in [layer_2.kinds_of_keys(batch, NOISE)]):
        for kind in layer_2.KINDS:
            for s in there[kind][b].nonzero().flatten().tolist():
                query = x1[b, -1] @ model.W_KQ2 / D**0.5
                by_hand[kind].append(float(query @ x1[b, s]))
                embedded[kind].append(float(query @ model.W_E[batch.inputs[b, s]]))
    for kind, scores in by_hand.items():
        assert parts["all"][kind] == pytest.approx(sum(scores) / len(scores), rel=1e-3, abs=1e-4)
        assert parts["w_E"][kind] == pytest.approx(sum(embedded[kind]) / len(scores), rel=1e-3, abs=1e-4)
    attention = model.trace(batch.inputs).attention[1][0, -1]
    scores = x1[0] @ (x1[0, -1] @ model.W_KQ2) / D**0.5
    torch.testing.assert_close(attention, scores.softmax(0))


def test_a_model_that_does_not_see_the_noise_s_embedding():
    """Oracle: that score is zero; what is orthogonal to it scores as before; the model itself is left alone."""
    model, (q,) = after_training.trained_model(TINY), TINY.task().triggers
    before = model.W_KQ2.clone()
    blind = layer_2.without_term(model, NOISE)
    assert torch.equal(model.W_KQ2, before)
    assert float(layer_2.key_scores(blind, q)[NOISE]) == pytest.approx(0, abs=1e-5)
    w = model.W_E[NOISE]
    other = torch.randn(D, generator=torch.Generator().manual_seed(3))
    other -= w * (other @ w) / (w @ w)
    torch.testing.assert_close(blind.W_KQ2 @ other, before @ other)


def test_attention_on_each_kind_of_key_by_a_loop():
    """Oracle: sums over positions, those just after earlier triggers by what they hold."""
    model, batch = after_training.trained_model(TINY), after_training.noisy_contexts(TINY, 32)
    attention, (q,) = model.trace(batch.inputs).attention[1], TINY.task().triggers
    sums = dict.fromkeys(layer_2.KINDS, 0.0)
    for b, z in enumerate(batch.inputs.tolist()):
        for s in range(T):
            after = s > 0 and z[s - 1] == q
            kind = "elsewhere"
            if z[s] == q:
                kind = "trigger"
            elif after:
                kind = "noise" if z[s] == NOISE else "answer"
            sums[kind] += float(attention[b, -1, s])
    found = layer_2.attention_on(model, batch, NOISE)
    assert found == pytest.approx({name: total / len(batch.z) for name, total in sums.items()}, rel=1e-4)


def test_parts_of_the_context_by_a_loop():
    """Oracle: means over positions, the first of which has no predecessor; 23 positions in 8 parts of 3, the last 2."""
    model, found = after_training.trained_model(TINY), layer_2.previous_by_part(TINY)
    first, second = model.trace(after_training.noisy_contexts(TINY, 256).inputs).attention
    for part in range(8):
        places = range(3 * part, min(3 * part + 3, T))
        previous = [float(first[:, t, t - 1].mean()) for t in places if t > 0]
        assert found["previous"][part] == pytest.approx(sum(previous) / len(previous), rel=1e-4)
        used = sum(float(second[:, -1, t].mean()) for t in places)
        assert found["used"][part] == pytest.approx(used, rel=1e-4)
    assert sum(found["used"]) == pytest.approx(1, rel=1e-4)


def test_answers_from_a_part_of_the_context():
    """Oracles: with every key seen, the stream that F_2 would read; with some, a softmax over those keys alone."""
    model, batch = after_training.trained_model(TINY), after_training.noisy_contexts(TINY, 32)
    trace = model.trace(batch.inputs)
    everything = prediction(trace.streams[3][:, -1] @ model.W_U.T, batch.answer, NOISE)["correct"]
    assert layer_2.answered(model, batch, torch.ones(T, dtype=torch.bool), NOISE) == pytest.approx(everything, rel=1e-4)
    seen = torch.arange(T) % 3 == 1
    total = 0.0
    for b, x1 in enumerate(trace.streams[2]):
        weights = (x1[seen] @ (x1[-1] @ model.W_KQ2) / D**0.5).softmax(0)
        y = x1[-1] + model.W_V2 @ (weights @ x1[seen])
        total += float((model.W_U @ y).softmax(0)[batch.answer[b]])
    assert layer_2.answered(model, batch, seen, NOISE) == pytest.approx(total / len(batch.z), rel=1e-4)
