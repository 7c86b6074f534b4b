"""Chapter 4's training on a stand-in for an accelerator: no waits within a step, no float64, few kernels."""

from dataclasses import replace

import pytest
import torch
from torch import Generator

from mechbook.core.training import loop
from mechbook.core.training.ahead import batches_ahead
from mechbook.core.training.settings import TrainingSettings
from mechbook.noisy import presets, task_device
from mechbook.noisy.everywhere import logits
from mechbook.noisy.experiments import ARCHITECTURES, architecture_settings, main_settings, several_settings
from mechbook.noisy.model import NoisyConfig, NoisyTransformer
from mechbook.noisy.runs import NoisySettings, _everywhere
from mechbook.noisy.task import shakespeare_noisy_task
from tests.devices import DEVICE, launches_a_step, standing_in

PAPERS = {
    "main": main_settings(presets.PAPER, 0),
    "several": several_settings(presets.PAPER, 0),
    **{name: architecture_settings(presets.PAPER, name, 0) for name in ARCHITECTURES},
}


def small(spec: NoisySettings) -> NoisySettings:
    how = TrainingSettings(steps=3, batch_size=4, optimizer="sgd", lr=0.1)
    model = replace(spec.model, T=17, d=12)
    return replace(
        spec, T=17, model=model, training=how, cool_down=None, probe_steps=(3,), checkpoint_steps=(), start=None
    )


@pytest.mark.parametrize("name", PAPERS)
def test_a_run_waits_for_its_losses_and_its_weights_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    spec = small(PAPERS[name])
    with standing_in(monkeypatch) as seen:
        model, draw = spec.build().to(DEVICE), task_device.sampler(spec.task(), 4, DEVICE, batches=4)
        seen.clear()
        loop.train(model, draw, spec.training, Generator(), logits_of=_everywhere, probe_steps=())
    # losses once, at the end
    seen.nothing_wrong(waits=1 + len(list(model.parameters())))


@pytest.mark.parametrize("name", PAPERS)
def test_a_step_at_the_papers_size_starts_few_kernels(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    spec = PAPERS[name]
    how = spec.training
    with standing_in(monkeypatch) as seen:
        model, draw = spec.build().to(DEVICE), task_device.sampler(spec.task(), how.batch_size, DEVICE)
        seen.clear()
        batch = draw(Generator())
        sampling = seen.launches / batches_ahead(how.batch_size, spec.T)
        seen.nothing_wrong()
        launches = launches_a_step(model, batch, how, seen, lambda model, batch: logits(model, batch.inputs))
    print(f"{name}: {launches} launches a step, and {sampling:.1f} to draw its batch")
    assert launches + sampling <= 120


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logits_everywhere_and_their_gradients_are_the_models(name: str) -> None:
    """Oracle: the plain forward, with its maps written out, in float64."""
    F1, F2 = ARCHITECTURES[name]
    config = NoisyConfig(V=66, T=17, d=13, F1=F1, F2=F2, output_matrix=name == "no_blocks")
    g = torch.Generator().manual_seed(5)
    model = NoisyTransformer(config, g).double()
    z = torch.randint(66, (5, 11), generator=g)
    weigh = torch.randn(5, 11, 66, generator=g, dtype=torch.float64)
    trained = [p for p in model.parameters() if p.requires_grad]
    found, expected = logits(model, z), model(z)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    pairs = (torch.autograd.grad((out * weigh).sum(), trained) for out in (found, expected))
    for ours, theirs in zip(*pairs, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


def test_a_task_of_several_triggers_is_drawn_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    with standing_in(monkeypatch) as seen:
        draw = task_device.sampler(shakespeare_noisy_task(T=13, alpha=0.3, K=3), 4, DEVICE, batches=2)
        seen.clear()
        batch = draw(Generator())
        seen.nothing_wrong()
    assert tuple(batch.z.shape) == (4, 14) and batch.answers.device == DEVICE
