"""What F_1 does for the answer: against the model itself, and a copy whose F_1 is zero, on a tiny trained model."""

from pathlib import Path

import pytest
import torch

from mechbook.core.cache import entries as cache
from mechbook.core.training.settings import TrainingSettings
from mechbook.noisy import after_training, first_block
from mechbook.noisy.model import NoisyConfig, NoisyTransformer
from mechbook.noisy.runs import NoisySettings

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


def zeroed(model: NoisyTransformer) -> NoisyTransformer:
    copy = NoisyTransformer(model.config, torch.Generator()).requires_grad_(False)
    copy.load_state_dict(model.state_dict())
    copy.F1.W_out.zero_()
    return copy


@pytest.mark.parametrize("left_out", [False, True])
def test_all_or_nothing_left_out_is_a_model_of_its_own(left_out):
    """Oracle: the model's trace, and that of a copy whose F_1 writes nothing."""
    model = after_training.trained_model(TINY)
    z = after_training.noisy_contexts(TINY, 31, alpha=0.0).inputs
    whole = (zeroed(model) if left_out else model).trace(z)
    logits, attention = first_block.without_F1(model, z, at_keys=left_out, at_last=left_out)
    torch.testing.assert_close(logits, whole.logits[:, -1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(attention, whole.attention[1][:, -1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("where", ["at the keys", "at the last position"])
def test_one_sequence_written_out(where):
    """Oracle: a loop over the positions of one sequence, F_1 left out of the one part."""
    model = after_training.trained_model(TINY)
    z = after_training.noisy_contexts(TINY, 1, alpha=0.0).inputs
    _, y, x1, *_ = model.trace(z).streams
    at_keys, at_last = first_block.LEFT_OUT[where]
    seen = [(y if (at_last if t == T - 1 else at_keys) else x1)[0, t] for t in range(T)]
    scores = torch.stack([seen[-1] @ (model.W_KQ2 @ key) / D**0.5 for key in seen])
    weights = scores.exp() / scores.exp().sum()
    read = seen[-1] + model.W_V2 @ sum(w * key for w, key in zip(weights, seen, strict=True))
    by_hand = model.W_U @ (read + model.F2(read[None])[0])
    logits, attention = first_block.without_F1(model, z, at_keys=at_keys, at_last=at_last)
    torch.testing.assert_close(logits[0], by_hand, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(attention[0], weights, rtol=1e-4, atol=1e-6)


def test_the_end_in_numbers():
    """Oracle: sums over sequences by a loop."""
    found = first_block.at_the_end(TINY, "nowhere", 37)
    model, batch = after_training.trained_model(TINY), after_training.noisy_contexts(TINY, 37, alpha=0.0)
    trace = model.trace(batch.inputs)
    attention, answer, noise = 0.0, 0.0, 0.0
    for b in range(37):
        z, a = batch.inputs[b].tolist(), int(batch.answer[b])
        q, last = z[-1], trace.logits[b, -1]
        places = [t for t in range(1, T) if z[t - 1] == q and z[t] == a and z[t] != q]
        attention += float(trace.attention[1][b, -1, places].sum()) / 37
        answer += float(last[a] - last.mean()) / 37
        noise += float(last[NOISE] - last.mean()) / 37
    assert found == pytest.approx({"attention": attention, "answer": answer, "noise": noise}, rel=1e-3, abs=1e-4)


def test_a_misspelt_place_is_refused():
    with pytest.raises(KeyError, match="at the key"):
        first_block.at_the_end(TINY, "at the key")
