"""Chapter 7's training on a stand-in for an accelerator: read where a record is due, and nowhere else."""

from typing import Any

import pytest
import torch

from mechbook.core.training.ahead import seeded
from mechbook.hops.counting import AtOnce, Later
from mechbook.hops.fast_attention import attend
from mechbook.hops.fast_model import _one_kernel
from mechbook.hops.fast_training import train_stacked
from mechbook.hops.model import HopTransformer
from mechbook.hops.runs import CompositionSettings, HeadSettings
from mechbook.hops.training import HopTrainingSettings, Record
from tests.devices import DEVICE, standing_in


def settings(regime: str, **changes: Any) -> HopTrainingSettings:
    return HopTrainingSettings(**({"regime": regime, "steps": 8, "batch_size": 5, "record_every": 4} | changes))


SPECS = {
    **{
        regime: CompositionSettings(n=3, k=2, training=settings(regime), seeds=(0, 1), n_heads=2, d=12)
        for regime in ("direct", "mixture", "curriculum", "current")
    },
    "heads": HeadSettings(
        letters=4, T=11, hops=(1, 2), training=settings("mixture", stop_at=None), seeds=(0, 1), n_layers=2, d=12
    ),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_run_is_read_once_a_record(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    spec = SPECS[name]
    with standing_in(monkeypatch) as seen:
        models = [HopTransformer(spec.config(), spec.stream(s, "weights")).to(DEVICE) for s in spec.seeds]
        samples = [spec.sampler(s, DEVICE) for s in spec.seeds]
        draws = [seeded(lambda g, sample=sample: sample(5, g), DEVICE) for sample in samples]
        seen.clear()
        results = train_stacked(models, draws, spec.training, [spec.stream(s, "batches") for s in spec.seeds])
        # what is read is 1 on the stand-in: 4 steps' sums of 1 are means of 1/4, so nothing is ever solved; the table
        # of weights goes to the device, and two records come from it
    seen.nothing_wrong(waits=3)
    assert [result.steps for result in results] == [[4, 8]] * 2


@pytest.mark.parametrize("regime", ["direct", "mixture", "curriculum", "current"])
def test_records_made_later_are_those_made_at_once(regime: str) -> None:
    """Oracle: `AtOnce`, fed the same numbers; sixteenths, whose sums float32 has exactly."""
    # a curriculum is to come to its last stage, and go on
    moves = regime in ("curriculum", "current")
    how = settings(regime, steps=90, record_every=6, advance_at=0.3, stop_at=None if moves else 0.7)
    S, hops = 3, 4
    g = torch.Generator().manual_seed(2)
    now, later = (
        AtOnce([Record(how, hops) for _ in range(S)]),
        Later([Record(how, hops) for _ in range(S)], torch.device("cpu")),
    )
    for step in range(1, 91):
        like = torch.zeros(len(now.records))
        assert torch.equal(now.weights(like), later.weights(like))
        accuracy = torch.randint(17, (len(now.records), hops), generator=g) / 16
        losses = torch.randint(99, (len(now.records),), generator=g) / 16
        over = now.add(step, losses, accuracy)
        assert later.add(step, losses, accuracy) == over
        for a, b in zip(now.records, later.records, strict=True):
            if step % 6 == 0:
                assert (a.steps, a.accuracy, a.loss, a.stages, a.solved) == (
                    b.steps,
                    b.accuracy,
                    b.loss,
                    b.stages,
                    b.solved,
                )
        kept = [place for place in range(len(over)) if not over[place]]
        if not kept or step == 90:
            break
        now.keep(kept)
        later.keep(kept)
    assert not moves or all(record.stage == hops for record in now.records)


def test_a_loss_that_is_not_finite_is_told_at_the_record() -> None:
    later = Later([Record(settings("mixture"), 2)], torch.device("cpu"))
    later.add(3, torch.tensor([torch.nan]), torch.zeros(1, 2))
    with pytest.raises(FloatingPointError, match="^A loss is not finite in the 4 steps up to 4: lower .*long"):
        later.add(4, torch.zeros(1), torch.zeros(1, 2))


@pytest.mark.parametrize("causal", [False, True])
def test_one_kernel_is_the_attention_written_out(causal: bool) -> None:
    """Oracle: `attend`, float64, at prime sizes; with its gradient."""
    g = torch.Generator().manual_seed(3)
    qkv = torch.randn(5, 7, 3 * 3 * 11, generator=g, dtype=torch.float64, requires_grad=True)
    weigh = torch.randn(5, 7, 33, generator=g, dtype=torch.float64)
    ours, theirs = _one_kernel(qkv, 3, causal=causal), attend(qkv, 3, causal=causal)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    (a,), (b,) = (torch.autograd.grad((mixed * weigh).sum(), qkv) for mixed in (ours, theirs))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
