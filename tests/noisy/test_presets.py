"""The presets of chapter 4: what they refuse, and that each setting reaches the keys of what depends on it."""

import json
from dataclasses import fields

import pytest

from mechbook.core.presets import changed, replace
from mechbook.noisy import experiments
from mechbook.noisy.presets import LAPTOP, PAPER, Figure6, Margins, Needs, NoisyPreset, Schedule
from mechbook.noisy.theory import key_query, memory_runs, one_step, table_2

OTHER = Schedule(steps=30, batch=2, lr=0.01)
TRAINED = {
    "main": lambda setup: experiments.main_settings(setup, 1),
    "level 0.2": lambda setup: experiments.level_settings(setup, 0.2, 1),
    "several": lambda setup: experiments.several_settings(setup, 1),
    "clean": lambda setup: experiments.clean_settings(setup, 1),
    "fine-tuned": lambda setup: experiments.fine_tuned_settings(setup, 1),
    **{
        name: lambda setup, name=name: experiments.architecture_settings(setup, name, 1)
        for name in experiments.ARCHITECTURES
    },
}
CACHED = {
    "margins": (one_step, lambda setup: one_step.margins(setup, 1)),
    "needs": (one_step, lambda setup: one_step.needs(setup, 1)),
    "table 2": (table_2, lambda setup: table_2.sampled(setup, 1)),
    **{
        f"sweep {name}": (key_query, lambda setup, name=name: key_query.sweep(setup, name, 1))
        for name in ("short", "long", "ratio")
    },
    "flip": (key_query, lambda setup: key_query.flip(setup, 1)),
    "figure 6": (memory_runs, lambda setup: memory_runs.figure_6(setup, 8, 1)),
    "alpha against n": (memory_runs, lambda setup: memory_runs.alpha_vs_n(setup, 3, 1)),
    "theorem 2": (memory_runs, lambda setup: memory_runs.theorem_2(setup)),
}
ONE_LAYER = {"margins", "needs", "sweep short", "sweep long", "sweep ratio", "flip"}
# a change of each setting, and what of the above is then another run
CHANGES = {
    "seeds": (4, {"alpha against n"}),
    "alpha": (0.3, {"main", "several", "fine-tuned", *experiments.ARCHITECTURES, *ONE_LAYER}),
    "T": (32, set(TRAINED)),
    "d": (96, set(TRAINED)),
    "K": (2, set(TRAINED) - {"several"}),
    "steps": (90, {"main"}),
    "batch": (8, {"main"}),
    "lr": (0.04, {"main"}),
    "cool_lr": (None, set(TRAINED) - {"clean"}),
    "other_d": ((32,), set()),
    "levels": (((0.2, OTHER), (0.5, OTHER), (0.7, OTHER)), {"level 0.2"}),
    "several_K": (3, {"several"}),
    "several": (OTHER, {"several"}),
    "clean": (OTHER, {"clean", "fine-tuned"}),
    "fine_tuned": (OTHER, {"fine-tuned"}),
    "mlp_linear": (OTHER, {"mlp_linear"}),
    "linear_mlp": (OTHER, {"linear_mlp"}),
    "no_blocks": (OTHER, {"no_blocks"}),
    "margins": (replace(LAPTOP.margins, updates=300), {"margins"}),
    "needs": (replace(LAPTOP.needs, updates=100), {"needs"}),
    "table_2": (replace(LAPTOP.table_2, T=100), {"table 2"}),
    "key_query": (replace(LAPTOP.key_query, sequences=5000), {"sweep short", "sweep long", "sweep ratio"}),
    "flip": (replace(LAPTOP.flip, N=64), {"flip"}),
    "figure_6": (replace(LAPTOP.figure_6, runs=10), {"figure 6"}),
    "alpha_vs_n": (replace(LAPTOP.alpha_vs_n, steps=1000), {"alpha against n"}),
    "theorem_2": (replace(LAPTOP.theorem_2, lr=0.2), {"theorem 2"}),
}


class Asked(Exception):
    """Raised in place of computing."""


def keys(setup: NoisyPreset, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The cache's key of everything, as text."""

    def asked(key, compute, *, modules):
        raise Asked(json.dumps(key, sort_keys=True))

    found = {name: json.dumps(make(setup).key(), sort_keys=True) for name, make in TRAINED.items()}
    for name, (module, call) in CACHED.items():
        monkeypatch.setattr(module, "cached", asked)
        with pytest.raises(Asked) as key:
            call(setup)
        found[name] = str(key.value)
    return found


def test_each_setting_changes_the_keys_of_what_depends_on_it_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the table above, which names every setting there is."""
    assert set(CHANGES) == {field.name for field in fields(NoisyPreset)}
    own = keys(LAPTOP, monkeypatch)
    for name, (value, others) in CHANGES.items():
        theirs = keys(replace(LAPTOP, **{name: value}), monkeypatch)
        assert {what for what in own if own[what] != theirs[what]} == others, name


def test_no_two_keys_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: as many keys as entries, over both scales."""
    both = [*keys(LAPTOP, monkeypatch).values(), *keys(PAPER, monkeypatch).values()]
    assert len(set(both)) == len(both) == 2 * (len(TRAINED) + len(CACHED))


def test_both_presets_say_what_differs() -> None:
    """Oracle: the paper's T, as a line of `changed`."""
    assert "T = 256 (preset: 64)" in changed(PAPER, LAPTOP)
    assert changed(LAPTOP, LAPTOP) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeds": 1}, "seeds is 1; it must be 2 or more"),
        ({"alpha": 0.95}, "alpha is 0.95; it must be between 0.1 and 0.9"),
        ({"T": 8}, "T is 8; it must be 16 or more"),
        ({"d": 0}, "d is 0"),
        ({"K": 66}, "K is 66; it must be between 1 and the 65 characters"),
        ({"several_K": 0}, "several_K is 0"),
        ({"steps": 2}, "steps is 2; it must be 3 or more"),
        ({"batch": 0}, "batch is 0"),
        ({"lr": 1.5}, "lr is 1.5; it must be between 0 and 1"),
        ({"cool_lr": 0.0}, "cool_lr is 0.0; it must be between 0 and 1, or None"),
        ({"other_d": (0,)}, r"other_d is \(0,\); it must be of dimensions of 1 or more"),
        ({"levels": LAPTOP.levels[:2]}, "three noise levels, in increasing order"),
        ({"levels": ((0.0, OTHER), (0.5, OTHER), (0.7, OTHER))}, "noise levels between 0 and 1"),
    ],
)
def test_impossible_settings_are_refused_in_a_sentence(change: dict[str, object], words: str) -> None:
    """Oracle: the sentence."""
    with pytest.raises(ValueError, match=words):
        replace(LAPTOP, **change)


def test_impossible_parts_are_refused_in_a_sentence() -> None:
    """Oracle: the sentence."""
    refused = [
        (lambda: replace(OTHER, steps=2), ValueError, "steps is 2"),
        (lambda: replace(OTHER, lr=0.0), ValueError, "lr is 0.0"),
        (lambda: replace(LAPTOP.margins, sizes=(10, 200_000)), ValueError, "enough for the largest update"),
        (lambda: replace(LAPTOP.needs, T=(4, 256)), ValueError, "lengths with 32 and 256 among them"),
        (lambda: replace(LAPTOP, aplha=0.3), TypeError, "no setting 'aplha': .* did you mean 'alpha'"),
    ]
    for make, error, words in refused:
        with pytest.raises(error, match=words):
            make()
    assert {Margins, Needs, Figure6} <= {type(getattr(LAPTOP, field.name)) for field in fields(LAPTOP)}
