"""The page's noisy recall against PyTorch's. Oracle: NoisyTransformer's plain forward, torch's derivatives and SGD."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from scipy.stats import chi2_contingency
from torch.nn import functional as F

from mechbook.noisy.model import NoisyConfig, NoisyTransformer
from mechbook.noisy.task import NoisyBatch, NoisyTask, sample
from mechbook.shared.bigrams import BigramTask
from tests.browser.browser import library_page
from tests.widgets.training.page import KERNELS, uneven_task

GRADIENTS, AFTER_STEPS, LEVEL = 1e-4, 1e-3, 1e-3
# Each matrix in the page, and the package's.
NAMES = {"W_K1": "W_KQ1", "W_K2": "W_KQ2", "W_V2": "W_V2", "F2.W_in": "F2.W_in", "F2.W_out": "F2.W_out"}
FROZEN = {"W_E": "W_E", "P": "P", "W_U": "W_U", "W_V1": "W_V1"}
TRAIN = """([kernels, settings, weights, batches, how]) => {
  const { code, noisyOf } = mechbook.training;
  const floats = Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, Float32Array.from(values)]));
  const { model, vectors } = noisyOf(kernels === "plain" ? null : code(), settings, floats), seen = [];
  batches.forEach(({ z, counts, places, targets }, step) => {
    z.forEach((row, b) => model.batch.z.set(row, b * model.batch.stride));
    model.batch.counts.set(counts);
    model.batch.places.set(places);
    model.batch.targets.set(targets);
    seen.push(model.gradients(places.length));
    if (how) model.update({ ...how, t: step + 1 });
  });
  const names = ["W_K1", "W_K2", "W_V2", "F2.W_in", "F2.W_out"];
  const all = (part) => Object.fromEntries(names.map((name) => [name, Array.from(model.matrix(name, part))]));
  return { vectors, seen, w: all("w"), g: all("g") };
}"""
LOOK = """([settings, weights, tokens]) => {
  const { code, noisyOf } = mechbook.training;
  const floats = Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, Float32Array.from(values)]));
  const run = noisyOf(code(), settings, floats), seen = [];
  for (const drop of [false, true]) {
    run.change({ drop });
    seen.push(Array.from(run.seen(tokens).look.logits));
  }
  return seen;
}"""
DRAW = """([task, batches, B, seed]) => {
  const { noisySampler } = mechbook.training, { uniforms } = mechbook.associative, draw = noisySampler(task);
  const whole = () => new Int32Array(B * task.T), all = [];
  const room = {
    z: whole(), stride: task.T, counts: new Int32Array(B), places: whole(), targets: whole(), answers: whole(),
  };
  for (let i = 0; i < batches; i++) {
    const n = draw(uniforms(seed, i + 1), room);
    const [z, counts] = [room.z, room.counts].map((one) => Array.from(one));
    const known = [room.places, room.targets, room.answers].map((one) => Array.from(one.subarray(0, n)));
    const [places, targets, answers] = known;
    all.push({ z, counts, places, targets, answers });
  }
  return all;
}"""


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    with library_page(browser) as found:
        yield found


def noisy_task(N: int, T: int, K: int, alpha: float) -> NoisyTask:
    plain = uneven_task(N, T, K)
    bigrams = BigramTask(pi_u=plain.pi_u, pi_b=plain.pi_b, T=T, K=K, triggers=tuple(range(K)))
    return NoisyTask(bigrams=bigrams, alpha=alpha)


def settings(task: NoisyTask, d: int, B: int) -> dict[str, Any]:
    given = {"pi_u": task.bigrams.pi_u.tolist(), "pi_b": task.bigrams.pi_b.tolist(), "alpha": task.alpha}
    sizes = {"N": task.N, "T": task.T, "d": d, "B": B, "K": len(task.triggers), "triggers": list(task.triggers)}
    how = {"lr": 0.03, "momentum": 0.9, "decay": 1e-4, "seed": 0, "every": 10, "steps": 100}
    return {**given, **sizes, **how}


def made(task: NoisyTask, d: int) -> NoisyTransformer:
    """The model that the page trains: no F_1, and W_V1 frozen."""
    config = NoisyConfig(V=task.N + 1, T=task.T, d=d, F1="none", F2="mlp")
    model = NoisyTransformer(config, torch.Generator().manual_seed(0))
    model.W_V1.requires_grad_(False)
    return model


def weights(model: NoisyTransformer) -> dict[str, list[float]]:
    state = model.state_dict()
    return {name: state[own].flatten().tolist() for name, own in {**NAMES, **FROZEN}.items()}


def room(batch: NoisyBatch) -> dict[str, Any]:
    chosen = batch.in_context
    return {
        "z": batch.inputs.tolist(),
        "counts": chosen.sum(1).tolist(),
        "places": chosen.nonzero()[:, 1].tolist(),
        "targets": batch.targets[chosen].tolist(),
    }


def loss_of(model: NoisyTransformer, batch: NoisyBatch) -> torch.Tensor:
    return F.cross_entropy(model(batch.inputs)[batch.in_context], batch.targets[batch.in_context])


def distance(found: list[float], expected: torch.Tensor) -> float:
    right = expected.detach().double().flatten()
    return float((torch.tensor(found).double() - right).norm() / right.norm())


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(("N", "T", "d", "B", "K"), [(11, 17, 13, 7, 2), (16, 32, 64, 32, 1)])
def test_gradients_are_pytorchs(page: Any, kernels: str, N: int, T: int, d: int, B: int, K: int) -> None:
    task = noisy_task(N, T, K, 0.4)
    model, batch = made(task, d), sample(task, B, torch.Generator().manual_seed(1))
    found = page.evaluate(TRAIN, [kernels, settings(task, d, B), weights(model), [room(batch)], None])
    assert found["vectors"] == (kernels == "vectors")
    exact = made(task, d).double()
    loss = loss_of(exact, batch)
    loss.backward()
    assert found["seen"][0]["loss"] == pytest.approx(loss.item(), rel=1e-5)
    slopes = dict(exact.named_parameters())
    far = {name: distance(found["g"][name], slopes[own].grad) for name, own in NAMES.items()}
    assert max(far.values()) < GRADIENTS, far


def test_a_hundred_steps_end_where_pytorchs_do(page: Any) -> None:
    task, d, B = noisy_task(16, 32, 1, 0.5), 64, 32
    generator, model = torch.Generator().manual_seed(2), made(task, d)
    drawn = [sample(task, B, generator) for _ in range(100)]
    how = {"optimizer": "sgd", "lr": 0.03, "momentum": 0.9, "decay": 1e-4}
    found = page.evaluate(TRAIN, ["vectors", settings(task, d, B), weights(model), [room(one) for one in drawn], how])
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    sgd = torch.optim.SGD(trained, lr=0.03, momentum=0.9, weight_decay=1e-4)
    before = {name: dict(model.named_parameters())[own].detach().clone() for name, own in NAMES.items()}
    for batch in drawn:
        sgd.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        sgd.step()
    ended = {name: dict(model.named_parameters())[own].detach() for name, own in NAMES.items()}
    far = {name: distance(found["w"][name], ended[name]) for name in NAMES}
    assert max(far.values()) < AFTER_STEPS, far
    assert max(distance(before[name].flatten().tolist(), ended[name]) for name in NAMES) > 0.05


def test_dropping_F2_leaves_attention_alone(page: Any) -> None:
    task, d = noisy_task(11, 17, 2, 0.4), 13
    model = made(task, d)
    tokens = torch.randint(12, (1, 15), generator=torch.Generator().manual_seed(3))
    whole, cut = page.evaluate(LOOK, [settings(task, d, 5), weights(model), tokens[0].tolist()])
    with torch.no_grad():
        expected = model.double()(tokens)[0]
        torch.testing.assert_close(torch.tensor(whole).double(), expected.flatten(), rtol=0, atol=1e-4)
        model.F2.W_in.zero_()
        without = model(tokens)[0]
    torch.testing.assert_close(torch.tensor(cut).double(), without.flatten(), rtol=0, atol=1e-4)
    assert (without - expected).abs().max() > 0.1


def test_the_draws_are_the_packages(page: Any) -> None:
    """Oracle: the package's sampler, by chi-square at a level of 1 in 1000."""
    task, B, batches = noisy_task(11, 17, 2, 0.4), 128, 40
    N, T = task.N, task.T
    z, chosen, targets, answers = [], [], [], []
    for batch in page.evaluate(DRAW, [settings(task, 4, B), batches, B, 3]):
        z.append(torch.tensor(batch["z"]).view(B, T))
        mask = torch.zeros(B, T, dtype=torch.bool)
        mask[torch.arange(B).repeat_interleave(torch.tensor(batch["counts"])), torch.tensor(batch["places"])] = True
        chosen.append(mask)
        targets += batch["targets"]
        answers += batch["answers"]
    found, mask = torch.cat(z), torch.cat(chosen)
    package = sample(task, B * batches, torch.Generator().manual_seed(9))

    def same(ours: torch.Tensor, theirs: torch.Tensor, cells: int) -> bool:
        counts = torch.stack([values.bincount(minlength=cells) for values in (ours, theirs)])
        often = counts.sum(0) >= 20
        table = torch.cat([counts[:, often], counts[:, ~often].sum(1, keepdim=True)], 1)
        return bool(chi2_contingency(table[:, table.sum(0) > 0].numpy()).pvalue > LEVEL)

    V = N + 1
    for t in (0, 3, T - 2, T - 1):
        assert same(found[:, t], package.inputs[:, t], V)
    for t in (0, T - 3):
        ours, theirs = (rows[:, t] * V + rows[:, t + 1] for rows in (found, package.inputs))
        assert same(ours, theirs, V * V)
    assert same(mask.sum(1), package.in_context.sum(1), T + 1)
    # the first such position of each sequence: its trigger, its answer, and what follows
    ends = mask & (mask.cumsum(1) == 1), package.in_context & (package.in_context.cumsum(1) == 1)
    ours = found[ends[0]] * V * V + torch.tensor(answers)[ends[0][mask]] * V + torch.tensor(targets)[ends[0][mask]]
    theirs = package.inputs[ends[1]] * V * V + package.answers[ends[1]] * V + package.targets[ends[1]]
    assert same(ours, theirs, 2 * V * V)
    # noise falls on each trigger independently, but before the last input, which is always a trigger: 4 standard errors
    free = mask.nonzero()[:, 1] != T - 2
    noise = (torch.tensor(targets)[free] == N).double()
    assert abs(float(noise.mean()) - 0.4) < 4 * (0.4 * 0.6 / len(noise)) ** 0.5
