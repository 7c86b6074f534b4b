"""Table 2: mean and variance of the entries of one sequence's gradient on W_V, as printed, as derived, and sampled.

Each form is one expression, from which both the formula on the page (`formula`) and its number (`value`) are made.
"""

from dataclasses import asdict
from typing import Any, Literal, NamedTuple

from sympy import Add, Expr, evaluate, lambdify, latex, simplify, symbols

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.noisy.presets import NoisyPreset
from mechbook.noisy.streams import STREAMS
from mechbook.noisy.theory.moments import CASES, value_gradient_moments
from mechbook.noisy.theory.uniform_task import UniformNoisyTask, draw_counts

N, T, a = symbols("N T alpha", positive=True)
# what most variances are made of: 1 / (T N^2) and 1 / N^3
u, v = symbols("u v", positive=True)
ABBREVIATED = {u: 1 / (T * N**2), v: 1 / N**3}


class Entry(NamedTuple):
    """Mean and variance of the entry (j, k); None for what was not legible in the text we had."""

    mean: Expr | None
    variance: Expr


# Of this case's printed variance only the part in v was legible.
PARTLY_LEGIBLE = ("trigger", "trigger")


def printed_entries() -> dict[tuple[str, str], Entry]:
    """Table 2 as printed in the text we had, as far as it was legible."""
    with evaluate(False):
        row = a / (T * N) + (a - a**2) / N**2
        common = (2 - a) * (u + v)
        entries = (
            Entry(a**2 / N, a**2 / (T * N) + (a**3 - a**4) / N**2),
            Entry(-(a / N), row),
            Entry(-(a / N), row),
            Entry((2 * a - 1) / N**2, u + Add(a**2, -a, 1) * v),
            Entry((2 * a - 1) / (a * N**2), Add(a**2, -a, 1) / a**2 * v),
            Entry(a / N**2, common),
            Entry(a**2 / N**2, (2 - a) * (a * u + a**2 * v)),
            Entry(a / N**2, common),
            Entry(None, (1 + (1 - a) * (2 - a)) * u + (1 + (1 - a) * (2 - a) ** 2) * v),
            Entry(a / N**2, common),
        )
    return dict(zip(CASES, entries, strict=True))


def derived_entries() -> dict[tuple[str, str], Entry]:
    """What the moments tend to for N, T and T / N large; derived from `value_gradient_moments`' definition."""
    with evaluate(False):
        row = a / (T * N) + (a - a**2) / N**2
        common = (1 - a) * (u + v)
        entries = (
            Entry(-(a**2 / N), a**2 / (T * N) + (a**3 - a**4) / N**2),
            Entry(-(a / N), row),
            Entry(-(a / N), row),
            Entry((2 * a - 1) / N**2, common),
            Entry((2 * a - 1) / (a * N**2), (1 - a) / a**2 * ((2 - a) * u + v)),
            Entry(a / N**2, common),
            Entry(a**2 / N**2, (1 - a) * (a * u + a**2 * v)),
            Entry(a / N**2, common),
            Entry(Add(3 * a, -1, -(a**2)) / N**2, (1 - a) * ((2 - a) * u + (2 - a) ** 2 * v)),
            Entry(a / N**2, common),
        )
    return dict(zip(CASES, entries, strict=True))


def value(form: Expr, task: UniformNoisyTask) -> float:
    """The number that a form has at a task's N, T and alpha."""
    return float(lambdify((N, T, a), form.subs(ABBREVIATED), "math")(task.N, task.T, task.alpha))


def formula(form: Expr) -> str:
    """A form as TeX, as it was written; long sums have their terms in math of their own, where a line can break."""
    terms = form.args if isinstance(form, Add) and len(latex(form)) > 80 else [form]
    first, *rest = (_tex(term) for term in terms)
    return " ".join([f"${first}$", *(f"$+\\ {term}$" for term in rest)])


def _tex(form: Expr) -> str:
    return str(latex(form, order="none")).replace(r"\left(-1\right) ", "-")


def comparison(which: Literal["mean", "variance"]) -> list[tuple[tuple[str, str], str, str]]:
    """For each case: its name, its mean or variance as printed, and as derived, "the same" where they agree."""
    rows = []
    derived = derived_entries()
    for case, entry in printed_entries().items():
        printed, right = getattr(entry, which), getattr(derived[case], which)
        shown = "not legible" if printed is None else formula(printed)
        if (which, case) == ("variance", PARTLY_LEGIBLE):
            shown = shown.replace("$", "illegible $+\\ ", 1)
        agree = printed is not None and simplify(printed - right) == 0
        rows.append((case, shown, "the same" if agree else formula(right)))
    return rows


def sampled(setup: NoisyPreset, seed: int) -> dict[str, Any]:
    """Monte Carlo of the gradients' moments at zero, each in standard errors from the exact ones.

    "means" and "variances": {"j, k": (measured - exact) / standard error} for the ten cases of Table 2, and for the
    two of Lemma D.1, "noise" and "token".
    """
    key = {"experiment": "table_2", "seed": [settings.seed(), seed], **asdict(setup.table_2)}
    return dict(cached(key, lambda: _sampled(setup, seed), modules=(__name__,)))


def _sampled(setup: NoisyPreset, seed: int) -> dict[str, Any]:
    chosen = setup.table_2
    task = UniformNoisyTask(N=chosen.N, T=chosen.T, alpha=chosen.alpha)
    drawn = draw_counts(task, chosen.sequences, STREAMS.generator("table_2", seed, 0))
    c = 1 / (task.N + 1)
    token = {"noise": task.noise, "trigger": 0, "token": 1}
    error = {name: c - (drawn.targets == j).double() for name, j in token.items()}
    entries = {}
    for (row, column), moments in value_gradient_moments(task).items():
        k = {"noise": task.noise, "trigger": 0, "same": 1, "token": 2}[column]
        entries[f"{row}, {column}"] = (error[row] * drawn.frequencies[:, k], *moments)
    for name, p in (("noise", task.alpha), ("token", (1 - task.alpha) / task.N)):
        entries[name] = (error[name], c - p, p * (1 - p))
    result: dict[str, dict[str, float]] = {"means": {}, "variances": {}}
    for name, (x, mean, variance) in entries.items():
        result["means"][name] = float((x.mean() - mean) / (x.std() / len(x) ** 0.5))
        square = (x - mean) ** 2
        result["variances"][name] = float((square.mean() - variance) / (square.std() / len(x) ** 0.5))
    return result
