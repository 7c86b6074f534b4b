"""The circuit of a named model from the cache, its summaries, and ranks after prepositions; on a tiny model."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mechbook.core.cache import store
from mechbook.laser.data.ioi import IOIPrompts
from mechbook.laser.data.prepositions import PREPOSITIONS, SENTENCES
from mechbook.laser.ioi import circuit as ioi_circuit
from mechbook.laser.ioi import study as real_circuit
from mechbook.laser.ioi.knockout import Effect
from mechbook.pretrained.load import LanguageModel, load


@pytest.fixture
def model(tiny_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LanguageModel:
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    for name, value in {"ATTENDS": 0.12, "COPIES": 0.5, "MATTERS": 0.01}.items():
        monkeypatch.setattr(ioi_circuit, name, value)
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
    monkeypatch.setattr(real_circuit, "ioi_prompts", lambda model, which: sets[which])
    found = real_circuit.circuit(model)
    expected = ioi_circuit.measure_circuit(
        model.adapter, sets["chosen"], sets["fresh"], real_circuit.settings.generator(5, 6)
    )
    assert store.checksum(real_circuit._packed(found.circuit)) == store.checksum(real_circuit._packed(expected))
    assert found.circuit.roles == expected.roles and found.circuit.alone == expected.alone
    assert found.circuit.circuit_values() == expected.circuit_values() and found.fresh is sets["fresh"]

    def refuse(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(real_circuit, "measure_circuit", refuse)
    assert real_circuit.circuit(model).seconds == found.seconds


def test_summaries_by_template_are_those_of_each_prompt() -> None:
    """Oracle: a table by hand of two templates with two and four prompts."""
    group = drawn(1)[0]
    parts = [_part(group, 0, 2), _part(group, 2, 6)]
    effect = Effect(
        difference=torch.tensor([1.0, -1.0, 2.0, 3.0, -4.0, 3.0]),
        P_IO=torch.tensor([0.1, 0.3, 0.5, 0.5, 0.1, 0.5]),
        P_S=torch.tensor([0.0, 0.2, 0.0, 0.0, 0.4, 0.0]),
    )
    first, second = real_circuit.by_template(effect, parts)
    assert first == pytest.approx({"P_IO": 0.2, "P_S": 0.1, "difference": 0.0, "ABBA": 1.0, "BABA": 0.0})
    assert second == pytest.approx({"P_IO": 0.4, "P_S": 0.1, "difference": 1.0, "ABBA": 0.5, "BABA": 1.0})


def _part(group: IOIPrompts, first: int, stop: int) -> IOIPrompts:
    fields = {name: getattr(group, name) for name in IOIPrompts.__dataclass_fields__}
    return IOIPrompts(**{n: v if isinstance(v, str) else v[first:stop] for n, v in fields.items()})


def test_ranks_are_counted_in_the_logits_of_the_whole_prompt(
    model: LanguageModel, tiny_model: Callable[..., Path]
) -> None:
    """Oracle: transformers' own tokenizer and logits, sorted, for every input."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_model("llama")
    whole, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    the = tokenizer(" the").input_ids[0]
    inputs = {
        "prefixed": (
            real_circuit.preposition_ranks(model, prefix="<|endoftext|>"),
            [f"<|endoftext|> {w}" for w in PREPOSITIONS],
        ),
        "lone": (real_circuit.preposition_ranks(model), list(PREPOSITIONS)),
        "sentences": (real_circuit.sentence_ranks(model), list(SENTENCES)),
    }
    for found, texts in inputs.values():
        for text, rank in zip(texts, found, strict=True):
            with torch.no_grad():
                logits = whole(torch.tensor([tokenizer(text).input_ids])).logits[0, -1]
            assert logits.argsort(descending=True).tolist().index(the) + 1 == rank


def test_the_median_is_python_s() -> None:
    """Oracle: statistics.median."""
    import statistics

    for values in ([3, 1, 2], [4.0, 1.0, 2.0, 8.0], [5]):
        assert real_circuit.median(values) == statistics.median(values)
