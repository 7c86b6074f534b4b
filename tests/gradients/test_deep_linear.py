"""The deep linear memory against a solver of its differential equation, autograd, and its exact solution."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from mechbook.claims.criteria import Measurement
from mechbook.core.presets import replace
from mechbook.gradients.claims import sequential
from mechbook.gradients.deep_linear import (
    by_start,
    course,
    effective_start,
    first_crossing,
    half_time,
    mode_strength,
    one_layer_course,
    rise_share,
    slope,
    train_deep_linear,
)
from mechbook.gradients.presets import LAPTOP

S = torch.tensor([1.0, 2.5, 4.0], dtype=torch.float64)
A_0 = torch.tensor([1e-3, 2e-6, 0.5], dtype=torch.float64)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def setting(std, h=5):
    """h hidden units between seven and eleven dimensions, three associations."""
    keys, values = (torch.linalg.qr(draw(n, 3, seed=n)).Q.T.contiguous() for n in (7, 11))
    return (values.T * S) @ keys, std * draw(h, 7, seed=1), std * draw(11, h, seed=2), keys, values


def test_exact_course_solves_its_equation():
    """Oracle: scipy's solver of da/dt = 2 a (s - a)."""
    t = torch.linspace(0, 8, 17, dtype=torch.float64)
    found = mode_strength(t, S, A_0)
    solution = solve_ivp(
        lambda _, a: 2 * a * (S.numpy() - a), (0, 8), A_0.numpy(), t_eval=t.numpy(), rtol=1e-10, atol=1e-14
    )
    torch.testing.assert_close(found, torch.from_numpy(solution.y.T.copy()), atol=1e-7, rtol=1e-6)
    assert bool(torch.isfinite(mode_strength(torch.tensor([1e4], dtype=torch.float64), S, A_0)).all())


def test_half_time_is_when_the_course_is_at_half():
    """Oracle: the exact course there."""
    course = mode_strength(half_time(S, A_0), S, A_0)
    torch.testing.assert_close(course.diagonal(), S / 2)


def test_training_is_gradient_descent_on_both_layers():
    """Oracle: torch's SGD on the square loss, 13 steps."""
    target, W_1, W_2, keys, values = setting(0.3)
    found = train_deep_linear(target, W_1, W_2, keys, values, lr=0.05, steps=13)
    layers = [torch.nn.Parameter(W.clone()) for W in (W_1, W_2)]
    sgd = torch.optim.SGD(layers, lr=0.05)
    for step in range(14):
        product = layers[1] @ layers[0]
        expected = [float(v @ product.detach() @ u) for u, v in zip(keys, values, strict=True)]
        assert found[step].tolist() == pytest.approx(expected, rel=1e-10)
        sgd.zero_grad()
        ((target - product).square().sum() / 2).backward()
        sgd.step()


def test_small_random_weights_follow_the_exact_course_of_their_effective_start():
    """Oracle: the exact half times, to 3%; a start that is ten times larger is off by more."""
    target, W_1, W_2, keys, values = setting(1e-4, h=101)
    a_0 = effective_start(W_1, W_2, keys, values)
    curves = train_deep_linear(target, W_1, W_2, keys, values, lr=1e-3, steps=16_000)
    found = first_crossing(torch.arange(16_001, dtype=torch.float64) * 1e-3, curves, S / 2)
    assert bool(((found / half_time(S, a_0) - 1).abs() < 0.03).all())
    assert bool(((found / half_time(S, 10 * a_0) - 1).abs() > 0.03).all())


def test_effective_start_is_a_quarter_of_the_squared_sum():
    """Oracle: a loop."""
    _, W_1, W_2, keys, values = setting(0.3)
    for i, a in enumerate(effective_start(W_1, W_2, keys, values)):
        assert float(a) == pytest.approx(float((W_1 @ keys[i] + W_2.T @ values[i]).norm() ** 2 / 4))


def test_crossing_is_exact_on_straight_lines():
    """Oracle: lines of known slope."""
    t = torch.linspace(0, 10, 8, dtype=torch.float64)
    slopes = torch.tensor([0.7, 2.0, 5.0], dtype=torch.float64)
    level = torch.tensor([3.0, 3.0, 8.0], dtype=torch.float64)
    torch.testing.assert_close(first_crossing(t, t[:, None] * slopes, level), level / slopes)


