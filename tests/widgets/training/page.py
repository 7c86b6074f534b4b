"""The page's training, called from the tests: models and batches of PyTorch's, put into the browser as JSON values."""

from typing import Any

import torch
from torch import Tensor

from mechbook.shared.bigrams import BigramBatch, BigramTask
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer

NAMES = ("W_E", "P", "W_U", "W_K1", "W_V1", "W_O1", "W_K2", "W_V2", "W_O2")
TRAINED = ("W_K1", "W_K2", "W_O2")
# With the compiled kernels and with the plain ones.
KERNELS = ("vectors", "plain")
# A model of the page from weights, and a batch in its room; `each` step's gradients, and how they are used.
SCRIPT = """([kernels, sizes, weights, batches, how, frozen]) => {
  const { code, twoLayers } = mechbook.training;
  const floats = Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, Float32Array.from(values)]));
  const model = twoLayers(kernels === "plain" ? null : code(), sizes, floats);
  frozen.forEach((name) => model.frozen.add(name));
  const seen = [];
  batches.forEach(({ z, counts, places, targets }, step) => {
    z.forEach((row, b) => model.batch.z.set(row, b * model.batch.stride));
    model.batch.counts.set(counts);
    model.batch.places.set(places);
    model.batch.targets.set(targets);
    seen.push(model.gradients(places.length));
    if (how) model.update({ ...how, t: step + 1 });
  });
  const names = ["W_K1", "W_K2", "W_O2"];
  const all = (part) => Object.fromEntries(names.map((name) => [name, Array.from(model.matrix(name, part))]));
  return { vectors: model.vectors, seen, w: all("w"), g: all("g") };
}"""


def weights(model: SimplifiedTransformer) -> dict[str, list[float]]:
    """The model's matrices as the page takes them."""
    return {name: getattr(model, name).detach().flatten().tolist() for name in NAMES}


def room(batch: BigramBatch) -> dict[str, Any]:
    """The batch as the page keeps one."""
    chosen = batch.in_context
    return {
        "z": batch.inputs.tolist(),
        "counts": chosen.sum(1).tolist(),
        "places": chosen.nonzero()[:, 1].tolist(),
        "targets": batch.targets[chosen].tolist(),
    }


def train(
    page: Any,
    kernels: str,
    model: SimplifiedTransformer,
    batches: list[BigramBatch],
    how: dict[str, Any] | None = None,
    frozen: tuple[str, ...] = (),
) -> Any:
    """Train a copy of the model in the page; without `how` nothing is updated."""
    c = model.config
    sizes = {"N": c.N, "T": c.T, "d": c.d, "B": len(batches[0].z)}
    rooms = [room(batch) for batch in batches]
    return page.evaluate(SCRIPT, [kernels, sizes, weights(model), rooms, how, list(frozen)])


def uneven_task(N: int, T: int, K: int) -> BigramTask:
    """A task whose tokens are not equally likely, nor their followers."""
    generator = torch.Generator().manual_seed(7)
    pi_b: Tensor = torch.rand(N, N, generator=generator) ** 3
    pi_u = torch.rand(N, generator=generator) + 0.05
    return BigramTask(pi_u=pi_u / pi_u.sum(), pi_b=pi_b / pi_b.sum(1, keepdim=True), T=T, K=K)


def small_model(N: int, T: int, d: int, seed: int = 0) -> SimplifiedTransformer:
    """A two-layer model as the page trains it."""
    return SimplifiedTransformer(SimplifiedConfig(N=N, T=T, d=d), torch.Generator().manual_seed(seed))
