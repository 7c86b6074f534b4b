"""Paths between heads and circuits by themselves, on a tiny random model."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from mechbook.laser.data.ioi import IOIPrompts
from mechbook.laser.ioi.knockout import Knockout, knock_out, template_means
from mechbook.laser.ioi.paths import Edge, circuit_alone, keep_only, patch_path, patch_paths, place
from mechbook.laser.ioi.probes import observe
from mechbook.pretrained.adapter import Adapter

Prompts = Callable[..., list[IOIPrompts]]


def obviously(adapter: Adapter, group: IOIPrompts, edge: Edge) -> Tensor:
    """Path patching in three whole runs of hooks on the model itself, prompt by prompt: nothing of the fast way.

    First all heads' outputs on the prompt and on its counterpart; then what the receivers' projections give when every
    head's output is put back but the senders'; then a run in which only these projections are put in.
    """
    ends = []
    for i in range(len(group.IO)):
        prompt, counterpart = group.tokens[i : i + 1], group.abc[i : i + 1]
        at, to = int(place(group, edge.at)[i]), int(place(group, edge.to)[i])
        clean, changed = _outputs(adapter, prompt), _outputs(adapter, counterpart)
        frozen = [z.clone() for z in clean]
        for layer, head in edge.senders:
            frozen[layer][:, at, _slots(adapter, head)] = changed[layer][:, at, _slots(adapter, head)]
        projected = _run(adapter, prompt, put=dict(enumerate(frozen)), read=edge.reads)[1]
        # each receiver by itself, for the others of its layer keep their projections
        fixed: dict[int, Tensor] = {}
        for layer, head in edge.receivers:
            own = _run(adapter, prompt, project={layer: (edge.reads, at, projected[layer])}, stop=layer)[0]
            fixed.setdefault(layer, torch.zeros_like(own[layer]))
            fixed[layer][:, to, _slots(adapter, head)] = own[layer][:, to, _slots(adapter, head)]
        ends.append(_run(adapter, prompt, receivers=(edge.receivers, to, fixed))[2])
    return torch.stack(ends)


def _slots(adapter: Adapter, head: int) -> slice:
    return slice(head * adapter.d_head, (head + 1) * adapter.d_head)


def _outputs(adapter: Adapter, tokens: Tensor) -> list[Tensor]:
    return list(_run(adapter, tokens)[0].values())


def _run(
    adapter: Adapter,
    tokens: Tensor,
    *,
    put: Any = None,
    read: str = "q",
    project: Any = None,
    receivers: Any = None,
    stop: int | None = None,
) -> tuple[dict[int, Tensor], dict[int, Tensor], Tensor]:
    """The model with hooks: what W_O reads, what a projection gives, by layer, and the last stream at END."""
    heads: dict[int, Tensor] = {}
    projections: dict[int, Tensor] = {}
    streams: list[Tensor] = []
    handles = []
    for layer, block in enumerate(adapter.model.model.layers):
        attention = block.self_attn

        def before_output(_: Any, args: Any, layer: int = layer) -> Any:
            z = args[0].clone()
            heads[layer] = z.detach().clone()
            if put is not None:
                z = put[layer]
            if receivers is not None and layer in receivers[2]:
                chosen, to, fixed = receivers
                for number, head in chosen:
                    if number == layer:
                        z[:, to, _slots(adapter, head)] = fixed[layer][:, to, _slots(adapter, head)]
            return (z,)

        def after_projection(_: Any, __: Any, out: Tensor, layer: int = layer, name: str = "") -> Any:
            if name == read:
                projections[layer] = out.detach().clone()
            if project is not None and layer in project and project[layer][0] == name:
                out = out.clone()
                out[:, project[layer][1]] = project[layer][2][:, project[layer][1]]
            return out

        handles.append(attention.o_proj.register_forward_pre_hook(before_output))
        for name in ("q", "k", "v"):
            module = getattr(attention, f"{name}_proj")
            handles.append(module.register_forward_hook(lambda m, a, o, f=after_projection, n=name: f(m, a, o, name=n)))
    handles.append(adapter.model.model.norm.register_forward_pre_hook(lambda _, args: streams.append(args[0][0, -1])))
    try:
        with torch.no_grad():
            adapter.model(tokens)
    finally:
        for handle in handles:
            handle.remove()
    return heads, projections, streams[0]


@pytest.mark.parametrize(
    ("senders", "at", "reads", "receivers", "to"),
    [
        (((0, 1), (1, 3)), "END", "q", ((1, 0), (2, 5), (2, 2)), "END"),
        (((0, 4),), "S2", "k", ((1, 2), (2, 1)), "END"),
        (((0, 4), (1, 1)), "S2", "v", ((2, 1),), "END"),
        (((0, 0), (0, 5)), "S1+1", "k", ((1, 4), (2, 0)), "S2"),
        (((0, 2),), "S1+1", "v", ((1, 3),), "S2"),
    ],
)
def test_a_path_is_that_of_three_whole_runs(
    adapter: Adapter, prompts: Prompts, senders: Any, at: Any, reads: Any, receivers: Any, to: Any
) -> None:
    """Oracle: hooks on transformers' own model, one prompt at a time, all positions."""
    edge = Edge(senders=senders, at=at, reads=reads, receivers=receivers, to=to)
    for group in prompts(5, sizes=(5, 3)):
        seen, other = observe(adapter, group.tokens), observe(adapter, group.abc)
        found = patch_path(adapter, group, seen, other, edge)
        torch.testing.assert_close(found, obviously(adapter, group, edge), atol=1e-10, rtol=0)
        assert not torch.allclose(found, seen.out[:, -1], atol=1e-6)


