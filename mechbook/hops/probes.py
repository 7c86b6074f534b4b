"""What a hop transformer carries after each layer (linear probes) and where its heads look (attention masses)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechbook.hops.task import Composition, hop_targets


def fit_probe(
    x: Float[Tensor, "m d"], y: Int[Tensor, "m"], *, n: int, ridge: float = 1e-3
) -> Float[Tensor, "d_plus_1 n"]:
    """Return the weights W of a linear classifier of n classes: least squares on indicators, in float64.

    (X^T X / m + ridge I) W = X^T Y / m, where X is x with a constant feature, the last row of W, penalised like the
    others. Raises ValueError where ridge is not positive and finite, or too small for float64.
    """
    if not 0 < ridge < float("inf"):
        raise ValueError(f"ridge is {ridge}; it must be positive and finite.")
    X, Y = _with_constant(x), torch.nn.functional.one_hot(y, n).double()
    gram = X.T @ X / len(X) + ridge * torch.eye(X.shape[1], dtype=torch.float64, device=X.device)
    try:
        return torch.linalg.solve(gram, X.T @ Y / len(X))
    except torch.linalg.LinAlgError as error:
        raise ValueError(f"ridge is {ridge}; the probe's equations have no one solution: take a larger one.") from error


def probe_accuracy(W: Float[Tensor, "d_plus_1 n"], x: Float[Tensor, "m d"], y: Int[Tensor, "m"]) -> float:
    """Return how often the class with the largest score is y."""
    return float(((_with_constant(x) @ W).argmax(1) == y).double().mean())


def _with_constant(x: Tensor) -> Tensor:
    return torch.nn.functional.pad(x.double(), (0, 1), value=1.0)


def readable(
    streams: Sequence[Float[Tensor, "B T d"]], targets: Int[Tensor, "B T hops"], *, n: int
) -> Float[Tensor, "streams hops"]:
    """Return how accurately a linear probe, one for all tokens, reads each hop after each layer.

    It is trained on the first half of the batch and tested on the second. Entry [0] is the embedding, before any layer.
    On the CPU: least squares are in float64.
    """
    streams, targets = [stream.cpu() for stream in streams], targets.cpu()
    half = len(targets) // 2
    found = torch.zeros(len(streams), targets.shape[-1])
    for layer, stream in enumerate(streams):
        known, held_out = stream[:half].flatten(0, 1), stream[half:].flatten(0, 1)
        for hop in range(targets.shape[-1]):
            y, z = targets[:half, :, hop].flatten(), targets[half:, :, hop].flatten()
            found[layer, hop] = probe_accuracy(fit_probe(known, y, n=n), held_out, z)
    return found


def first_layer(accuracy: Float[Tensor, "streams"], bar: float = 0.9) -> int:
    """Return the first layer after which `accuracy` is above `bar`: 0: the embedding; one past the last: never."""
    above = (accuracy > bar).nonzero()
    return int(above[0]) if len(above) else len(accuracy)


def keys_of_hops(task: Composition, sigma: Int[Tensor, "B k n"]) -> Int[Tensor, "B T k"]:
    """Return, for each query token (i, y) and r = 0..k-1, the token whose sigma the hop number r + 1 reads.

    That is (i + r, pi_{i+r}(y_r)) with y_r where r hops from (i, y) lead; as its number in the sequence.
    """
    k, n = task.k, task.n
    reached = hop_targets(task, sigma, range(k))
    positions = (torch.arange(k, device=sigma.device)[:, None] + torch.arange(k, device=sigma.device)) % k
    hidden = task.pi.to(sigma)[positions[:, None, :].expand(k, n, k), reached]
    return (positions[:, None, :] * n + hidden).flatten(1, 2)


def landings_of_hops(task: Composition, sigma: Int[Tensor, "B k n"]) -> Int[Tensor, "B T k"]:
    """Return, for each query token (i, y) and r = 0..k-1, the token (i + r, y_r) where r hops land, as its number."""
    k, n = task.k, task.n
    positions = (torch.arange(k, device=sigma.device)[:, None] + torch.arange(k, device=sigma.device)) % k
    return (positions[:, None, :] * n + hop_targets(task, sigma, range(k))).flatten(1, 2)


def keys_of_two_layers(task: Composition, sigma: Int[Tensor, "B k n"]) -> Int[Tensor, "B T 3"]:
    """Return, for each query token (i, y), what layer 1 of `four_hops_in_two_layers` looks at, as numbers of tokens.

    In this order: the key (i, pi_i(y)) of one hop from here; (i + 1, pi_{i+1} sigma_i (y)), where its own sigma leads
    next; and the (i - 1, u) that carries pi_i^-1 (y), where one comes from.
    """
    k, n = task.k, task.n
    pi, i = task.pi.to(sigma), torch.arange(k, device=sigma.device)[:, None]
    forth = pi.roll(-1, 0)[i, sigma]
    # u with sigma_{i-1}(u) = pi_i^-1 (y)
    back = sigma.argsort(-1).roll(1, 1)[:, i, pi.argsort(-1)]
    found = ((i * n + pi).expand_as(sigma), (i + 1) % k * n + forth, (i - 1) % k * n + back)
    return torch.stack(found, -1).flatten(1, 2)


def mass_on(attention: Float[Tensor, "B H T T"], keys: Int[Tensor, "B T K"]) -> Float[Tensor, "H K"]:
    """Return each head's mean attention from all queries on their own key number 0..K-1."""
    B, H, T, _ = attention.shape
    chosen = attention.gather(3, keys[:, None].expand(B, H, T, keys.shape[-1]))
    return chosen.mean((0, 2))
