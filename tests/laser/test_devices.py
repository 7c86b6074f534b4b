"""Chapter 5's English model on a stand-in for an accelerator."""

from dataclasses import replace

import pytest
import torch
from torch import Generator

from mechbook.core.training import loop
from mechbook.core.training.ahead import seeded
from mechbook.laser import english_runs, presets
from mechbook.laser.data import english
from mechbook.laser.english_runs import english_settings
from tests.devices import DEVICE, standing_in


def test_logits_with_the_mask_given_are_those_without() -> None:
    """Oracle: the model as the CPU runs it, which makes its own causal mask; float64."""
    spec = english_settings(replace(presets.LAPTOP, T=16), 0)
    model, batch = spec.build().double(), english.sample(spec.task, 3, Generator().manual_seed(1))
    torch.testing.assert_close(english_runs._everywhere(model, batch), model(batch.inputs).logits, rtol=0, atol=1e-10)


def test_the_english_model_is_trained_without_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = english_settings(replace(presets.LAPTOP, T=16), 0)
    with standing_in(monkeypatch) as seen:
        model = spec.build().to(DEVICE)
        draw = seeded(lambda g: english.sample(spec.task, 4, g), DEVICE)
        # the words' numbers are brought to the device once
        draw(Generator())
        seen.clear()
        how = replace(spec.training, steps=2)
        loop.train(model, draw, how, Generator(), logits_of=english_runs._everywhere, probe_steps=())
    seen.nothing_wrong(waits=1 + len(model.state_dict()))
