"""What chapters 6 and 7 draw of recorded trainings. Oracle: the numbers that were saved, placed by hand."""

import math
from pathlib import Path

import torch

from mechbook.facts import recorded as of_facts
from mechbook.facts.dynamics import SCORES
from mechbook.facts.presets import LAPTOP as FACTS_LAPTOP
from mechbook.facts.presets import PAPER as FACTS_PAPER
from mechbook.hops import recorded as of_hops
from mechbook.hops.presets import LAPTOP as HOPS_LAPTOP
from mechbook.hops.presets import PAPER as HOPS_PAPER
from mechbook.records.kept import save
from tests.records.conftest import run_record


def test_losses_of_facts_come_back_by_score_and_seed(folder: Path) -> None:
    assert of_facts.at_papers_size(FACTS_LAPTOP, "linear") is None
    values = {f"seed {s}, {name}": [10.0 * s + i, 0.5] for s in range(3) for i, name in enumerate(SCORES)}
    save(run_record(name="facts/linear", steps=[0, 9], values=values))
    found = of_facts.at_papers_size(FACTS_LAPTOP, "linear")
    assert found is not None and found.steps == [0, 9] and set(found.scores) == set(SCORES)
    for i, name in enumerate(SCORES):
        assert torch.equal(found.scores[name], torch.tensor([[i, 10.0 + i, 20.0 + i], [0.5, 0.5, 0.5]])), name
    assert of_facts.at_papers_size(FACTS_PAPER, "linear") is None


def test_hops_come_back_as_one_training_a_seed_that_ends_where_it_ended(folder: Path) -> None:
    assert of_hops.at_papers_size(HOPS_LAPTOP, ("mixture",)) == {}
    seeds, hops = range(HOPS_PAPER.seeds), range(1, HOPS_PAPER.k + 1)
    # seed s is done after s + 1 probes; from there on its values are NaN
    values = {f"seed {s}, loss": [0.1 * s if i <= s else math.nan for i in range(5)] for s in seeds}
    values |= {f"seed {s}, hop {r}": [r / 10 if i <= s else math.nan for i in range(5)] for s in seeds for r in hops}
    final = {f"seed {s}, solved": math.nan if s == 2 else 25.0 * s for s in seeds} | {"seed 1, stage 2": 50.0}
    save(run_record(name="hops/mixture", steps=[25, 50, 75, 100, 125], values=values, final=final))
    ((record, trainings),) = of_hops.at_papers_size(HOPS_LAPTOP, ("mixture", "curriculum")).values()
    assert record.name == "hops/mixture"
    assert [training.steps for training in trainings] == [[25, 50, 75, 100, 125][: s + 1] for s in seeds]
    assert all(training.accuracy[-1] == [r / 10 for r in hops] for training in trainings)
    assert [training.solved for training in trainings] == [0, 25, None, 75, 100]
    assert trainings[1].stages == [(50, 2)] and trainings[1].seen == 50 * HOPS_PAPER.batch_size
    assert of_hops.at_papers_size(HOPS_PAPER, ("mixture",)) == {}
