"""The gradients of an associative memory under cross-entropy, in closed form (Birth Lemmas 1 and 2, equation 38).

A memory W maps an input x to the logits W_U W x. Inputs and output embeddings are rows; W acts on columns, so the code
writes `inputs @ W.T @ W_U.T`. A distribution over (input, label) is a matrix `joint`, entry [i, k] = p(x_i, y = k), so
that expectations over it are exact: they are the population's. Each loss stands beside its gradient, for autograd to
be held against.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor


def deterministic_joint(
    targets: Int[Tensor, "n"], N: int, *, dtype: torch.dtype = torch.float64
) -> Float[Tensor, "n {N}"]:
    """Return p(z, y) for z uniform over len(targets) tokens and y = f(z), `targets` holding f.

    Raises ValueError when there is no token, N < 1, or f leaves the outputs 0..N - 1.
    """
    if N < 1 or len(targets) < 1:
        raise ValueError(f"there are {len(targets)} inputs and N = {N} outputs; there must be at least one of each.")
    if bool(((targets < 0) | (targets >= N)).any()):
        worst = int(targets[(targets < 0) | (targets >= N)][0])
        raise ValueError(f"the map sends a token to {worst}; with N = {N} the outputs are 0..{N - 1}.")
    return torch.nn.functional.one_hot(targets, N).to(dtype) / len(targets)


def with_positions(
    W_E: Float[Tensor, "n d"], P: Float[Tensor, "T d_P"], joint: Float[Tensor, "m N"]
) -> tuple[Float[Tensor, "nT d"], Float[Tensor, "nT N"]]:
    """Return the inputs w_E(z) + p_t, t uniform and exogenous, and their joint distribution with y (Birth section 6).

    Row z T + t is the input of token z at position t; it has the probability p(z, y) / T.
    Raises ValueError where the dimensions or the number of tokens do not agree.
    """
    if W_E.shape[1] != P.shape[1] or len(W_E) != len(joint):
        raise ValueError(
            f"W_E is {tuple(W_E.shape)}, P is {tuple(P.shape)} and joint is {tuple(joint.shape)}; tokens and positions "
            "must have one dimension, and joint a row for each token."
        )
    T = len(P)
    return (W_E[:, None] + P).reshape(-1, W_E.shape[1]), joint.repeat_interleave(T, dim=0) / T


def memory_logits(
    W: Float[Tensor, "d_out d_in"], inputs: Float[Tensor, "n d_in"], W_U: Float[Tensor, "N d_out"]
) -> Float[Tensor, "n N"]:
    """Return w_U(k) . W x_i, entry [i, k]."""
    return inputs @ W.T @ W_U.T


def memory_accuracy(
    W: Float[Tensor, "d_out d_in"],
    inputs: Float[Tensor, "n d_in"],
    W_U: Float[Tensor, "N d_out"],
    joint: Float[Tensor, "n N"],
) -> Float[Tensor, ""]:
    """Return the probability, under `joint`, that the largest logit is the label's."""
    _check_joint(inputs, W_U, joint)
    best = memory_logits(W, inputs, W_U).argmax(1, keepdim=True)
    return joint.gather(1, best).sum()


def association_loss(
    W: Float[Tensor, "d_out d_in"],
    inputs: Float[Tensor, "n d_in"],
    W_U: Float[Tensor, "N d_out"],
    joint: Float[Tensor, "n2 N2"],
) -> Float[Tensor, ""]:
    """Return E_{(x, y)}[cross-entropy(y, W_U W x)], in nats (Birth eq. 4); raises ValueError as its gradient does."""
    _check_joint(inputs, W_U, joint)
    return -(joint * memory_logits(W, inputs, W_U).log_softmax(1)).sum()


def association_gradient(
    W: Float[Tensor, "d_out d_in"],
    inputs: Float[Tensor, "n d_in"],
    W_U: Float[Tensor, "N d_out"],
    joint: Float[Tensor, "n2 N2"],
) -> Float[Tensor, "d_out d_in"]:
    """Return sum_k E_z[(p_hat(k | z) - p(k | z)) w_U(k) w_E(z)^T] (Birth Lemma 1, eq. 5).

    Raises ValueError unless `joint` has a row for each input, a column for each output, and sums to 1.
    """
    _check_joint(inputs, W_U, joint)
    p_hat = memory_logits(W, inputs, W_U).softmax(1)
    error = joint.sum(1, keepdim=True) * p_hat - joint
    return W_U.T @ error.T @ inputs


