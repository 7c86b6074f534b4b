"""The settings of chapter 1: both scales, what is refused, and what each of them changes."""

import dataclasses

import pytest

from mechbook.core.presets import replace
from mechbook.memories import capacity, experiments, writers, zipf
from mechbook.memories.capacity import linear_settings, mlp_settings, outer_settings
from mechbook.memories.parts import Linear, Mlp, Outer, Vectors, Zipf
from mechbook.memories.presets import LAPTOP, PAPER

# each top-level setting, changed; and the capacities that depend on it
OTHER = {
    "seeds": (5, {"outer", "outer shared", "linear", "linear shared", "mlp", "mlp shared"}),
    "d": (32, set()),
    "M": (4, {"outer shared", "linear shared", "mlp shared"}),
    "enough": (0.95, {"outer", "outer shared", "linear", "linear shared", "mlp", "mlp shared"}),
    "linear_steps": (7, {"linear", "linear shared"}),
    "mlp_steps": (7, {"mlp", "mlp shared"}),
    "b": (0.2, set()),
    "a": (2.0, set()),
    "vectors": (Vectors(n=10, draws=2000), set()),
    "crosstalk": (replace(LAPTOP.crosstalk, N=50), set()),
    "recall": (replace(LAPTOP.recall, memories=2), set()),
    "outer": (Outer(d=(8, 16), d_shared=(32, 64), few=1, many=2), {"outer", "outer shared"}),
    "linear": (Linear(d=(8, 16), lr=0.5), {"linear", "linear shared"}),
    "mlp": (Mlp(sizes=((6, 8), (8, 8)), sizes_shared=((6, 9), (8, 9)), lr=0.03), {"mlp", "mlp shared"}),
    "factors": (replace(LAPTOP.factors, memories=2), set()),
    "filter": (replace(LAPTOP.filter, judged_at=512), set()),
    "sets": (replace(LAPTOP.sets, tokens=12), set()),
    "zipf": (replace(LAPTOP.zipf, part=16), set()),
    "writers": (replace(LAPTOP.writers, N=100), set()),
    "online": (replace(LAPTOP.online, N=64), set()),
}


@pytest.fixture
def keys(monkeypatch):
    """The keys that were asked for, in place of what is kept under them."""
    asked = []

    for module, name in ((capacity, "found"), (experiments, "by_seed")):

        def remember(key, compute, *, modules, name=name):
            asked.append(key)
            return {name: [], "seconds": 0.0}

        monkeypatch.setattr(module, "cached", remember)
    return asked


def asked_for(setup, keys):
    """The keys of all that the chapter keeps, by name."""
    keys.clear()
    names = []
    for name, made in {"outer": outer_settings, "linear": linear_settings, "mlp": mlp_settings}.items():
        for shared in (False, True):
            made(setup, shared=shared).run()
            names.append(f"{name} shared" if shared else name)
    for experiment in (
        experiments.near_orthogonality,
        experiments.remapped_variance,
        experiments.crosstalk,
        experiments.filling,
        experiments.factorised,
        experiments.filtering,
        experiments.sets,
        zipf.zipf_errors,
        writers.unequal_pairs,
        writers.online,
        writers.missed_by_least_squares,
    ):
        experiments.over_seeds(experiment, setup)
        names.append(experiment.__name__)
    return dict(zip(names, [dict(key) for key in keys], strict=True))


def test_every_top_level_setting_has_a_case():
    """Oracle: the fields."""
    assert [field.name for field in dataclasses.fields(LAPTOP)] == list(OTHER)


@pytest.mark.parametrize("name", OTHER)
def test_a_changed_setting_changes_the_keys_of_what_depends_on_it(name, keys):
    """Oracle: the table OTHER for capacities; experiments are kept by all settings."""
    value, wanted = OTHER[name]
    before, after = asked_for(LAPTOP, keys), asked_for(replace(LAPTOP, **{name: value}), keys)
    differ = {kind for kind in before if before[kind] != after[kind]}
    assert differ == wanted | {kind for kind in before if "setup" in before[kind]}
    assert len({repr(key) for key in before.values()}) == len(before)


def test_the_book_s_seed_changes_every_key(keys, monkeypatch):
    """Oracle: inequality."""
    before = asked_for(LAPTOP, keys)
    monkeypatch.setenv("MECHBOOK_SEED", "1")
    after = asked_for(LAPTOP, keys)
    assert all(before[kind] != after[kind] for kind in before)


