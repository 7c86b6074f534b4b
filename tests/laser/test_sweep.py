"""LASER's sweep against `measure` on tiny models: what is kept on disk, what is not trusted, and two processes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.laser import sweep as laser_sweep
from mechbook.laser.edits import Measured, Prompt, laser, measure, prompt
from mechbook.laser.sweep import sweep
from mechbook.pretrained.load import LanguageModel, from_parts, load

GRID: dict[str, Any] = {"matrices": ("mlp_in", "o"), "layers": (0, 2), "rhos": (0.1, 0.5)}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model(tiny_model: Callable[..., Path]) -> LanguageModel:
    return load(str(tiny_model("gpt_neox")))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every point that is computed and not read, as it happens."""
    points: list[Any] = []
    compute = laser_sweep._compute
    monkeypatch.setattr(laser_sweep, "_compute", lambda task, edits: points.append(edits) or compute(task, edits))
    return points


def prompts(model: LanguageModel) -> list[Prompt]:
    facts = (("Madrid is located in", " Spain"), ("Then, Rome is located in", " Italy"))
    return [prompt(model, *fact, group="facts") for fact in facts]


def same(one: Measured, other: Measured) -> bool:
    names = ("before", "after", "top_before", "top_after", "p_top_before", "p_top_after")
    return one.edits == other.edits and all(torch.equal(getattr(one, n), getattr(other, n)) for n in names)


def test_the_sweep_is_measure_over_the_grid(model: LanguageModel) -> None:
    """Oracle: `measure` of the same edits, listed by a loop."""
    edits = [laser(model, layer, name, rho=rho) for layer in (0, 2) for name in ("mlp_in", "o") for rho in (0.1, 0.5)]
    expected = measure(model, prompts(model), edits, top=3)
    found = sweep(model, prompts(model), **GRID, top=3)
    assert found.edits == expected.edits
    torch.testing.assert_close(found.after, expected.after, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.before, expected.before, rtol=0, atol=1e-6)
    assert torch.equal(found.top_after, expected.top_after) and torch.equal(found.top_before, expected.top_before)
    torch.testing.assert_close(found.p_top_after, expected.p_top_after, rtol=0, atol=1e-6)
    assert found.top_after.shape == (8, 2, 3)
    nothing = sweep(model, prompts(model), matrices=(), layers=(0,), rhos=(0.1,))
    assert nothing.after.shape == (0, 2, 2) and torch.equal(nothing.before, found.before)


def test_two_processes_give_the_same_bits(model: LanguageModel, own_cache: Path) -> None:
    """Oracle: the sweep in this process, kept elsewhere."""
    alone = sweep(model, prompts(model), **GRID)
    for entry in own_cache.iterdir():
        entry.unlink()
    assert same(sweep(model, prompts(model), **GRID, jobs=2), alone)
    assert len(list(own_cache.glob("*.safetensors"))) == 5


def test_points_that_are_kept_are_read_and_only_those(model: LanguageModel, computed: list[Any]) -> None:
    first = sweep(model, prompts(model), **GRID)
    assert len(computed) == 5
    assert same(sweep(model, prompts(model), **GRID), first) and len(computed) == 5
    sweep(model, prompts(model), **GRID | {"layers": (0, 1, 2)})
    assert len(computed) == 7 and {edit.layer for point in computed[5:] for edit in point} == {1}


@pytest.mark.parametrize("change", ["prompts", "rhos", "weights"])
def test_another_model_or_prompt_is_another_key(
    change: str, model: LanguageModel, computed: list[Any], tiny_model: Callable[..., Path]
) -> None:
    sweep(model, prompts(model), **GRID)
    grid = dict(GRID)
    some = prompts(model)
    if change == "prompts":
        some = some[:1]
    elif change == "rhos":
        grid["rhos"] = (0.1, 0.4)
    else:
        model = load(str(tiny_model("gpt_neox", seed=7)))
    sweep(model, some, **grid)
    # the whole model's answers do not depend on the rates
    assert len(computed) == (9 if change == "rhos" else 10)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_entry_is_computed_again_and_never_trusted(
    damage: str, model: LanguageModel, computed: list[Any], own_cache: Path
) -> None:
    """Oracle: the sweep before the damage."""
    first = sweep(model, prompts(model), **GRID)
    entry = sorted(own_cache.glob("*.safetensors"))[0]
    content = bytearray(entry.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    else:
        content[-3] ^= 1
    entry.write_bytes(content)
    with pytest.warns(RuntimeWarning, match="damaged cache entry is computed again"):
        again = sweep(model, prompts(model), **GRID)
    assert same(again, first) and len(computed) == 6
    assert same(sweep(model, prompts(model), **GRID), first) and len(computed) == 6


def test_a_model_in_memory_is_swept_here_and_a_worker_refuses_another_one(model: LanguageModel) -> None:
    mine = from_parts("mine", model.adapter.model, model.tokenizer)
    found = sweep(mine, prompts(mine), **GRID)
    assert torch.equal(found.after, sweep(model, prompts(model), **GRID).after)
    task = laser_sweep._Task(
        name=model.name, revision=None, fingerprint="other", prompts=tuple(prompts(model)), top=1, layers=(0,)
    )
    with pytest.raises(ValueError, match="on this worker is not the model of the sweep"):
        laser_sweep._model(task)
