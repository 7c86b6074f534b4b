"""Every gradient formula of chapter 2 against automatic differentiation, on random data in double precision."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mechbook.gradients import attention_lemmas, lemmas
from mechbook.gradients.presets import IdentityPreset
from mechbook.gradients.streams import STREAMS
from mechbook.shared.embeddings import random_embeddings


def normal(*shape: int, generator: torch.Generator) -> Tensor:
    """Draw float64 numbers from N(0, 1/last size): rows of about unit norm, or a remapping matrix."""
    return random_embeddings(
        math.prod(shape[:-1]), shape[-1], std=shape[-1] ** -0.5, generator=generator, dtype=torch.float64
    ).view(*shape)


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Return |found - expected| / |expected|, Frobenius norms. Raises ValueError where nothing but 0 is expected."""
    if not bool(expected.any()):
        raise ValueError("what is expected is 0; nothing is near to it or far from it.")
    return float((found - expected).norm() / expected.norm())


def autograd_at(loss: Callable[[Tensor], Tensor], W: Tensor) -> Tensor:
    """Return torch's own gradient of a loss at W."""
    W = W.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(W), W)
    return gradient


def identities(how: IdentityPreset, seed: int) -> dict[str, float]:
    """Relative error of each closed form against autograd, on random data of this seed.

    "lemma4_printed" takes Lemma 4 as printed, keys on the left, for the gradient of scores with queries on the left.
    """
    random = STREAMS.generator("identities", seed)
    n, N, d, T, B = how.n, how.N, how.d, how.T, how.B
    W, W_E, W_U = normal(d, d, generator=random), normal(n, d, generator=random), normal(N, d, generator=random)
    joint = torch.rand(n, N, generator=random, dtype=torch.float64)
    joint /= joint.sum()
    x, y = normal(B * N, d, generator=random), torch.arange(B * N) % N
    X, P = normal(B, T, d, generator=random), normal(T, d, generator=random)
    label = torch.randint(N, (B,), generator=random)
    Phi_1, Phi_2, W_2 = (normal(d, d, generator=random) for _ in range(3))
    zero = torch.zeros(d, d, dtype=torch.float64)

    def cross_entropy(logits: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(logits, label)

    rms = d**0.5
    second = autograd_at(
        lambda W: cross_entropy(attention_lemmas.second_layer_logits(W, X, X, X[:, -1], W_U, Phi_2)), zero
    )
    first = autograd_at(
        lambda W: cross_entropy(attention_lemmas.first_layer_logits(W, X, P, W_U, Phi_1, Phi_2, W_2)), zero
    )
    lemma4 = attention_lemmas.second_layer_gradient(X, X, X[:, -1], label, W_U, Phi_2)
    return {
        "lemma1": relative_error(
            lemmas.association_gradient(W, W_E, W_U, joint),
            autograd_at(lambda W: lemmas.association_loss(W, W_E, W_U, joint), W),
        ),
        "lemma2": relative_error(
            lemmas.noisy_input_gradient(W, x, y, W_U),
            autograd_at(lambda W: lemmas.noisy_input_loss(W, x, y, W_U), W),
        ),
        "layer_norm": relative_error(
            lemmas.layer_norm_gradient(W, W_E, W_U, joint),
            autograd_at(lambda W: lemmas.layer_norm_loss(W, W_E, W_U, joint), W),
        ),
        "rms_norm": relative_error(
            lemmas.layer_norm_gradient(W, W_E, W_U, joint, rms),
            autograd_at(lambda W: lemmas.layer_norm_loss(W, W_E, W_U, joint, rms), W),
        ),
        "lemma4": relative_error(lemma4, second),
        "lemma4_printed": relative_error(lemma4.T, second),
        "lemma5": relative_error(attention_lemmas.first_layer_gradient(X, P, label, W_U, Phi_1, Phi_2, W_2), first),
    }
