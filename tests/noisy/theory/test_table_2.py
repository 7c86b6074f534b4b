"""Table 2's forms and the Monte Carlo beside them, against exact moments."""

import math
import re

import pytest

from mechbook.core.presets import replace
from mechbook.noisy.presets import LAPTOP, Table2
from mechbook.noisy.theory import table_2
from mechbook.noisy.theory.moments import CASES, token_visits, value_gradient_moments
from mechbook.noisy.theory.uniform_task import UniformNoisyTask


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))


def test_the_derived_table_is_the_limit_of_the_exact_moments():
    # Oracle: exact moments at N = 1500, T = 400 N: every entry within 2%. They decide about the printed table, too.
    task = UniformNoisyTask(N=1500, T=600_000, alpha=0.3)
    derived, printed = table_2.derived_entries(), table_2.printed_entries()
    wrong = set()
    for case, moments in value_gradient_moments(task).items():
        for which in (0, 1):
            assert abs(table_2.value(derived[case][which], task) / moments[which] - 1) < 0.02, case
            form = printed[case][which]
            if form is not None and abs(table_2.value(form, task) / moments[which] - 1) > 0.05:
                wrong.add((case[0], which))
    assert wrong == {("noise", 0), ("trigger", 1), ("token", 1)}


def test_printed_variances_have_a_second_moment_of_f_over_n_too_much():
    # Oracle: exact E f_k^2, averaged over outputs, at a large size; the claim the text makes about the misprint.
    task = UniformNoisyTask(N=1000, T=400_000, alpha=0.3)
    derived, printed = table_2.derived_entries(), table_2.printed_entries()
    v = token_visits(task, 1)
    for case in (("trigger", "token"), ("token", "noise"), ("token", "trigger"), ("token", "token")):
        k = {"noise": task.N, "trigger": 0, "token": 2}[case[1]]
        excess = table_2.value(printed[case][1], task) - table_2.value(derived[case][1], task)
        assert abs(excess / (v.second[k, k] / task.N) - 1) < 0.02


def test_formulas_are_written_as_in_the_paper():
    # Oracle: by eye, one of each kind: a minus in front, an order of terms, a long sum that may break.
    derived, printed = table_2.derived_entries(), table_2.printed_entries()
    assert table_2.formula(derived["noise", "noise"].mean) == r"$- \frac{\alpha^{2}}{N}$"
    assert (
        table_2.formula(printed["noise", "trigger"].variance)
        == r"$\frac{\alpha}{T N} + \frac{\alpha - \alpha^{2}}{N^{2}}$"
    )
    assert table_2.formula(derived["token", "same"].mean) == r"$\frac{3 \alpha - 1 - \alpha^{2}}{N^{2}}$"
    first, second = table_2.formula(printed["token", "same"].variance).split(" $+")
    assert first.endswith("u$") and second.endswith("v$")


def _number(tex, N, T, alpha):
    """The value of a formula, read from its TeX by rules of its own."""
    text = tex.replace("$", "").replace("\\ ", "").replace(r"\left", "").replace(r"\right", "")
    while r"\frac" in text:
        text = re.sub(r"\\frac\{((?:[^{}]|\{\d\})*)\}\{((?:[^{}]|\{\d\})*)\}", r"((\1)/(\2))", text, count=1)
    text = re.sub(r"\^\{(\d)\}", r"**\1", text).replace(r"\alpha", " a ")
    text = re.sub(r"(?<=[\w)])\s+(?=[\w(])", "*", re.sub(r"\s+", " ", text).strip())
    text = re.sub(r"(?<=[\da)uvNT])\s*(?=\()", "*", text)
    return eval(text, {"a": alpha, "N": N, "T": T, "u": 1 / (T * N**2), "v": 1 / N**3})


@pytest.mark.parametrize("which", ["mean", "variance"])
def test_what_is_shown_has_the_value_that_is_counted(which):
    # Oracle: the TeX on the page, read back and evaluated at other sizes than the chapter's.
    task = UniformNoisyTask(N=37, T=410, alpha=0.21)
    for entries in (table_2.printed_entries(), table_2.derived_entries()):
        for case in CASES:
            form = getattr(entries[case], which)
            if form is not None:
                shown = _number(table_2.formula(form), task.N, task.T, task.alpha)
                assert math.isclose(shown, table_2.value(form, task), rel_tol=1e-12), (case, table_2.formula(form))


def test_the_comparison_says_where_both_agree():
    # Oracle: by hand: of the means one differs and one is not legible, of the variances the noise's row agrees.
    means = {case: (printed, derived) for case, printed, derived in table_2.comparison("mean")}
    assert [case for case in CASES if means[case][1] != "the same"] == [("noise", "noise"), ("token", "same")]
    assert means["token", "same"][0] == "not legible"
    variances = {case: (printed, derived) for case, printed, derived in table_2.comparison("variance")}
    assert [case for case in CASES if variances[case][1] == "the same"] == [
        case for case in CASES if case[0] == "noise"
    ]
    assert variances["trigger", "trigger"][0].startswith("illegible $+")


def test_seeds_are_kept_apart(monkeypatch):
    # Oracle: two seeds of a small Monte Carlo differ, and asking again gives the same numbers.
    setup = replace(LAPTOP, table_2=Table2(N=7, T=12, alpha=0.3, sequences=20_000))
    first, second = table_2.sampled(setup, 0), table_2.sampled(setup, 1)
    assert first == table_2.sampled(setup, 0) and first != second
    assert max(abs(z) for row in first.values() for z in row.values()) < 4.5
    monkeypatch.setenv("MECHBOOK_SEED", "1")
    assert table_2.sampled(setup, 0) != first
