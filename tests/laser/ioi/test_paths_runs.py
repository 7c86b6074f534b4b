"""Which edges of a circuit are patched, what is kept, and the cache; on roles by hand and a tiny model."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mechbook.laser.data.ioi import IOIPrompts
from mechbook.laser.ioi import paths_runs
from mechbook.laser.ioi.circuit import Circuit, Roles
from mechbook.laser.ioi.circuit_runs import CircuitResult, CircuitSettings
from mechbook.laser.ioi.knockout import Effect, template_means
from mechbook.laser.ioi.paths import Edge, keep_only, patch_paths
from mechbook.laser.ioi.probes import HeadScores
from mechbook.laser.presets import RoleRules
from mechbook.laser.streams import STREAMS
from mechbook.pretrained.load import load

ROLES = Roles(
    suppressors=((2, 4),), inhibition=((1, 0), (1, 2)), copying=((2, 1), (2, 2)), negative=((2, 5),),
    duplicate=((0, 3),), induction=((1, 3), (0, 3)), previous=((0, 1), (2, 0)),
)  # fmt: skip
SETTINGS = CircuitSettings(
    per_template=2, random_sets=1, roles=RoleRules(attends=0.1, previous=0.4, copies=0.5, matters=0.01)
)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_edges_are_those_of_the_account() -> None:
    """Oracle: two of them written out; random senders of the same layers, none of them the role's."""
    edges = paths_runs.edges_of(ROLES, 6, generator(1))
    assert edges["repetition to inhibition, v"] == Edge(
        senders=((0, 3), (1, 3)), at="S2", reads="v", receivers=((1, 0), (1, 2)), to="END"
    )
    assert edges["previous to induction, k"] == Edge(
        senders=((0, 1), (2, 0)), at="S1+1", reads="k", receivers=((1, 3), (0, 3)), to="S2"
    )
    assert edges["inhibition to movers and negative, q"].receivers == ((2, 1), (2, 2), (2, 5))
    assert edges["inhibition to negative, q"].receivers == ((2, 5),)
    drawn = [edge.senders for name, edge in edges.items() if name.startswith("random")]
    assert len(drawn) == paths_runs.RANDOM_SETS
    for senders in drawn:
        assert [layer for layer, _ in senders] == [1, 1] and not set(senders) & set(ROLES.inhibition)


def test_an_edge_without_heads_or_from_behind_is_left_out() -> None:
    """Oracle: the names that are left."""
    roles = Roles(**{**vars(ROLES), "inhibition": (), "previous": ((2, 0),)})
    assert list(paths_runs.edges_of(roles, 6, generator(1))) == [
        "repetition to suppressors, k",
        "repetition to suppressors, v",
    ]


def test_what_is_kept_has_every_role_and_random_heads_none() -> None:
    """Oracle: the roles themselves; counts, and that each other head is drawn as often as any, to 4.5 errors."""
    kept = paths_runs.circuit_heads(ROLES)
    assert kept == {
        "S1+1": ((0, 1), (2, 0)),
        "S2": ((0, 3), (1, 3)),
        "END": ((2, 4), (1, 0), (1, 2), (2, 1), (2, 2), (2, 5)),
    }
    taken, count = {head for heads in kept.values() for head in heads}, 0
    random = generator(2)
    for _ in range(400):
        drawn = paths_runs.random_heads(kept, 3, 7, random)
        assert {at: len(set(heads)) for at, heads in drawn.items()} == {"S1+1": 2, "S2": 2, "END": 6}
        assert not taken & {head for heads in drawn.values() for head in heads}
        count += (0, 0) in drawn["S1+1"]
    p = 2 / (21 - len(taken))
    assert abs(count - 400 * p) < 4.5 * (400 * p * (1 - p)) ** 0.5
    with pytest.raises(ValueError, match="6 heads are kept at END, and only 5 others"):
        paths_runs.random_heads(kept, 2, 5, random)


def test_paths_are_measured_once_and_come_back_whole(
    tiny_model: Callable[..., Path],
    prompts: Callable[..., list[IOIPrompts]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Oracle: `patch_paths` and `keep_only` themselves on the same prompts; a second call that may not compute."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    model = load(str(tiny_model("llama")))
    monkeypatch.setattr(CircuitSettings, "prompts", lambda self, model, which: prompts(3))
    adapter, empty = model.adapter, torch.zeros(adapter_shape(model))
    fresh, scores = prompts(4), HeadScores(**{name: empty for name in HeadScores.__dataclass_fields__})
    circuit = Circuit(scores=scores, alone={}, roles=ROLES, trap=(), effects={}, random=[], pabc={})
    measured = CircuitResult(circuit=circuit, fresh=fresh, seconds=1.0)
    found = paths_runs.measure_paths(model, measured, SETTINGS)
    random = STREAMS.generator("random heads")
    edges = patch_paths(adapter, fresh, paths_runs.edges_of(ROLES, adapter.n_heads, random))
    assert list(found.edges) == list(edges) and found.n_heads == 10
    for name, effect in edges.items():
        torch.testing.assert_close(found.edges[name].difference, effect.difference)
    kept = paths_runs.circuit_heads(ROLES)
    drawn = paths_runs.random_heads(kept, adapter.n_layers, adapter.n_heads, random)
    own = keep_only(adapter, fresh, template_means(adapter, prompts(3)), {"circuit": kept, "random 0": drawn})
    for name, effect in own.items():
        torch.testing.assert_close(found.alone[name].P_IO, effect.P_IO)
    share = own["circuit"].difference.mean() / edges["none"].difference.mean()
    value, low, high = found.kept("circuit", generator(5))
    assert value == pytest.approx(float(share), rel=1e-5) and low < value < high

    def refuse(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(paths_runs, "patch_paths", refuse)
    assert paths_runs.measure_paths(model, measured, SETTINGS).seconds == found.seconds


def test_the_part_lost_has_an_interval_over_prompts() -> None:
    """Oracle: arithmetic for the part; an interval that holds it, and is a point for an edge that does nothing."""
    none, cut = (
        Effect(difference=torch.tensor(d), P_IO=torch.zeros(3), P_S=torch.zeros(3)) for d in ([1.0, 2, 3], [1.0, 1, 1])
    )
    found = paths_runs.Paths(edges={"none": none, "cut": cut, "same": none}, alone={}, n_heads=1, seconds=0.0)
    value, low, high = found.lost("cut", generator(1))
    assert value == pytest.approx(0.5) and low < value < high
    assert found.lost("same", generator(1)) == (0.0, 0.0, 0.0)


def adapter_shape(model: object) -> tuple[int, int]:
    return model.adapter.n_layers, model.adapter.n_heads  # type: ignore[attr-defined]
