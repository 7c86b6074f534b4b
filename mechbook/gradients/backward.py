"""Every layer's gradient is a memory: of a layer's inputs and of the vectors that come back to it."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechbook.gradients.identities import autograd_at, normal, relative_error
from mechbook.gradients.presets import IdentityPreset
from mechbook.gradients.streams import STREAMS

Layers = tuple[Float[Tensor, "h1 d"], Float[Tensor, "h2 h1"], Float[Tensor, "N h2"]]


def network(layers: Layers, x: Float[Tensor, "B d"]) -> Float[Tensor, "B N"]:
    """Return the logits W_3 relu(W_2 relu(W_1 x)) of every input."""
    W_1, W_2, W_3 = layers
    return torch.relu(torch.relu(x @ W_1.T) @ W_2.T) @ W_3.T


def middle_gradient(layers: Layers, x: Float[Tensor, "B d"], y: Int[Tensor, " B"]) -> Float[Tensor, "h2 h1"]:
    """Return the gradient on W_2 of the mean cross-entropy: the mean over inputs of back h^T.

    h = relu(W_1 x) came in; back = 1{W_2 h > 0} W_3^T (p_hat - 1{y}) takes the place of w_U(k) in Lemma 1.
    """
    W_1, W_2, W_3 = layers
    h = torch.relu(x @ W_1.T)
    error = network(layers, x).softmax(1) - torch.nn.functional.one_hot(y, len(W_3))
    back = (h @ W_2.T > 0) * (error @ W_3)
    return back.T @ h / len(x)


def backward_identity(how: IdentityPreset, seed: int) -> float:
    """Relative error of `middle_gradient` against automatic differentiation, on random data of this seed."""
    random = STREAMS.generator("backward vectors", seed)
    W_1, W_2, W_3 = (normal(*shape, generator=random) for shape in ((how.n, how.d), (how.T, how.n), (how.N, how.T)))
    x, y = normal(how.B, how.d, generator=random), torch.randint(how.N, (how.B,), generator=random)
    expected = autograd_at(lambda W: torch.nn.functional.cross_entropy(network((W_1, W, W_3), x), y), W_2)
    return relative_error(middle_gradient((W_1, W_2, W_3), x, y), expected)
