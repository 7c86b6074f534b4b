"""The plain loop against the one that runs: the same weights after the same batches, in float64."""

from dataclasses import dataclass

import pytest
import torch
from torch import Generator, Tensor, nn

from mechbook.core.training.loop import train
from mechbook.core.training.plain import train_plainly
from mechbook.core.training.settings import TrainingSettings

N, D, T, B = 11, 5, 7, 3


@dataclass(frozen=True)
class Sequences:
    inputs: Tensor
    targets: Tensor
    in_context: Tensor

    @property
    def global_tokens(self) -> Tensor:
        return ~self.in_context


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(N, D), nn.Linear(D, N)).double()


def draw(generator: Generator) -> Sequences:
    z = torch.randint(N, (B, T + 1), generator=generator)
    return Sequences(z[:, :-1], z[:, 1:], torch.rand(B, T, generator=generator) < 0.6)


@pytest.mark.parametrize("loss_on", ["in_context", "all"])
def test_the_plain_loop_is_the_loop(loss_on: str) -> None:
    how = TrainingSettings(steps=6, batch_size=B, optimizer="sgd", lr=0.3, weight_decay=0.02, loss_on=loss_on)
    plain, other = model(), model()
    losses = train_plainly(plain, draw, how, torch.Generator().manual_seed(5))
    run = train(other, draw, how, torch.Generator().manual_seed(5), probe_steps=range(7))
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], atol=1e-10, rtol=1e-10)
    assert losses == pytest.approx(run.values["loss"][:6], abs=1e-10)