def test_the_paper_s_scale_has_more_seeds_sizes_and_steps():
    """Oracle: by hand; all else is the same at both scales."""
    changes = {
        field.name for field in dataclasses.fields(LAPTOP) if getattr(LAPTOP, field.name) != getattr(PAPER, field.name)
    }
    assert changes == {"seeds", "linear_steps", "mlp_steps", "linear", "mlp"}
    assert (LAPTOP.seeds, LAPTOP.linear_steps, LAPTOP.mlp_steps) == (3, 400, 1500)
    assert (PAPER.seeds, PAPER.linear_steps, PAPER.mlp_steps) == (5, 4096, 6000)
    assert LAPTOP.linear.d[-1] == 64 and PAPER.linear.d[-1] == 256
    assert len(PAPER.mlp.sizes) == 17 and PAPER.mlp.sizes[0] == (16, 16) and PAPER.mlp.sizes[-1] == (64, 512)


@pytest.mark.parametrize(
    "part, changes, words",
    [
        (LAPTOP, {"seeds": 1}, "seeds is 1; it must be a whole number >= 2"),
        (LAPTOP, {"seeds": True}, "seeds is True; it must be a whole number >= 2"),
        (LAPTOP, {"d": 4}, "d is 4; it must be a whole number >= 5"),
        (LAPTOP, {"M": 1}, "M is 1; it must be a whole number >= 2"),
        (LAPTOP, {"enough": 1.0}, "enough is 1.0; it must be at least 0.9"),
        (LAPTOP, {"enough": 0.5}, "enough is 0.5; it must be at least 0.9"),
        (LAPTOP, {"linear_steps": 0}, "linear_steps is 0; it must be a whole number >= 1"),
        (LAPTOP, {"mlp_steps": 0}, "mlp_steps is 0; it must be a whole number >= 1"),
        (LAPTOP, {"b": 1.0}, r"b is 1.0; it must be in \[0, 1\)"),
        (LAPTOP, {"a": 1.0}, "a is 1.0; it must be > 1"),
        (LAPTOP.vectors, {"n": 1}, "n is 1; it must be a whole number >= 2"),
        (LAPTOP.vectors, {"draws": 2500}, "draws is 2500; it must be a multiple of 1000"),
        (LAPTOP.crosstalk, {"M": 101}, "M is 101; it must be a whole number in 2 .. N = 100"),
        (LAPTOP.recall, {"N": (32, 16)}, r"N is \(32, 16\); it must be a tuple of rising whole numbers >= 1"),
        (LAPTOP.outer, {"d": (8,)}, r"d is \(8,\); it must be a tuple of 2 or more rising whole numbers >= 1"),
        (LAPTOP.linear, {"d": (3, 8)}, r"d is \(3, 8\); it must be a tuple of 2 or more rising whole numbers >= 4"),
        (LAPTOP.linear, {"lr": 0.0}, "lr is 0.0; it must be a finite number > 0"),
        (LAPTOP.mlp, {"sizes": ((4, 6), (6, 4))}, "at least two different d m"),
        (LAPTOP.factors, {"d": 64}, "ascending, up to d = 64"),
        (LAPTOP.filter, {"judged_at": 1000}, "judged_at is 1000; it must be one of the numbers of pairs, 64, 128"),
        (LAPTOP.sets, {"tokens": 23}, "tokens is 23; it must be an even number >= 4, at most d/2 = 128"),
        (LAPTOP.crosstalk, {"weights": (1.0, 1.0)}, r"weights is \(1.0, 1.0\); it must be two finite numbers > 0"),
        (LAPTOP.outer, {"M": (2,)}, r"M is \(2,\); it must be a tuple of 2 or more rising whole numbers >= 2"),
        (LAPTOP.linear, {"patience": 1}, "patience is 1; it must be a whole number >= 2"),
        (LAPTOP.online, {"N": 30}, "N is 30; it must be a multiple of 4"),
        (LAPTOP.writers, {"d": (64,)}, r"d is \(64,\); it must be a tuple of 2 or more rising whole numbers >= 2"),
        (LAPTOP.zipf, {"part": 81}, "part is 81; it must be in 1 .. M d"),
    ],
)
def test_impossible_settings_are_refused_in_one_sentence(part, changes, words):
    """Oracle: the sentences."""
    with pytest.raises(ValueError, match=words):
        replace(part, **changes)


def test_an_unknown_setting_is_refused_with_those_there_are():
    """Oracle: the sentence."""
    with pytest.raises(TypeError, match="MemoriesPreset has no setting 'seed': it has seeds, d, M, enough"):
        replace(LAPTOP, seed=3)
    assert replace(LAPTOP.zipf, N=100) == Zipf(N=100, M=5, d=LAPTOP.zipf.d, part=32, memories=6)
