"""Theorem 2's reduced flow, against the gradient of the whole matrix, against scipy, and against its limits."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from mechbook.noisy.theory.flow import TIME_OF_MEAN_LOSS, coordinates, flow, late, rank_one_noise, velocity
from mechbook.noisy.theory.memory import gradient, target, truncate

ONE, TWO = np.outer([1.0, -1, 0], [1, -1]), np.outer([1.0, 1, -2], [1, 1])
EYE = torch.eye(3, dtype=torch.float64)


def mean_loss_velocity(W, alpha):
    """Minus the gradient of the mean loss at W (3, 2), from the memory's own code."""
    full = torch.zeros(3, 3, dtype=torch.float64)
    full[:, :2] = torch.tensor(W)
    return -gradient(full, EYE[:2], EYE, target(2, alpha)).numpy()[:, :2]


@pytest.mark.parametrize("alpha", [0.05, 0.3, 0.7])
@pytest.mark.parametrize(("beta_1", "beta_2"), [(0.0, 0.0), (0.4, -0.1), (2.0, 0.3)])
def test_velocity_is_the_gradient_s(alpha, beta_1, beta_2):
    # Oracle: the gradient of the whole matrix, which must stay in the span. The printed form has 3 beta_2' for beta_2',
    # which changes b' by -6 (P(noise) - alpha).
    W = beta_1 * ONE + beta_2 * TWO
    a, b, outside = coordinates(W)
    assert outside < 1e-12 and abs(a + 2 * beta_1) < 1e-12 and abs(b + beta_1 + 3 * beta_2) < 1e-12
    da, db, outside = coordinates(mean_loss_velocity(W, alpha))
    assert outside < 1e-12
    expected = TIME_OF_MEAN_LOSS * np.array([da, db])
    assert np.abs(np.array(velocity(float(a), float(b), alpha)) - expected).max() < 1e-12
    printed = velocity(float(a), float(b), alpha, "printed")
    noise = float(torch.tensor(W)[:, 0].softmax(0)[2])
    assert abs(printed[0] - expected[0]) < 1e-12 and abs(printed[1] - expected[1] + 6 * (noise - alpha)) < 1e-12


def test_what_is_outside_the_span_is_seen():
    # Oracle: a matrix orthogonal to both, added.
    W = 0.4 * ONE - 0.1 * TWO + 0.25 * np.array([[1.0, -1], [1, -1], [1, -1]])
    a, b, outside = coordinates(W)
    assert abs(a + 0.8) < 1e-12 and abs(b + 0.1) < 1e-12 and abs(outside - 0.25) < 1e-12


def test_flow_is_the_whole_matrix_s():
    # Oracle: scipy on all six entries of W, in the time of the mean loss.
    times = np.array([0.5, 3.0, 40.0])
    solution = solve_ivp(
        lambda t, w: mean_loss_velocity(w.reshape(3, 2), 0.3).ravel(),
        (0, TIME_OF_MEAN_LOSS * times[-1]),
        np.zeros(6),
        rtol=1e-9,
        atol=1e-11,
        t_eval=TIME_OF_MEAN_LOSS * times,
    )
    a, b, _ = coordinates(solution.y.T.reshape(3, 3, 2))
    found = flow(0.3, times)
    assert np.abs(found[0] - a).max() < 1e-6 and np.abs(found[1] - b).max() < 1e-6


@pytest.mark.parametrize("alpha", [0.03, 0.25, 0.45, 0.8])
def test_late_laws(alpha):
    # Oracle: the right flow at t = 1e7, inside and outside of the theorem's (0.2, 0.4).
    t = np.array([1e7])
    a, b = flow(alpha, t)
    assert abs(np.exp(a[0]) / late(alpha, t)[0] - 1) < 1e-3
    assert abs(np.exp(b[0]) * (1 - alpha) / alpha - 1) < 1e-3
    assert abs(np.exp(a[0]) / late(alpha, t, "printed")[0] - 1) > 0.02


def test_rank_one_noise_is_the_truncated_matrix_s():
    # Oracle: torch's truncation of W and a softmax.
    beta_1, beta_2 = 2.0, -0.3
    W = torch.zeros(3, 3, dtype=torch.float64)
    W[:, :2] = torch.tensor(beta_1 * ONE + beta_2 * TWO)
    expected = truncate(W, 1)[:, 0].softmax(0)[2]
    assert abs(float(rank_one_noise(np.array([-2 * beta_1]))[0]) - float(expected)) < 1e-12


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="alpha is 1.0; the flow needs it strictly between 0 and 1."):
        flow(1.0, np.array([1.0]))
    for call in (
        lambda: flow(0.5, np.array([1.0]), "wrong"),
        lambda: velocity(0.0, 0.0, 0.5, "wrong"),
        lambda: late(0.5, np.array([1.0]), "wrong"),
    ):
        with pytest.raises(ValueError, match="form is 'wrong'; it must be 'right' or 'printed'."):
            call()