def class_means(
    x: Float[Tensor, "B d_in"], y: Int[Tensor, "B2"], p_hat: Float[Tensor, "B N"]
) -> tuple[Float[Tensor, "N"], Float[Tensor, "N d_in"], Float[Tensor, "N d_in"]]:
    """Return p(y = k), mu_k = E[x | y = k] and mu_hat_k = E[p_hat(k | x) x] / p(y = k) (Birth Lemma 2).

    The B pairs (x, y) are the population. Raises ValueError where they are not pairs, a label is outside 0..N - 1, or a
    label never occurs, as its mean does not exist then.
    """
    B, N = p_hat.shape
    _check_labels(y, B, N)
    counts = torch.bincount(y, minlength=N)
    if bool((counts == 0).any()):
        missing = int((counts == 0).nonzero()[0])
        raise ValueError(f"the label {missing} never occurs, so that E[x | y = {missing}] does not exist: draw more.")
    p = counts.to(x.dtype) / B
    mu = torch.zeros(N, x.shape[1], dtype=x.dtype, device=x.device).index_add_(0, y, x) / counts[:, None]
    mu_hat = p_hat.T @ x / B / p[:, None]
    return p, mu, mu_hat


def noisy_input_loss(
    W: Float[Tensor, "d_out d_in"],
    x: Float[Tensor, "B d_in"],
    y: Int[Tensor, "B2"],
    W_U: Float[Tensor, "N d_out"],
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of B pairs (x, y), in nats (the loss of Birth Lemma 2)."""
    _check_labels(y, len(x), len(W_U))
    return torch.nn.functional.cross_entropy(memory_logits(W, x, W_U), y)


def noisy_input_gradient(
    W: Float[Tensor, "d_out d_in"],
    x: Float[Tensor, "B d_in"],
    y: Int[Tensor, "B2"],
    W_U: Float[Tensor, "N d_out"],
) -> Float[Tensor, "d_out d_in"]:
    """Return sum_k p(y = k) w_U(k) (mu_hat_k - mu_k)^T (Birth Lemma 2); raises ValueError as `class_means` does."""
    p, mu, mu_hat = class_means(x, y, memory_logits(W, x, W_U).softmax(1))
    return (p[:, None] * W_U).T @ (mu_hat - mu)


def one_step_with_positions(
    W_E: Float[Tensor, "N d_in"], P: Float[Tensor, "T d_in"], W_U: Float[Tensor, "N2 d_out"], lr: float
) -> Float[Tensor, "d_out d_in"]:
    """Return W_1 = (eta / N) sum_k w_U(k) (mu_k - mu_bar)^T, a step from zero on x = w_E(y) + p_t (Birth eq. 11).

    Positions are in every mu_k alike and cancel: it equals (eta / N) sum_k w_U(k) (w_E(k) - w_bar_E)^T (eq. 12).
    Raises ValueError for different numbers of input and output embeddings, or a step size that is not finite.
    """
    _check_finite("lr", lr)
    N = len(W_E)
    if len(W_U) != N:
        raise ValueError(
            f"there are {N} input and {len(W_U)} output embeddings; to predict y from w_E(y) they pair up."
        )
    mu = W_E + P.mean(0)
    return lr / N * W_U.T @ (mu - mu.mean(0))


def layer_norm_loss(
    W: Float[Tensor, "d_out d_in"],
    inputs: Float[Tensor, "n d_in"],
    W_U: Float[Tensor, "N d_out"],
    joint: Float[Tensor, "n2 N2"],
    scale: float = 1.0,
) -> Float[Tensor, ""]:
    """Return E[cross-entropy(y, W_U LN(W x))] with LN(v) = scale v / |v|, in nats (Birth eq. 37)."""
    return association_loss(torch.eye(len(W)).to(W), _normalised(W, inputs, scale), W_U, joint)


def layer_norm_gradient(
    W: Float[Tensor, "d_out d_in"],
    inputs: Float[Tensor, "n d_in"],
    W_U: Float[Tensor, "N d_out"],
    joint: Float[Tensor, "n2 N2"],
    scale: float = 1.0,
) -> Float[Tensor, "d_out d_in"]:
    """Return sum_k E_x[scale (p_hat - p)(k | x) / |Wx| (I - Wx (Wx)^T / |Wx|^2) w_U(k) x^T] (Birth eq. 38).

    `scale` is 1 for the paper's LN(v) = v / |v| and sqrt(d_out) for RMSNorm. Raises ValueError where W x = 0, or
    `joint` does not fit, or `scale` is not finite.
    """
    _check_finite("scale", scale)
    _check_joint(inputs, W_U, joint)
    unit = _normalised(W, inputs, 1.0)
    norm = (inputs @ W.T).norm(dim=1, keepdim=True)
    p_hat = (scale * unit @ W_U.T).softmax(1)
    back = (joint.sum(1, keepdim=True) * p_hat - joint) @ W_U
    projected = back - (back * unit).sum(1, keepdim=True) * unit
    return (scale * projected / norm).T @ inputs


def descend(
    gradient: Callable[[Tensor], Tensor],
    W_0: Float[Tensor, "d_out d_in"],
    *,
    steps: int,
    lr: float,
    weight_decay: float = 0.0,
) -> Float[Tensor, "d_out d_in"]:
    """Return W after `steps` of gradient descent, W := (1 - lr weight_decay) W - lr gradient(W).

    Raises ValueError for a negative number of steps, or a step size or weight decay that is not finite.
    """
    if steps < 0:
        raise ValueError(f"steps is {steps}; it must be 0 or more.")
    _check_finite("lr", lr)
    _check_finite("weight_decay", weight_decay)
    W = W_0
    for _ in range(steps):
        W = (1 - lr * weight_decay) * W - lr * gradient(W)
    return W


def outside_span(
    W: Float[Tensor, "d_out d_in"], W_E: Float[Tensor, "n d_in"], W_U: Float[Tensor, "N d_out"]
) -> Float[Tensor, ""]:
    """Return the norm of the part of W outside the span of all w_U(j) w_E(i)^T, over the norm of W (Birth eq. 6).

    Raises ValueError for W = 0.
    """
    if not bool(W.any()):
        raise ValueError("W is 0; no part of it is outside of anything.")
    left, right = (_projector(rows) for rows in (W_U, W_E))
    return (W - left @ W @ right).norm() / W.norm()


def _projector(rows: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    # by singular vectors: unlike QR's they span the rows also where these depend on each other
    _, values, basis = torch.linalg.svd(rows, full_matrices=False)
    kept = basis[values > values[0] * max(rows.shape) * torch.finfo(rows.dtype).eps]
    return kept.T @ kept


def _normalised(W: Tensor, inputs: Tensor, scale: float) -> Tensor:
    _check_finite("scale", scale)
    x = inputs @ W.T
    norm = x.norm(dim=1, keepdim=True)
    if bool((norm == 0).any()):
        raise ValueError("W sends an input to zero, which has no direction to normalise: start from a W that is not 0.")
    return scale * x / norm


def _check_joint(inputs: Tensor, W_U: Tensor, joint: Tensor) -> None:
    if tuple(joint.shape) != (len(inputs), len(W_U)):
        raise ValueError(
            f"joint is {tuple(joint.shape)}; with {len(inputs)} inputs and {len(W_U)} outputs it must be "
            f"({len(inputs)}, {len(W_U)})."
        )
    total = float(joint.sum())
    if not abs(total - 1.0) <= 1e-5 or float(joint.min()) < 0:
        raise ValueError(
            f"joint sums to {total:g}, its smallest entry is {float(joint.min()):g}: probabilities must be "
            "at least 0 and sum to 1."
        )


def _check_labels(y: Tensor, B: int, N: int) -> None:
    if len(y) != B:
        raise ValueError(f"there are {B} inputs and {len(y)} labels; each input must have one.")
    if bool(((y < 0) | (y >= N)).any()):
        raise ValueError(f"a label is outside the outputs 0..{N - 1}.")


def _check_finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}; it must be a finite number.")
