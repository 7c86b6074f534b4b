"""The circuit of a named model from the cache, and its summaries; on a tiny model."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mechbook.core.cache import store
from mechbook.laser.data.ioi import IOIPrompts
from mechbook.laser.ioi import circuit_runs
from mechbook.laser.ioi.circuit import measure_circuit
from mechbook.laser.ioi.circuit_runs import CircuitSettings
from mechbook.laser.ioi.knockout import Effect
from mechbook.laser.presets import RoleRules
from mechbook.laser.streams import STREAMS
from mechbook.pretrained.load import LanguageModel, load

# a random model's heads attend everywhere: with these bars it has some of each role
RULES = RoleRules(attends=0.12, previous=0.4, copies=0.5, matters=0.01)
SMALL = CircuitSettings(per_template=20, random_sets=7, roles=RULES)


@pytest.fixture
def model(tiny_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LanguageModel:
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    return load(str(tiny_model("llama")))


def drawn(seed: int) -> list[IOIPrompts]:
    """Prompts without words: names 3 to 9 at places 1, 2 and 5."""
    draw = torch.Generator().manual_seed(seed)
    names = torch.stack([torch.randperm(7, generator=draw)[:2] + 3 for _ in range(20)])
    rows, IO, S, ABBA = torch.randint(10, 60, (20, 8), generator=draw), *names.T, torch.arange(20) % 2 == 0
    rows[:, 1], rows[:, 2], rows[:, 5] = torch.where(ABBA, IO, S), torch.where(ABBA, S, IO), S
    return [
        IOIPrompts(
            template="t", texts=("",) * 20, tokens=rows, abc=rows.roll(1, 0), IO=IO, S=S, IO_at=torch.where(ABBA, 1, 2),
            S1_at=torch.where(ABBA, 2, 1), S2_at=torch.full((20,), 5), is_ABBA=ABBA,
        )
    ]  # fmt: skip


def test_the_circuit_is_measured_once_and_comes_back_whole(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: `measure_circuit` itself on the same prompts, every number of it; a second call that may not compute."""
    sets = {"chosen": drawn(1), "fresh": drawn(2)}
    monkeypatch.setattr(CircuitSettings, "prompts", lambda self, model, which: sets[which])
    found = SMALL.run(model)
    expected = measure_circuit(
        model.adapter, sets["chosen"], sets["fresh"], STREAMS.generator("random heads"), rules=RULES, random_sets=7
    )
    assert store.checksum(circuit_runs._packed(found.circuit)) == store.checksum(circuit_runs._packed(expected))
    assert found.circuit.roles == expected.roles and found.circuit.alone == expected.alone
    assert found.circuit.circuit_values() == expected.circuit_values() and found.fresh is sets["fresh"]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(circuit_runs, "measure_circuit", refuse)
    assert SMALL.run(model).seconds == found.seconds


def test_summaries_by_template_are_those_of_each_prompt() -> None:
    """Oracle: a table by hand of two templates with two and four prompts."""
    group = drawn(1)[0]
    parts = [_part(group, 0, 2), _part(group, 2, 6)]
    effect = Effect(
        difference=torch.tensor([1.0, -1.0, 2.0, 3.0, -4.0, 3.0]),
        P_IO=torch.tensor([0.1, 0.3, 0.5, 0.5, 0.1, 0.5]),
        P_S=torch.tensor([0.0, 0.2, 0.0, 0.0, 0.4, 0.0]),
    )
    first, second = circuit_runs.by_template(effect, parts)
    assert first == pytest.approx({"P_IO": 0.2, "P_S": 0.1, "difference": 0.0, "ABBA": 1.0, "BABA": 0.0})
    assert second == pytest.approx({"P_IO": 0.4, "P_S": 0.1, "difference": 1.0, "ABBA": 0.5, "BABA": 1.0})


def _part(group: IOIPrompts, first: int, stop: int) -> IOIPrompts:
    fields = {name: getattr(group, name) for name in IOIPrompts.__dataclass_fields__}
    return IOIPrompts(**{n: v if isinstance(v, str) else v[first:stop] for n, v in fields.items()})
