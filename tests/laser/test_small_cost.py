"""What a truncation costs the small model, on a run of seconds: against a loop over words, and an MLP switched off."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mechbook.laser import dynamics, small_cost
from mechbook.laser.data import english
from mechbook.laser.dynamics import Choice
from mechbook.laser.half_a import HalfA
from mechbook.laser.streams import STREAMS
from tests.laser.test_dynamics import TINY


def test_loss_and_the_block_without_its_mlp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracles: -log p word by word in numpy's SVD of the matrix; a hook in the place of the MLP. All bits are back."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    how, prompts = TINY, dynamics.tasks(10, 0)["ioi"]
    choice = Choice(matrix="mlp.dense_h_to_4h", layer=1, rho=0.25)
    found = small_cost.small_cost(how, prompts, choice, documents=3)
    model = how.checkpoints().at(5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fresh = english.sample(how.task, 3, STREAMS.generator("english", 0, 2))

    def by_hand() -> float:
        with torch.no_grad():
            p = model(fresh.inputs).logits.double().softmax(-1)
        losses = [-p[i, t, fresh.targets[i, t]].log() for i in range(3) for t in range(fresh.targets.shape[1])]
        return float(torch.stack(losses).mean())

    assert found.full == pytest.approx(by_hand(), rel=1e-5)
    weight = model.get_parameter(choice.name)
    U, S, Vh = torch.linalg.svd(before[choice.name].double(), full_matrices=False)
    with torch.no_grad():
        weight.copy_((U[:, :3] * S[:3]) @ Vh[:3])
    assert found.cut == pytest.approx(by_hand(), rel=1e-4)
    model.load_state_dict(before)
    whole = dynamics.means(model, prompts.half("B")).ratio
    mlp = model.get_submodule("gpt_neox.layers.1.mlp")
    with small_cost.no_mlp(model, 1):
        pass
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    handle = mlp.register_forward_hook(lambda _, inputs, output: torch.zeros_like(output))
    without = dynamics.means(model, prompts.half("B")).ratio
    handle.remove()
    assert found.without_mlp == pytest.approx(without / whole, rel=1e-5)


def test_factors_and_the_best_rate_of_half_a_are_counted_by_hand() -> None:
    """Oracle: two prompts; drawn both alike or mixed, the small rate wins but where the second is drawn twice."""
    cut = torch.tensor([[[[0.8, 0.1], [0.1, 0.1]], [[0.1, 0.1], [0.2, 0.1]]]])
    made = HalfA(rhos=[0.1, 0.5], whole={"facts": torch.tensor([[0.1, 0.2], [0.3, 0.2]])}, cut={"facts": cut})
    torch.testing.assert_close(made.factors("facts"), torch.tensor([[4.5, 1.5]]).double())
    share = made.small_is_best("facts", 0.2, torch.Generator().manual_seed(0))
    assert share == pytest.approx(0.75, abs=0.04)
    assert replace(made, rhos=[0.3, 0.5]).small_is_best("facts", 0.2, torch.Generator().manual_seed(0)) == 0
