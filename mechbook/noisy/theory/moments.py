"""Exact moments of the noisy recall task with uniform bigrams, and of the first gradients that follow from them.

Given the output y, the tokens z_1..z_{T-1} are a Markov chain. Tokens that play no part are alike, so that six classes
of tokens do for any N: the trigger, the noise, the output, and three that stand for the others (a token, another one,
and all the rest). Where the output is the trigger itself, the class "output" is one more ordinary token.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mechbook.noisy.theory.uniform_task import UniformNoisyTask

Array = np.ndarray

CLASSES = ("trigger", "noise", "output", "token", "other", "rest")
_TRIGGER, _NOISE, _OUTPUT, _TOKEN, _OTHER, _REST = range(6)


def lumped_chain(task: UniformNoisyTask, output_is_trigger: bool) -> tuple[Float[Array, " K"], Float[Array, "K K"]]:
    """The distribution of z_1 over CLASSES and the transition matrix [from, to], given whether the output is q.

    Raises ValueError when N < 4: then there are not enough tokens that play no part.
    """
    if task.N < 4:
        raise ValueError(f"N is {task.N}; the exact moments need at least 4 ordinary tokens.")
    free = np.array([1, 0, 1, 1, 1, task.N - 4]) * (1 - task.elsewhere) / task.N
    free[_NOISE] = task.elsewhere
    P = np.tile(free, (len(CLASSES), 1))
    P[_TRIGGER] = 0
    P[_TRIGGER, _NOISE] = task.alpha
    P[_TRIGGER, _TRIGGER if output_is_trigger else _OUTPUT] += 1 - task.alpha
    return free, P


@dataclass(frozen=True, kw_only=True, eq=False)
class Visits:
    """Moments of the frequencies f_k = n_k / T with which states are visited: E f_k, and E f_k f_l."""

    mean: Float[Array, " K"]
    second: Float[Array, "K K"]


def visits_by_steps(start: Float[Array, " K"], P: Float[Array, "K K"], T: int, last: int) -> Visits:
    """Moments of the visits of z_1..z_{T-1}, a Markov chain, and of z_T = `last`; the definition, in T steps.

    E n n^T = diag(E n) + C + C^T, with C_kl = sum_{s < t} P(z_s = k, z_t = l).
    """
    K = len(start)
    pi, mean, R, C = start.astype(float), np.zeros(K), np.zeros((K, K)), np.zeros((K, K))
    for _ in range(T - 1):
        mean, C = mean + pi, C + R
        R, pi = (R + np.diag(pi)) @ P, pi @ P
    return _with_last(mean, C, T, last)


def visits(start: Float[Array, " K"], P: Float[Array, "K K"], T: int, last: int) -> Visits:
    """What `visits_by_steps` returns, in log T steps: each row of R, C obeys a linear recursion, a matrix's power."""
    K = len(start)
    one, none = np.eye(K), np.zeros((K, K))
    C = np.zeros((K, K))
    for k in range(K):
        pick = np.outer(one[k], one[k]) @ P
        # row vectors (pi, row k of R, row k of C, sum of pi)
        step = np.block([[P, pick, pick, P], [none, P, P, none], [none, none, one, none], [none, none, none, one]])
        state = np.concatenate([start, np.zeros(2 * K), start])
        end = state @ np.linalg.matrix_power(step, T - 2)
        C[k], mean = end[2 * K : 3 * K], end[3 * K :]
    return _with_last(mean, C, T, last)


def _with_last(mean: Array, C: Array, T: int, last: int) -> Visits:
    """Add the deterministic last token and divide by T."""
    e = np.eye(len(mean))[last]
    second = np.diag(mean) + C + C.T + np.outer(mean, e) + np.outer(e, mean) + np.outer(e, e)
    return Visits(mean=(mean + e) / T, second=second / T**2)


def token_visits(task: UniformNoisyTask, output: int) -> Visits:
    """Moments of the frequencies of all N + 1 tokens, given the output token (0 is the trigger)."""
    N = task.N
    lumped = visits(*lumped_chain(task, output == 0), task.T, _TRIGGER)
    classes = np.full(N + 1, _TOKEN)
    classes[0], classes[N] = _TRIGGER, _NOISE
    if output != 0:
        classes[output] = _OUTPUT
    # two different tokens of one class meet as "token" and "other"
    second = lumped.second[np.ix_(classes, classes)]
    alike = np.equal.outer(classes, classes) & ~np.eye(N + 1, dtype=bool) & (classes == _TOKEN)
    second[alike] = lumped.second[_TOKEN, _OTHER]
    return Visits(mean=lumped.mean[classes], second=second)


@dataclass(frozen=True, kw_only=True, eq=False)
class FirstStep:
    """The population's first step from zero with step size 1, in the coordinates w_U(j)^T . w_E(k).

    feed_forward: column q of W_F, the only one that moves; values: W_V; both minus the population's gradient.
    """

    feed_forward: Float[Array, " N_plus_1"]
    values: Float[Array, "N_plus_1 N_plus_1"]


def first_step(task: UniformNoisyTask) -> FirstStep:
    """Minus the gradients at zero: E[1{y = j} - c] and E[(1{y = j} - c) f_k] with c = 1 / (N + 1)."""
    N, alpha = task.N, task.alpha
    c = 1 / (N + 1)
    by_output = {0: token_visits(task, 0), 1: token_visits(task, 1)}
    shared = _average(task, by_output[0].mean, by_output[1].mean)
    values = -c * np.tile(shared, (N + 1, 1))
    values[N] += alpha * shared
    for j in range(N):
        mean = by_output[min(j, 1)].mean.copy()
        if j > 1:
            mean[[1, j]] = mean[[j, 1]]
        values[j] += (1 - alpha) / N * mean
    feed_forward = np.full(N + 1, (1 - alpha) / N - c)
    feed_forward[N] = alpha - c
    return FirstStep(feed_forward=feed_forward, values=values)


