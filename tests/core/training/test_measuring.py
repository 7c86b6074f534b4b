"""The accelerator's way through the training loop, run here on the CPU, against the CPU's own way."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor, nn

from mechbook.core import devices
from mechbook.core.training import loop
from mechbook.core.training.measuring import losses_by, masked, plain_logits, plain_logits_at, selected
from mechbook.core.training.meter import Meter
from tests.core.training.test_loop import ADAMW, SGD, Sequences, Tiny, data, draw, fit


@pytest.fixture
def accelerated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "is_accelerator", lambda device: True)


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_masked_is_selected(share: float, everywhere: bool) -> None:
    """Oracle: `selected`: loss, gradients and totals, in float64."""
    model, batch = Tiny(), draw(data(), share)
    meters = Meter(), Meter()
    losses = (
        selected(model, batch, everywhere, losses_by(plain_logits_at), meters[0]),
        masked(model, batch, everywhere, plain_logits, meters[1]),
    )
    torch.testing.assert_close(losses[1], losses[0], rtol=0, atol=1e-12)
    trained = [model.A, model.C]
    there = torch.autograd.grad(losses[1], trained)
    if losses[0].requires_grad:
        for ours, theirs in zip(there, torch.autograd.grad(losses[0], trained), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    else:
        assert not any(bool(gradient.any()) for gradient in there)
    assert meters[1].totals.keys() == meters[0].totals.keys()
    for name, (total, count) in meters[0].totals.items():
        found, number = meters[1].totals[name]
        assert int(number) == int(count)
        torch.testing.assert_close(found.double(), total.double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("settings", [SGD, replace(SGD, loss_on="all"), replace(ADAMW, clip_norm=0.1, warmup=3)])
def test_a_run_on_an_accelerator_is_the_cpus(settings: object, request: pytest.FixtureRequest) -> None:
    """Oracle: the CPU's run; weights to 1e-10, what is recorded to float32's digits."""
    probes = {"norm": lambda m: m.A.norm(), "number": lambda m: 2.5}
    _, plain = fit(settings, probes=probes, probe_steps=[0, 3, 7, 13], checkpoint_steps=[5])
    request.getfixturevalue("accelerated")
    _, there = fit(settings, probes=probes, probe_steps=[0, 3, 7, 13], checkpoint_steps=[5])
    assert there.steps == plain.steps and there.values.keys() == plain.values.keys()
    for name, values in plain.values.items():
        assert there.values[name] == pytest.approx(values, rel=1e-6, abs=1e-7)
    for name, value in plain.final.items():
        torch.testing.assert_close(there.final[name], value, rtol=0, atol=1e-10)
        torch.testing.assert_close(there.checkpoints[5][name], plain.checkpoints[5][name], rtol=0, atol=1e-10)


@pytest.mark.parametrize(("every", "told"), [(1, 5), (4, 5), (32, 5)])
def test_a_loss_that_is_not_finite_is_told_at_its_own_step(
    accelerated: None, monkeypatch: pytest.MonkeyPatch, every: int, told: int
) -> None:
    """Oracle: the step that broke, though it is looked at later; and how late that is."""
    monkeypatch.setattr(loop, "ACCELERATOR_CHECK_STEPS", every)
    asked: list[int] = []

    def broken(model: nn.Module, batch: Sequences) -> Tensor:
        asked.append(len(asked))
        logits: Tensor = model(batch.inputs)
        return logits * torch.nan if len(asked) == 6 else logits

    with pytest.raises(FloatingPointError, match=f"^The loss is nan at step {told} with learning rate 0.3: "):
        fit(SGD, logits_of=broken, probe_steps=[])
    assert len(asked) == min(13, every * -(-6 // every))


def test_an_interrupted_run_goes_on_to_the_same_bits(accelerated: None, tmp_path: Path) -> None:
    """Oracle: the run without a break."""
    steps = iter(range(99))

    def cut(generator: Generator) -> Sequences:
        if next(steps) == 8:
            raise KeyboardInterrupt
        return draw(generator)

    kept = {"state_path": tmp_path / "state", "state_every": 3, "probe_steps": [0, 7, 13]}
    with pytest.raises(KeyboardInterrupt):
        loop.train(Tiny(), cut, SGD, data(), **kept)
    resumed, whole = loop.train(Tiny(), draw, SGD, data(), **kept), fit(SGD, probe_steps=[0, 7, 13])[1]
    assert resumed.values == whole.values
    assert all(torch.equal(resumed.final[name], value) for name, value in whole.final.items())


def test_numbers_are_read_in_one_go(accelerated: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the numbers; how often the device is asked."""
    reads = []
    for name in ("tolist", "__float__", "item"):
        original = getattr(Tensor, name)
        monkeypatch.setattr(Tensor, name, lambda self, read=original: reads.append(1) or read(self))
    values = {"a": torch.tensor(0.25), "b": 3.5, "c": torch.tensor(7), "d": torch.tensor(True)}
    assert devices.read(values) == {"a": 0.25, "b": 3.5, "c": 7.0, "d": 1.0}
    assert list(devices.read({"y": 1.0, "x": torch.tensor(2.0)})) == ["y", "x"]
    assert len(reads) == 2
