"""The page's training against PyTorch's. Oracle: the plain forward and torch's own derivatives and optimizers."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from mechbook.shared.bigrams import BigramBatch, sample
from mechbook.shared.recall import induction_memory_maps
from mechbook.shared.simplified import SimplifiedTransformer
from tests.browser.browser import library_page
from tests.widgets.training.page import KERNELS, TRAINED, small_model, train, uneven_task, weights

GRADIENTS, AFTER_STEPS = 1e-4, 1e-3
# Sizes with every kind of padding, one sequence a group and many; the last is the landing page's.
SIZES = [(23, 19, 29, 7, 3), (13, 11, 17, 5, 2), (5, 7, 3, 3, 1), (16, 32, 64, 32, 2)]
LOOK = """([kernels, sizes, weights, tokens]) => {
  const { code, twoLayers } = mechbook.training;
  const floats = Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, Float32Array.from(values)]));
  const model = twoLayers(kernels === "plain" ? null : code(), sizes, floats);
  const { attention, logits } = model.look(tokens), maps = model.maps();
  const lists = (all) => Object.fromEntries(Object.entries(all).map(([name, found]) => [name, Array.from(found)]));
  return { attention: attention.map((map) => Array.from(map)), logits: Array.from(logits), maps: lists(maps) };
}"""


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    with library_page(browser) as found:
        yield found


def loss_of(model: SimplifiedTransformer, batch: BigramBatch) -> torch.Tensor:
    return F.cross_entropy(model(batch.inputs)[batch.in_context], batch.targets[batch.in_context])


def batches(N: int, T: int, B: int, K: int, count: int, seed: int = 1) -> list[BigramBatch]:
    generator, task = torch.Generator().manual_seed(seed), uneven_task(N, T, K)
    return [sample(task, B, generator) for _ in range(count)]


def distance(found: list[float], expected: torch.Tensor) -> float:
    """The Euclidean norm of the difference, relative to that of what is expected."""
    right = expected.detach().double().flatten()
    return float((torch.tensor(found).double() - right).norm() / right.norm())


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(("N", "T", "d", "B", "K"), SIZES)
def test_gradients_are_pytorchs(page: Any, kernels: str, N: int, T: int, d: int, B: int, K: int) -> None:
    model, (batch,) = small_model(N, T, d), batches(N, T, B, K, 1)
    # trained a little: at the start the gradients of W_K1 are no more than noise
    with torch.no_grad():
        model.W_O2 += 0.7 * torch.einsum("no,ni->oi", model.W_U, model.W_E @ model.W_V2.T) / d**0.5
    found = train(page, kernels, model, [batch])
    assert found["vectors"] == (kernels == "vectors")
    exact = small_model(N, T, d).double()
    exact.load_state_dict(model.state_dict())
    loss = loss_of(exact, batch)
    loss.backward()
    assert found["seen"][0]["loss"] == pytest.approx(loss.item(), rel=1e-5)
    right = exact(batch.inputs)[batch.in_context].argmax(-1) == batch.targets[batch.in_context]
    assert found["seen"][0]["right"] == int(right.sum())
    far = {name: distance(found["g"][name], getattr(exact, name).grad) for name in TRAINED}
    assert max(far.values()) < GRADIENTS, far


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("frozen", [(), ("W_O2",), ("W_K1", "W_K2")])
def test_a_hundred_steps_end_where_pytorchs_do(page: Any, optimizer: str, frozen: tuple[str, ...]) -> None:
    N, T, d, B, K = SIZES[-1]
    model, steps = small_model(N, T, d), batches(N, T, B, K, 100)
    lr, decay = (0.01, 1e-4) if optimizer == "sgd" else (0.005, 1e-2)
    how = {"optimizer": optimizer, "lr": lr, "momentum": 0.9, "decay": decay}
    found = train(page, "vectors", model, steps, how, frozen)
    for name in TRAINED:
        getattr(model, name).requires_grad_(name not in frozen)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    made: torch.optim.Optimizer = torch.optim.SGD(trained, lr=lr, momentum=0.9, weight_decay=decay)
    if optimizer == "adamw":
        made = torch.optim.AdamW(trained, lr=lr, weight_decay=decay)
    before = {name: getattr(model, name).detach().clone() for name in TRAINED}
    for batch in steps:
        made.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        made.step()
    far = {name: distance(found["w"][name], getattr(model, name)) for name in TRAINED}
    assert max(far.values()) < AFTER_STEPS, far
    assert found["seen"][-1]["loss"] == pytest.approx(loss.item(), rel=AFTER_STEPS)
    assert all(found["w"][name] == before[name].flatten().tolist() for name in frozen)
    # and the steps led somewhere: the agreement is not that of two models that stand still
    moved = {name: distance(before[name].flatten().tolist(), getattr(model, name)) for name in TRAINED}
    assert all((moved[name] == 0) == (name in frozen) for name in TRAINED) and max(moved.values()) > 0.05


def test_plain_and_compiled_kernels_agree_in_every_bit(page: Any) -> None:
    """So a browser without vectors shows the same run."""
    N, T, d, B, K = 13, 11, 17, 5, 2
    model, steps = small_model(N, T, d), batches(N, T, B, K, 30)
    for how in ({"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "decay": 1e-4},
                {"optimizer": "adamw", "lr": 0.01, "momentum": 0, "decay": 1e-2}):  # fmt: skip
        fast, plain = (train(page, kernels, model, steps, how) for kernels in KERNELS)
        assert fast.pop("vectors") and not plain.pop("vectors")
        assert fast == plain


@pytest.mark.parametrize("kernels", KERNELS)
def test_maps_of_attention_and_of_the_memories(page: Any, kernels: str) -> None:
    N, T, d, B, _ = SIZES[0]
    model = small_model(N, T, d)
    tokens = torch.randint(N, (1, T - 2), generator=torch.Generator().manual_seed(5))
    sizes = {"N": N, "T": T, "d": d, "B": B}
    found = page.evaluate(LOOK, [kernels, sizes, weights(model), tokens[0].tolist()])
    trace = model.double().trace(tokens)
    for layer, shown in enumerate(found["attention"]):
        expected = trace.attention[layer][0].flatten()
        torch.testing.assert_close(torch.tensor(shown).double(), expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(torch.tensor(found["logits"]).double(), trace.logits[0].flatten(), rtol=0, atol=1e-3)
    with torch.no_grad():
        for name, expected in induction_memory_maps(model).items():
            shown = torch.tensor(found["maps"][name]).double()
            torch.testing.assert_close(shown, expected.flatten(), rtol=1e-4, atol=1e-3)
