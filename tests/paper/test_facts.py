"""Chapters 6's and 1's runs recorded at a stand-in size. Oracle: the runs' own results."""

import pytest

from mechbook.core.presets import replace
from mechbook.facts import recorded as facts
from mechbook.facts.presets import PAPER as FACTS
from mechbook.facts.presets import FactsPreset
from mechbook.facts.stack_training import StackSettings
from mechbook.memories import recorded as memories
from mechbook.memories.parts import Linear
from mechbook.memories.presets import LAPTOP as MEMORIES
from mechbook.paper import __main__ as paper
from mechbook.paper.everything import Theme
from mechbook.records.kept import load_run, rounded

HOW = StackSettings(steps=3, batch_size=5, rates=(0.01,), test_size=7)
TINY: FactsPreset = replace(
    FACTS,
    seeds=2,
    dynamics_seeds=2,
    steps=20,
    linear=replace(FACTS.linear, batch_size=8),
    tradeoff=replace(FACTS.tradeoff, training=HOW),
    knowledge=replace(FACTS.knowledge, people=(3,), exposures=(1, 2), batch_size=2),
)


def test_a_descent_has_its_curves_and_a_gpt_its_bits() -> None:
    theme = Theme(name="facts", setup=TINY, runs=facts.runs, claims=facts.CLAIMS)
    assert paper.main(["facts/linear", "facts/knowledge/*/3/1"], [theme]) == 0
    by_name = {run.name: run for run in facts.runs(TINY)}
    record, result = load_run("facts/linear"), by_name["facts/linear"].settings.run()
    assert record is not None and record.steps == result.steps and len(record.values) == 2 * len(facts.SCORES)
    assert record.values["seed 1, accuracy"] == [rounded(value) for value in result.scores["accuracy"][:, 1].tolist()]
    names = [name for name in by_name if name.startswith("facts/knowledge/") and name.endswith("/3/1")]
    assert len(names) == 3
    found, bits = load_run(names[2]), by_name[names[2]].settings.run()
    assert found is not None and found.final["seed 1, in 8 bits"] == rounded(bits.ratio_int8[1])
    assert found.final["parameters"] == bits.parameters and found.steps == []


def test_a_search_s_record_has_the_capacity_of_every_seed() -> None:
    setup = replace(MEMORIES, seeds=2, linear_steps=60, linear=Linear(d=(5, 7), lr=1.0))
    theme = Theme(name="memories", setup=setup, runs=memories.runs, claims=memories.CLAIMS)
    assert paper.main(["memories/linear"], [theme]) == 0
    (run,) = [run for run in memories.runs(setup) if run.name == "memories/linear"]
    record, rows = load_run("memories/linear"), run.settings.run().by_seed()
    assert record is not None
    assert record.final == {f"d {d}, seed {s}": rounded(rows[s][i]) for s in range(2) for i, d in enumerate((5, 7))}


@pytest.mark.parametrize(("steps", "words"), [(9, "step 4 of 9"), (0, "part 4")])
def test_a_place_in_a_run_is_a_step_or_a_part(steps: int, words: str) -> None:
    run = facts.runs(TINY)[0]
    assert replace(run, steps=steps).at(4) == words
