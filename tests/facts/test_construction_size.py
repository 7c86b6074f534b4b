"""What the hand-built weights can do: recall, the smallest that is enough, and what a head holds."""

from typing import Any

import pytest

from mechbook.facts import construction_size
from mechbook.facts.construction_size import KINDS, FewestSettings, HeadLoadSettings, RecallSettings


def test_the_smallest_construction_is_just_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: mean accuracy of the size found, and of one up to 20% smaller, with the search's own weights."""
    draws = 3
    spec = FewestSettings(sizes=(5,), D=8, T=32, seeds=1, facts_asked=5 * 5 * draws)
    for kind in KINDS:
        size = construction_size.smallest(spec, kind, 5, 0)
        assert size > 0
        real = construction_size.accuracy
        asked: dict[int, list[float]] = {}

        def spy(weights: Any, *rest: Any) -> float:
            held = asked.setdefault(construction_size.stored_parameters(weights), [])  # noqa: B023
            held.append(real(weights, *rest))  # noqa: B023
            return held[-1]

        monkeypatch.setattr(construction_size, "accuracy", spy)
        assert construction_size.smallest(spec, kind, 5, 0) == size
        monkeypatch.setattr(construction_size, "accuracy", real)
        mean = {count: sum(held[:draws]) / draws for count, held in asked.items()}
        assert mean[size] >= 0.99 and all(len(set(held[:draws])) > 1 or min(held) == 1 for held in asked.values())
        assert any(value < 0.99 and 0.8 * size < count < size for count, value in mean.items())


def test_large_constructions_recall_and_small_ones_do_not(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: accuracy 1 of wide ones, far less of narrow ones; a head serves fewer tokens in fewer dimensions."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    sizes = {"S": 5, "D": 3, "T": 9, "contexts": 2, "H": 4, "seeds": 2}
    wide = RecallSettings(**sizes, d=256, d_h=64, d_mlp=64, m=128).run()
    narrow = RecallSettings(**sizes, d=8, d_h=2, d_mlp=8, m=2).run()
    for kind in KINDS:
        assert wide.accuracy[kind] == [1.0, 1.0] and max(narrow.accuracy[kind]) < 0.9
    load = HeadLoadSettings(S=5, D=3, T=9, d=128, d_h=(4, 64), tokens=(1, 5), seeds=2).run().accuracy
    # 64 dimensions hold one token without fault and five nearly so
    assert load.shape == (2, 2, 2) and float(load[1, 0].min()) == 1.0 and float(load[1, 1].min()) > 0.9
    assert float(load[0, 1].mean()) < float(load[0, 0].mean()) < float(load[1].mean())


def test_slopes_are_against_the_facts(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: exactly 1 where parameters are proportional to S R."""
    found = construction_size.FewestResult(
        facts=[25, 100, 400],
        parameters={"attention_only": [[50, 200, 800]], "attention_mlp": [[5, 10, 20]]},
        seconds=0.0,
    )
    assert found.slopes("attention_only") == pytest.approx([1.0]) and found.slopes("attention_mlp") == pytest.approx(
        [0.5]
    )
