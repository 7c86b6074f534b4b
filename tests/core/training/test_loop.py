"""The training loop against update rules written out, and interrupted runs against uninterrupted ones."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor, nn

from mechbook.core.training.loop import TrainingResult, train, use_threads
from mechbook.core.training.settings import TrainingSettings

N, D, T, B = 11, 5, 7, 3
SGD = TrainingSettings(steps=13, batch_size=B, optimizer="sgd", lr=0.3, weight_decay=0.02, loss_on="in_context")
ADAMW = replace(SGD, optimizer="adamw", lr=0.05)


@dataclass(frozen=True)
class Sequences:
    inputs: Tensor
    targets: Tensor
    in_context: Tensor

    @property
    def global_tokens(self) -> Tensor:
        return ~self.in_context


class Tiny(nn.Module):
    """logits = E[z] A^T C^T with E fixed."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.E = nn.Parameter(torch.randn(N, D, generator=g, dtype=torch.float64), requires_grad=False)
        self.A = nn.Parameter(torch.randn(D, D, generator=g, dtype=torch.float64))
        self.C = nn.Parameter(torch.randn(N, D, generator=g, dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        return self.E[z] @ self.A.T @ self.C.T


def draw(generator: Generator, share: float = 0.4) -> Sequences:
    z = torch.randint(N, (B, T + 1), generator=generator)
    return Sequences(z[:, :-1], z[:, 1:], torch.rand(B, T, generator=generator) < share)


def data(seed: int = 5) -> Generator:
    return torch.Generator().manual_seed(seed)


def slopes(
    weights: dict[str, Tensor], fixed: Tensor, batch: Sequences, everywhere: bool
) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of Tiny by the softmax's formula: dL/dlogits = (p - onehot) / n."""
    select = torch.ones_like(batch.in_context) if everywhere else batch.in_context
    x, y = fixed[batch.inputs[select]], batch.targets[select]
    hidden = x @ weights["A"].T
    logits = hidden @ weights["C"].T
    p = torch.exp(logits - logits.logsumexp(1, keepdim=True))
    loss = -p[torch.arange(len(y)), y].log().mean()
    error = (p - nn.functional.one_hot(y, N)) / len(y)
    return float(loss), {"A": (error @ weights["C"]).T @ x, "C": error.T @ hidden}


def written_out(settings: TrainingSettings) -> tuple[dict[str, Tensor], list[float]]:
    """SGD with momentum and AdamW, each as its paper's lines."""
    model, generator = Tiny(), data()
    weights = {"A": model.A.detach().clone(), "C": model.C.detach().clone()}
    memory: dict[str, list[Tensor]] = {}
    count = {"A": 0, "C": 0}
    release = dict(settings.frozen_until)
    losses = []
    for s in range(settings.steps):
        loss, gradients = slopes(weights, model.E, draw(generator), settings.loss_on == "all")
        losses.append(loss)
        gradients = {n: g for n, g in gradients.items() if s >= release.get(n, 0)}
        if settings.clip_norm is not None and gradients:
            norm = math.sqrt(sum(float((g**2).sum()) for g in gradients.values()))
            gradients = {n: g * min(1.0, settings.clip_norm / (norm + 1e-6)) for n, g in gradients.items()}
        lr = settings.lr * min(1.0, (s + 1) / settings.warmup) if settings.warmup else settings.lr
        for n, g in gradients.items():
            count[n] += 1
            if settings.optimizer == "sgd":
                g = g + settings.weight_decay * weights[n]
                memory[n] = [settings.momentum * memory[n][0] + g if n in memory else g]
                weights[n] = weights[n] - lr * memory[n][0]
            else:
                m, v = memory.get(n, [torch.zeros_like(g), torch.zeros_like(g)])
                memory[n] = m, v = [0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2]
                weights[n] = weights[n] * (1 - lr * settings.weight_decay)
                m, v = m / (1 - 0.9 ** count[n]), v / (1 - 0.999 ** count[n])
                weights[n] = weights[n] - lr * m / (v.sqrt() + 1e-8)
    return weights, losses


def fit(settings: TrainingSettings, **arguments: object) -> tuple[Tiny, TrainingResult]:
    model = Tiny()
    arguments.setdefault("probe_steps", range(settings.steps))
    return model, train(model, draw, settings, data(), **arguments)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"momentum": 0.0},
        {"warmup": 5},
        {"clip_norm": 0.1},
        {"loss_on": "all"},
        {"frozen_until": (("A", 6),)},
        {"frozen_until": (("A", 3), ("C", 7)), "warmup": 5, "clip_norm": 0.2},
        {"frozen_until": (("C", 99),)},
    ],
)
@pytest.mark.parametrize("base", [SGD, ADAMW], ids=["sgd", "adamw"])
def test_weights_and_losses_are_those_of_the_update_rules_written_out(base: TrainingSettings, change: dict) -> None:
    settings = replace(base, **change)
    model, run = fit(settings)
    weights, losses = written_out(settings)
    for name in weights:
        torch.testing.assert_close(run.final[name], weights[name], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(torch.tensor(run.values["loss"]), torch.tensor(losses), rtol=1e-10, atol=1e-10)


def test_probes_and_checkpoints_at_step_s_see_the_model_after_s_updates() -> None:
    seen = []
    _, run = fit(
        SGD,
        probes={"corner": lambda m: m.A[0, 0]},
        probe_steps=[0, 4, 13],
        checkpoint_steps=[0, 4, 13],
        callbacks=[lambda step, model, record: seen.append((step, model.A[0, 0].item(), dict(record)))],
    )
    assert run.steps == [0, 4, 13]
    for i, step in enumerate(run.steps):
        expected, _ = written_out(replace(SGD, steps=step))
        torch.testing.assert_close(run.checkpoints[step]["A"], expected["A"], rtol=1e-10, atol=1e-10)
        assert run.values["corner"][i] == float(run.checkpoints[step]["A"][0, 0])
        assert seen[i] == (step, run.values["corner"][i], {name: v[i] for name, v in run.values.items()})
    assert run.checkpoints[0]["E"] is run.checkpoints[13]["E"] is run.final["E"]


@pytest.mark.parametrize("loss_on", ["in_context", "all"])
def test_recorded_means_are_over_the_positions_of_all_batches_since_the_last_probe(loss_on: str) -> None:
    settings = replace(SGD, loss_on=loss_on)
    _, run = fit(settings, probe_steps=[2, 9, 13], checkpoint_steps=range(14))
    generator, bounds = data(), [(0, 2), (3, 9), (10, 13)]
    batches = [draw(generator) for _ in range(14)]
    for i, (first, last) in enumerate(bounds):
        right, in_context, loss, chosen, outside, n_outside = 0, 0, 0.0, 0, 0.0, 0
        for s in range(first, last + 1):
            model = Tiny()
            model.load_state_dict(run.checkpoints[s])
            logp = model(batches[s].inputs).log_softmax(-1).detach()
            for b in range(B):
                for t in range(T):
                    own = -float(logp[b, t, batches[s].targets[b, t]])
                    if batches[s].in_context[b, t]:
                        in_context += 1
                        right += int(logp[b, t].argmax() == batches[s].targets[b, t])
                    else:
                        outside, n_outside = outside + own, n_outside + 1
                    if loss_on == "all" or batches[s].in_context[b, t]:
                        loss, chosen = loss + own, chosen + 1
        assert run.values["accuracy"][i] == pytest.approx(right / in_context, abs=1e-12)
        assert run.values["loss"][i] == pytest.approx(loss / chosen, abs=1e-12)
        if loss_on == "all":
            assert run.values["global_loss"][i] == pytest.approx(outside / n_outside, abs=1e-12)
        else:
            assert "global_loss" not in run.values


@pytest.mark.parametrize("base", [SGD, ADAMW], ids=["sgd", "adamw"])
def test_a_batch_without_in_context_positions_makes_no_update(base: TrainingSettings) -> None:
    shares = iter([0.4, 0.0, 0.4, 0.0])
    run = train(
        Tiny(),
        lambda g: draw(g, share=next(shares)),
        replace(base, steps=4),
        data(),
        probe_steps=range(4),
        checkpoint_steps=range(5),
    )
    assert run.values["loss"][1] == run.values["accuracy"][3] == 0.0
    moved = [not torch.equal(run.checkpoints[s]["A"], run.checkpoints[s + 1]["A"]) for s in range(4)]
    assert moved == [True, False, True, False]


def test_a_frozen_matrix_has_no_gradient_before_its_step_and_every_flag_is_given_back() -> None:
    flags = []
    model, _ = fit(
        replace(SGD, frozen_until=(("A", 6), ("C", 99))),
        callbacks=[lambda step, model, _: flags.append((model.A.requires_grad, model.C.requires_grad))],
    )
    assert flags == [(step >= 6, False) for step in range(13)]
    assert (model.A.requires_grad, model.C.requires_grad, model.E.requires_grad) == (True, True, False)


def test_gradients_left_from_before_move_nothing() -> None:
    model = Tiny()
    model(draw(data()).inputs).sum().backward()
    run = train(model, draw, replace(SGD, frozen_until=(("A", 99),)), data(), probe_steps=[])
    assert torch.equal(run.final["A"], Tiny().A.detach())
    assert torch.equal(run.final["C"], fit(replace(SGD, frozen_until=(("A", 99),)))[1].final["C"])


def test_logits_at_is_asked_for_the_selected_positions_only() -> None:
    masks = []

    def logits_at(model: nn.Module, batch: Sequences, select: Tensor) -> Tensor:
        masks.append(bool((select == batch.in_context).all()))
        return model(batch.inputs[select])

    _, run = fit(SGD, logits_at=logits_at)
    _, plain = fit(SGD)
    assert masks == [True] * 13
    torch.testing.assert_close(run.final["A"], plain.final["A"], rtol=1e-12, atol=1e-12)


def test_losses_at_gives_what_is_minimised_and_what_is_counted() -> None:
    """Oracle: the run by logits, bit for bit, where they are the same; half of each loss halves a plain step's move."""

    def losses_at(model: nn.Module, batch: Sequences, select: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(batch.inputs)[select]
        return nn.functional.cross_entropy(logits, batch.targets[select], reduction="none"), logits.detach()

    assert identical(fit(SGD, losses_at=losses_at)[1], fit(SGD)[1])

    def half(model: nn.Module, batch: Sequences, select: Tensor) -> tuple[Tensor, Tensor]:
        losses, logits = losses_at(model, batch, select)
        return losses / 2, logits

    one = replace(SGD, steps=1, weight_decay=0.0)
    start, whole, halved = Tiny().A.detach(), fit(one)[1].final["A"], fit(one, losses_at=half)[1].final["A"]
    assert float((whole - start).abs().max()) > 0
    torch.testing.assert_close(2 * (halved - start), whole - start, rtol=1e-10, atol=1e-12)


def identical(a: TrainingResult, b: TrainingResult) -> bool:
    def same(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> bool:
        return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)

    return (
        a.steps == b.steps
        and a.values == b.values
        and a.checkpoints.keys() == b.checkpoints.keys()
        and all(same(a.checkpoints[s], b.checkpoints[s]) for s in a.checkpoints)
        and same(a.final, b.final)
    )


class Stop(Exception):
    pass


def stop_at(when: int) -> Callable[[int, nn.Module, Mapping[str, float]], None]:
    def callback(step: int, model: nn.Module, record: Mapping[str, float]) -> None:
        if step == when:
            raise Stop

    return callback


@pytest.mark.parametrize("frozen_until", [(), (("A", 3),), (("A", 8),), (("A", 3), ("C", 8))])
@pytest.mark.parametrize("base", [SGD, replace(SGD, momentum=0.0), ADAMW], ids=["sgd", "plain", "adamw"])
def test_interrupted_equals_uninterrupted_bit_for_bit(
    base: TrainingSettings, frozen_until: tuple, tmp_path: Path
) -> None:
    settings = replace(base, frozen_until=frozen_until, warmup=10, loss_on="all")
    # 5 falls inside a window of averages, and checkpoint 2 before the interruption
    arguments: dict = {
        "probes": {"corner": lambda m: m.A[0, 0]},
        "probe_steps": [0, 3, 7, 13],
        "checkpoint_steps": [2, 7, 11],
        "state_path": tmp_path / "state",
        "state_every": 5,
    }
    with pytest.raises(Stop):
        fit(settings, **arguments, callbacks=[stop_at(7)])
    again: list[int] = []
    _, resumed = fit(settings, **arguments, callbacks=[lambda step, *_: again.append(step)])
    assert again == [7, 13], "it did not start from the state of step 5"
    del arguments["state_path"]
    assert identical(resumed, fit(settings, **arguments)[1])


def test_a_state_of_another_run_or_a_damaged_one_starts_over_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "state"
    plain = fit(SGD)[1]
    for other in (replace(SGD, lr=0.31), replace(SGD, steps=12)):
        fit(other, state_path=path, state_every=4)
        with pytest.warns(RuntimeWarning, match="belongs to another run"):
            assert identical(fit(SGD, state_path=path, state_every=4)[1], plain)
        path.unlink()
    fit(SGD, state_path=path, state_every=4)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    for damaged in (bytes(content), bytes(content[:100]), b""):
        path.write_bytes(damaged)
        with pytest.warns(RuntimeWarning, match="starts over"):
            assert identical(fit(SGD, state_path=path, state_every=99)[1], plain)


def test_a_state_that_cannot_be_written_is_warned_of_and_the_training_goes_on(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="goes on without its state"):
        _, run = fit(SGD, state_path=tmp_path / "absent" / "state", state_every=4)
    assert identical(run, fit(SGD)[1])


@pytest.mark.parametrize("probe_steps", [[], [0]])
def test_a_loss_that_is_not_finite_stops_at_its_step(probe_steps: list[int]) -> None:
    calls = iter(range(99))

    def broken(model: nn.Module, batch: Sequences, select: Tensor) -> Tensor:
        logits = model(batch.inputs)[select]
        return logits * math.nan if next(calls) == 5 else logits

    with pytest.raises(FloatingPointError, match=r"^The loss is nan at step 5 with learning rate 0\.18: .*\.$") as stop:
        fit(replace(SGD, warmup=10), logits_at=broken, probe_steps=probe_steps)
    assert "\n" not in str(stop.value)


def test_nothing_is_read_from_the_device_but_one_loss_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    for name in ("item", "__float__", "__int__", "__bool__", "tolist"):
        original = getattr(Tensor, name)
        monkeypatch.setattr(Tensor, name, lambda self, o=original, n=name: reads.append(n) or o(self))
    fit(replace(SGD, momentum=0.0), probe_steps=[])
    assert reads == ["__float__"] * 13


@pytest.mark.parametrize(
    "change",
    [
        {"steps": -1},
        {"batch_size": 0},
        {"optimizer": "adam"},
        {"lr": 0.0},
        {"lr": math.inf},
        {"lr": math.nan},
        {"momentum": 1.0},
        {"weight_decay": -1e-4},
        {"warmup": -1},
        {"clip_norm": 0.0},
        {"loss_on": "trigger"},
        {"frozen_until": (("A", 1), ("A", 2))},
        {"frozen_until": (("A", -1),)},
    ],
)
def test_impossible_settings_are_refused_by_name_and_value(change: dict) -> None:
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=rf"^{name} is .*; it must be .*\.$") as caught:
        replace(SGD, **change)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({"frozen_until": (("E", 3),)}, {}, "frozen_until names 'E'; it must name one of A, C."),
        ({}, {"probe_steps": [3, 14]}, "Step 14 is asked for; the steps of this run are 0 to 13."),
        ({}, {"checkpoint_steps": [-1]}, "Step -1 is asked for; the steps of this run are 0 to 13."),
        ({}, {"probes": {"loss": lambda m: 0.0}}, "A probe is named 'loss'; the loop itself records that name."),
        ({}, {"state_every": 0}, "state_every is 0; it must be 1 or more, or None."),
    ],
)
def test_names_and_steps_that_do_not_exist_are_refused(change: dict, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        fit(replace(SGD, **change), **arguments)
    assert str(caught.value) == message


def test_the_number_of_threads_is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        monkeypatch.setenv("MECHBOOK_THREADS", "3")
        fit(SGD)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    for bad in ("0", "two", "-1"):
        monkeypatch.setenv("MECHBOOK_THREADS", bad)
        with pytest.raises(ValueError, match=rf"^MECHBOOK_THREADS is '{bad}'; it must be a whole number, 1 or more\.$"):
            use_threads()