def test_places_are_those_of_each_prompt(prompts: Prompts) -> None:
    """Oracle: the fixture's places: names at 2, 4 and 7 of 11 tokens, the first S at 4 in even prompts."""
    group = prompts(4, sizes=(4,))[0]
    assert place(group, "S1+1").tolist() == [5, 3, 5, 3]
    assert place(group, "S2").tolist() == [7] * 4 and place(group, "END").tolist() == [10] * 4


def test_a_counterpart_that_is_the_prompt_changes_nothing(adapter: Adapter, prompts: Prompts) -> None:
    """Oracle: the run itself."""
    group = prompts(6)[0]
    seen = observe(adapter, group.tokens)
    edge = Edge(senders=((0, 1),), at="S2", reads="v", receivers=((2, 0),), to="END")
    torch.testing.assert_close(patch_path(adapter, group, seen, seen, edge), seen.out[:, -1], atol=1e-10, rtol=0)


def test_heads_kept_give_what_they_do_and_all_others_their_mean(adapter: Adapter, prompts: Prompts) -> None:
    """Oracle: the model's run with every output put in by hand, position by position."""
    group = prompts(7)[0]
    means = template_means(adapter, [group])[0]
    kept = {"S1+1": ((0, 2),), "S2": ((0, 2), (1, 5)), "END": ((2, 0),)}
    spots = {(layer, head): [] for heads in kept.values() for layer, head in heads}
    for at, heads in kept.items():
        for head in heads:
            spots[head].append(place(group, at))
    for i in range(len(group.IO)):
        x = adapter.embed(group.tokens[i : i + 1])

        def put(layer: int, z: Tensor, i: int = i) -> Tensor:
            new = z.clone()
            for t in range(z.shape[1]):
                for head in range(z.shape[2]):
                    if not any(int(where[i]) == t for where in spots.get((layer, head), [])):
                        new[0, t, head] = means.abc[layer, t, head]
            return new

        expected = adapter.run(x, patch=put)[0, -1]
        torch.testing.assert_close(circuit_alone(adapter, group, means, kept)[i], expected, atol=1e-10, rtol=0)


def test_effects_are_those_of_each_template(adapter: Adapter, prompts: Prompts) -> None:
    """Oracle: `patch_path` and `circuit_alone` by hand, and the knockout's run without a knockout."""
    groups = prompts(8)
    means = template_means(adapter, groups)
    edge = Edge(senders=((0, 1),), at="END", reads="q", receivers=((2, 0),), to="END")
    found = patch_paths(adapter, groups, {"edge": edge})
    none = knock_out(adapter, groups, means, {"x": Knockout(heads=((0, 0),))})["none"]
    torch.testing.assert_close(found["none"].difference, none.difference, atol=1e-10, rtol=0)
    alone = keep_only(adapter, groups, means, {"set": {"END": ((2, 0),)}})["set"]
    for effect, ends in (
        (
            found["edge"],
            [patch_path(adapter, g, observe(adapter, g.tokens), observe(adapter, g.abc), edge) for g in groups],
        ),
        (alone, [circuit_alone(adapter, g, m, {"END": ((2, 0),)}) for g, m in zip(groups, means, strict=True)]),
    ):
        differences = []
        for group, end in zip(groups, ends, strict=True):
            logits = adapter.logits(end)
            differences += [logits[i, group.IO[i]] - logits[i, group.S[i]] for i in range(len(group.IO))]
        torch.testing.assert_close(effect.difference, torch.stack(differences), atol=1e-10, rtol=0)


def test_edges_that_make_no_sense_are_refused(adapter: Adapter, prompts: Prompts) -> None:
    """Oracle: the sentences."""
    group = prompts(9)[0]
    seen = observe(adapter, group.tokens)
    with pytest.raises(ValueError, match="from one head or more to one head or more"):
        Edge(senders=(), at="END", reads="q", receivers=((1, 0),), to="END")
    with pytest.raises(ValueError, match="heads that write at END cannot read a q at S2"):
        Edge(senders=((0, 0),), at="S2", reads="q", receivers=((1, 0),), to="END")
    with pytest.raises(ValueError, match="heads that write at END cannot read a v at END"):
        Edge(senders=((0, 0),), at="END", reads="v", receivers=((1, 0),), to="END")
    late = Edge(senders=((1, 0),), at="END", reads="q", receivers=((1, 1),), to="END")
    with pytest.raises(ValueError, match="first sender is in layer 1, and the last receiver in layer 1"):
        patch_path(adapter, group, seen, seen, late)