def _average(task: UniformNoisyTask, trigger: Array, token: Array) -> Array:
    """The mean over outputs of a vector over tokens, given it for the output q and for the output 1."""
    N = task.N
    average = token.copy()
    average[1:N] = (token[1] + (N - 2) * token[2]) / (N - 1)
    return (trigger + (N - 1) * average) / N


def predictions(step: FirstStep) -> np.ndarray:
    """The predicted distribution after one step of size 1, from W_F alone (A.2's first two assumptions)."""
    weights = np.exp(step.feed_forward)
    return np.asarray(weights / weights.sum())


CASES = (
    ("noise", "noise"), ("noise", "trigger"), ("noise", "token"),
    ("trigger", "noise"), ("trigger", "trigger"), ("trigger", "token"),
    ("token", "noise"), ("token", "trigger"), ("token", "same"), ("token", "token"),
)  # fmt: skip


def value_gradient_moments(task: UniformNoisyTask) -> dict[tuple[str, str], tuple[float, float]]:
    """Mean and variance of one sequence's w_U(j)^T grad_{W_V} L w_E(k) at zero, for the ten cases (j, k) of Table 2.

    The entry is (c - 1{y = j}) f_k with c = 1 / (N + 1); given the output, y and f are independent.
    """
    N, alpha = task.N, task.alpha
    c = 1 / (N + 1)
    given = {output: token_visits(task, output) for output in (0, 1, 2, 3)}
    # tokens 1 and 2 are j and k; output 3 stands for all the others
    weights = {0: 1 / N, 1: 1 / N, 2: 1 / N, 3: (N - 3) / N}
    result = {}
    for row, column in CASES:
        j = {"noise": N, "trigger": 0, "token": 1}[row]
        k = {"noise": N, "trigger": 0, "same": 1, "token": 2}[column]
        mean = square = 0.0
        for output, weight in weights.items():
            p = alpha if j == N else (1 - alpha) * (output == j)
            mean += weight * (c - p) * given[output].mean[k]
            square += weight * (p * (c - 1) ** 2 + (1 - p) * c**2) * given[output].second[k, k]
        result[row, column] = (float(mean), float(square - mean**2))
    return result


@dataclass(frozen=True, kw_only=True)
class KeyQueryStep:
    """Minus the gradient on W_KQ along w_E(q)^T . w_E(k): for the noise token, the trigger, the other tokens' mean."""

    noise: float
    trigger: float
    others: float


def key_query_step(task: UniformNoisyTask, step: FirstStep, p: Float[Array, " N_plus_1"]) -> KeyQueryStep:
    """The population's gradient on W_KQ at uniform attention, W_V being `step.values`, predictions p (A.2, eq. 3).

    Along k it is E[f_k (w_k - w . f)] with w = sum_j (1{y = j} - p_j) W_V[j, :].
    """
    N, alpha = task.N, task.alpha
    along = []
    for output in (0, 1):
        v = token_visits(task, output)
        expected = np.zeros(N + 1)
        expected[N] = alpha
        expected[output] += 1 - alpha
        w = (expected - p) @ step.values
        along.append(w * v.mean - v.second @ w)
    g = _average(task, *along)
    return KeyQueryStep(noise=float(g[N]), trigger=float(g[0]), others=float(g[1]))


def margin_moments(
    task: UniformNoisyTask, test: Float[Array, "n N_plus_1"]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Mean and variance of one sequence's contribution to the attention block's margin, noise over the runner-up j.

    That is (1{y = N+1} - 1{y = j}) f . f' with the test sequence's frequencies f', and the ordinary token j that is the
    most likely after the population's first step.
    """
    N, alpha = task.N, task.alpha
    trigger, (mean_j, second_j) = token_visits(task, 0), _overlap_by_output(task, test)
    mean_q, second_q = test @ trigger.mean, np.einsum("nk,kl,nl->n", test, trigger.second, test)
    means, seconds = np.column_stack([mean_q, mean_j]), np.column_stack([second_q, second_j])
    runner_up = (test @ first_step(task).values[:N].T).argmax(1)
    row = np.arange(len(test))
    mean = alpha * means.mean(1) - (1 - alpha) / N * means[row, runner_up]
    square = alpha * seconds.mean(1) + (1 - alpha) / N * seconds[row, runner_up]
    return mean, square - mean**2


def _overlap_by_output(task: UniformNoisyTask, test: Array) -> tuple[Array, Array]:
    """E[f . f' | output j] and E[(f . f')^2 | output j], (n, N - 1), for the outputs j = 1..N-1.

    All share the moments of a chain without a special token, but for the row of j.
    """
    v, x = token_visits(task, 1), test[:, 1 : task.N]
    mean, second, row = v.mean.copy(), v.second.copy(), v.second[1].copy()
    mean[1], row[1] = v.mean[2], v.second[1, 2]
    second[1] = second[:, 1] = v.second[2]
    second[1, 1], second[1, 2], second[2, 1] = v.second[2, 2], v.second[2, 3], v.second[2, 3]
    means = (test @ mean)[:, None] + x * (v.mean[1] - v.mean[2])
    plain = np.einsum("nk,kl,nl->n", test, second, test)[:, None]
    own = (test @ second)[:, 1 : task.N]
    other = (test @ row)[:, None] - x * row[1]
    return means, plain - 2 * x * own + 2 * x * other + x**2 * (second[1, 1] + v.second[1, 1])