def test_a_course_has_its_measures_right():
    """Oracle: numpy's fit for the slope; each curve passes half of its strength at its half time."""
    found = course(LAPTOP.deep, 0)
    s, half = found["s"].numpy(), found["half"].numpy()
    assert slope(found["s"], found["half"]) == pytest.approx(np.polyfit(np.log(s), np.log(half), 1)[0])
    for mode, time in enumerate(half):
        there = np.interp(time, found["t"].numpy(), found["curves"][:, mode].numpy())
        assert there == pytest.approx(s[mode] / 2, rel=1e-3)
    assert bool(((found["half"] / found["predicted"] - 1).abs() < 0.05).all())


def test_the_rise_is_short_after_a_plateau_and_long_without():
    """Oracle: closed forms: log 81 / log(s / a_0 - 1) for the exact course, log 9 / log 2 for one layer."""
    t = torch.linspace(0, 12, 60_001, dtype=torch.float64)
    a_0 = torch.tensor([1e-3, 2e-6, 1e-9], dtype=torch.float64)
    expected = math.log(81) / torch.log(S / a_0 - 1)
    torch.testing.assert_close(rise_share(t, mode_strength(t, S, a_0), S), expected, rtol=1e-3, atol=0)
    torch.testing.assert_close(
        rise_share(t, 1 - torch.exp(-t[:, None] * S), torch.ones(3).double()),
        torch.full((3,), math.log(9) / math.log(2)).double(),
        rtol=1e-3,
        atol=0,
    )


def test_one_layer_with_unequal_frequencies_has_the_slope_and_not_the_plateau():
    """Oracle: autograd on one layer whose keys come with frequency s; then the criterion on both kinds of values.

    This is the wrong implementation that a slope alone lets pass: nothing in it is deep.
    """
    how = replace(LAPTOP.deep, modes=3, d=3, steps=4000)
    found = one_layer_course(how)
    s, W = found["s"], torch.zeros(3, 3, dtype=torch.float64)
    for step in range(40):
        assert found["curves"][step].tolist() == pytest.approx(W.diagonal().tolist(), abs=1e-12)
        W = W.detach().requires_grad_()
        ((torch.eye(3) - W).square() * s).sum().div(2).backward()
        W = W.detach() - how.lr * W.grad
    one = one_layer_course(LAPTOP.deep)
    shallow = {
        "slope": slope(one["s"], one["half"]),
        "rise": float(rise_share(one["t"], one["curves"], torch.ones_like(one["s"])).max()),
    }
    deep = course(LAPTOP.deep, 0)
    right = {
        "slope": slope(deep["s"], deep["half"]),
        "rise": float(rise_share(deep["t"], deep["curves"], deep["s"]).max()),
    }
    for values, failing in ((shallow, [2]), (right, [])):
        values |= {"slope_one_layer": 0.0, "rise_one_layer": 0.0}
        checks = sequential(Measurement(id="grad.sequential", values=[values] * 3, scale="laptop"))
        assert [place for place, check in enumerate(checks) if not check.ok] == failing


def test_larger_starts_have_shorter_plateaus_and_the_claim_s_is_among_them():
    """Oracle: `course` at each start; the exact solution's share log(81) / log(s / a_0 - 1) grows with a_0."""
    how = replace(LAPTOP.deep, modes=3, d=8, steps=9000)
    found = by_start(how, 1)
    assert list(found) == [1e-5, 1e-3, 1e-2, 3e-2]
    for std, (fitted, rise) in found.items():
        run = course(replace(how, std=std), 1)
        assert fitted == pytest.approx(np.polyfit(run["s"].log(), run["half"].log(), 1)[0])
        exact = math.log(81) / (2 * run["s"] * run["predicted"])
        assert rise == pytest.approx(float(exact.max()), rel=0.15)
    rises = [rise for _, rise in found.values()]
    assert rises == sorted(rises) and rises[0] < 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: half_time(S, A_0[:2]), "there are 3 strengths and 2 starts"),
        (lambda: mode_strength(S, S, S), "a start a_0 is not between 0 and its strength"),
        (lambda: half_time(S, 0 * A_0), "a start a_0 is not between 0"),
        (lambda: train_deep_linear(*setting(0.1), lr=float("nan"), steps=3), "lr is nan; it must be a finite number"),
        (lambda: train_deep_linear(*setting(0.1), lr=-0.1, steps=3), "lr is -0.1"),
        (lambda: train_deep_linear(*setting(0.1), lr=0.1, steps=0), "steps is 0; it must be at least 1"),
        (lambda: first_crossing(S, S[:, None] * S, 100 * S), "a curve starts above its level or never reaches it"),
        (lambda: first_crossing(S, S[:, None] * S, 0 * S), "a curve starts above its level or never reaches it"),
    ],
)
def test_impossible_input_is_refused(call, message):
    """Oracle: the sentences."""
    with pytest.raises(ValueError, match=message):
        call()
