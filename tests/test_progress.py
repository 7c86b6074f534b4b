"""Whatever takes seconds at the book's size says how far it is. Oracle: every line that is opened, and where it ends.

The computations are those of the themes, each shrunk to a second.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.core.progress import Line
from mechbook.core.training.progress import Progress
from mechbook.facts import capacity
from mechbook.facts.capacity import CapacitySettings
from mechbook.facts.construction_size import FewestSettings, HeadLoadSettings, RecallSettings
from mechbook.facts.dynamics import DynamicsSettings
from mechbook.facts.stack_training import StackSettings
from mechbook.facts.task import FactTask
from mechbook.facts.tradeoff import TradeoffSettings
from mechbook.gradients import deep_linear
from mechbook.gradients.presets import LAPTOP as GRADIENTS
from mechbook.gradients.three_steps.runs import ThreeStepSettings
from mechbook.gradients.timing import timed
from mechbook.laser.edits import prompt
from mechbook.laser.sweep import sweep
from mechbook.memories import experiments as memories
from mechbook.memories.capacity import linear_settings, outer_settings
from mechbook.memories.presets import LAPTOP as MEMORIES
from mechbook.memories.presets import Linear, Outer
from mechbook.noisy.theory import key_query, memory_runs, one_step
from mechbook.paper.small import HOPS, INDUCTION, NOISY, NOISY_TINY
from mechbook.pretrained.load import load
from mechbook.site.execute import Chapters

STACK = StackSettings(steps=3, batch_size=4, rates=(1e-2, 1e-3), test_size=8)
SMALL = replace(
    MEMORIES,
    seeds=2,
    linear_steps=20,
    linear=Linear(d=(5, 7), lr=1.0),
    outer=Outer(d=(5, 7), d_shared=(5, 7), few=1, many=2),
)
STEPS = ThreeStepSettings(
    seed=0, N=5, T=7, d=11, sequences=23, test_sequences=13, logit=0.3, gap_W_K2=30.0, gap_W_K1=100.0, probe_gap=30.0,
    chunk=10,
)  # fmt: skip
FACTS = {"S": 5, "D": 3, "T": 9, "seeds": 2}


def shown_of(theme: Any) -> Callable[[], object]:
    return lambda: theme.runs(theme.setup)[0].settings.run()


def few_facts(search: CapacitySettings) -> None:
    """A search whose models, trained for a moment, store up to 12 subjects with each relation."""
    train = capacity.train_stack

    def trained(tasks: Sequence[FactTask], *more: Any) -> torch.Tensor:
        train(tasks, *more)
        return torch.tensor([float(task.S <= 12) for task in tasks], dtype=torch.float64)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capacity, "train_stack", trained)
        search.run()


# What is computed, and the lines that it has to open: the first words of each.
WORK: dict[str, tuple[Callable[[], object], tuple[str, ...]]] = {
    "induction": (shown_of(INDUCTION), ("training loop",)),
    "noisy recall": (shown_of(NOISY), ("training loop",)),
    "hops": (shown_of(HOPS), ("4 hops, 2 models",)),
    "capacity of facts": (
        lambda: few_facts(CapacitySettings(d=16, alpha=1.0, beta=1.0, D=8, T=9, seeds=2, training=STACK)),
        ("a search for capacities", "a round", "2 models of facts"),
    ),
    "heads and width": (
        TradeoffSettings(**FACTS, d=7, d_h=3, H=(1, 4), m=(0, 5, 40), training=STACK).run,
        ("accuracy by heads and width", "4 models of facts"),
    ),
    "how facts are learned": (
        DynamicsSettings(
            model="linear", S=6, R=3, D=2, T=9, n_noise=5, lr=1.0, init=0.01, steps=9, batch_size=4, seeds=2,
            probe_every=3, test_size=8, checkpoints=3,
        ).run,
        ("how facts are learned",),
    ),
    "constructions": (
        RecallSettings(**FACTS, contexts=2, d=64, d_h=16, H=10, d_mlp=64, m=128).run, ("recall of the constructions",)
    ),
    "smallest constructions": (
        FewestSettings(sizes=(5,), D=8, T=32, seeds=1, facts_asked=25).run, ("the smallest constructions",)
    ),
    "heads' load": (HeadLoadSettings(**FACTS, d=32, d_h=(4,), tokens=(1, 5)).run, ("what a head can serve",)),
    "three steps": (STEPS.run, ("three steps of gradient descent",)),
    "a measurement over seeds": (
        lambda: timed(deep_linear.course, GRADIENTS.deep, [0]), ("course",)
    ),
    "an experiment of chapter 1": (lambda: memories.over_seeds(memories.near_orthogonality, SMALL), ("near",)),
    "outer products": (outer_settings(SMALL).run, ("capacities of outer products",)),
    "trained memories": (
        linear_settings(SMALL).run, ("a search for capacities", "trained memories", "side by side")
    ),
    "samples needed": (lambda: one_step.needs(NOISY_TINY, 0), ("samples that attention needs",)),
    "gradient on W_KQ": (lambda: key_query.sweep(NOISY_TINY, "short", 0), ("the gradient on W_KQ",)),
    "noise in a memory": (lambda: memory_runs.alpha_vs_n(NOISY_TINY, 4, 0), ("",)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    monkeypatch.setenv("MECHBOOK_DEVICE", "cpu")


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, float]]]:
    """The words and the share that is done of every line, when it goes."""
    found: list[tuple[str, float]] = []
    leave, advance = Line.__exit__, Progress.advance

    def noted(line: Line, *error: Any) -> None:
        found.append((line.what, line.done / line.total if line.total else 1.0))
        leave(line, *error)

    def advanced(bar: Progress) -> None:
        found.append(("training loop", 1.0))
        advance(bar)

    monkeypatch.setattr(Line, "__exit__", noted)
    monkeypatch.setattr(Progress, "advance", advanced)
    yield found


def ended(lines: list[tuple[str, float]], wanted: tuple[str, ...]) -> None:
    for words in wanted:
        shares = [share for what, share in lines if what.startswith(words)]
        assert shares and max(shares) == 1, (words, sorted(set(lines)))
    assert all(0 < share <= 1 for _, share in lines), lines


@pytest.mark.parametrize("name", WORK)
def test_every_computation_of_seconds_has_a_line_that_reaches_its_end(
    name: str, lines: list[tuple[str, float]]
) -> None:
    compute, wanted = WORK[name]
    compute()
    ended(lines, wanted)


def test_a_sweep_of_laser_has_one(lines: list[tuple[str, float]], tiny_model: Callable[..., Path]) -> None:
    """And where its points are computed in other processes, the line is this one's."""
    model = load(str(tiny_model("gpt_neox")))
    asked = [prompt(model, "Madrid is located in", " Spain", group="facts")]
    sweep(model, asked, matrices=("mlp_in", "o"), layers=(0, 2), rhos=(0.1, 0.5))
    ended(lines, ("a sweep of LASER", "a matrix changed"))


def test_the_chapters_of_a_build_count_as_long_as_they_took() -> None:
    """Oracle: of a (30 s) one cell in three; b (10 s), which is over; c, which never ran, counts 20 s: 20 of 60."""
    chapters = Chapters(["book/a", "b", "c"], {"book/a": 3, "b": 2, "c": 1}, {"book/a": 30.0, "b": 10.0, "d": 99.0})
    assert (chapters.total, chapters.words()) == (60.0, "0 of 3 chapters are executed")
    for page in ("book/a", "b"):
        chapters.cell(page)
    assert chapters.words() == "0 of 3 chapters are executed; a: 1 of 3 cells; b: 1 of 2 cells"
    chapters.over("b")
    # the build's own cells, after the page's
    chapters.cell("b")
    assert chapters.words() == "1 of 3 chapters are executed; a: 1 of 3 cells"
    assert chapters.done == pytest.approx(20)
