"""What holds of the widgets that train: each shows the run that the page's engine makes without a widget."""

from typing import Any

from tests.browser import checks

# The run of the widget's first model by itself, with what the widget shows of it.
ALONE = """([steps, change]) => {
  const { code, runOf } = mechbook.training, uniform = Array(16).fill(1 / 16);
  const run = runOf(code(), {
    N: 16, T: 32, d: 64, B: 32, K: 2, pi_u: uniform, pi_b: Array(16).fill(uniform), triggers: null, optimizer: "sgd",
    lr: 0.01, momentum: 0.9, decay: 1e-4, seed: 0, frozen: [], every: 10, steps: 900, ...change,
  });
  for (let i = 0; i < steps; i++) run.advance();
  const maps = run.model.maps(), corner = (map, n) => map[(n - 1) * n];
  return {
    step: run.step, points: run.latest() ? [...run.points, run.latest()] : run.points,
    corners: [corner(maps.W_O2, 16), corner(maps.W_K2, 16), corner(maps.W_K1, 32)],
  };
}"""


def set_up(shown: Any, **how: str) -> None:
    """Choose in the widget by label."""
    for label, value in how.items():
        control = shown.get_by_label(label.replace("_", " "), exact=True)
        control.select_option(value) if control.evaluate("(e) => e.tagName") == "SELECT" else control.fill(value)


def press(shown: Any, name: str) -> None:
    shown.get_by_role("button", name=name, exact=True).click()


def until(shown: Any, condition: str) -> None:
    """Wait until the widget's data fulfil a condition on `d`."""
    shown.page.wait_for_function(
        f"(name) => {{ const d = document.querySelector(`[data-widget='${{name}}']`).dataset; return {condition}; }}",
        arg=shown.get_attribute("data-widget"),
        timeout=120_000,
    )


def says(shown: Any, words: str) -> str:
    """What the widget says once that has `words` in it: each sentence stays for two seconds before the next."""
    line = shown.locator(".mb-says", has_text=words)
    line.wait_for(timeout=60_000)
    found: str = line.text_content()
    return found


def play_to_the_end(shown: Any) -> None:
    set_up(shown, Speed="fast")
    press(shown, "Play")
    until(shown, "d.done === 'true'")


def seen(shown: Any) -> dict[str, Any]:
    """The step, the last values of the curves, and the lower left corner of each memory's map."""
    numbers = {
        line.get_attribute("data-series"): float(line.get_attribute("data-value") or "nan")
        for line in shown.locator("[data-series]").all()
    }
    cells = shown.locator(".mb-cell")
    corners = [float(cells.nth(index).get_attribute("data-value")) for index in (2, 3, 4)]
    return {"step": int(shown.get_attribute("data-step")), "numbers": numbers, "corners": corners}


def same(found: dict[str, Any], alone: dict[str, Any]) -> bool:
    last = alone["points"][-1]
    expected = [last["W_O2"], last["W_K2"], last["W_K1"], last["accuracy"]]
    return (found["step"], list(found["numbers"].values()), found["corners"]) == (
        alone["step"],
        expected,
        alone["corners"],
    )


def exercise_birth(page: Any, name: str) -> list[str]:
    """Press the landing page's one button and wait; say where the end is another than without the widget."""
    shown = checks.widget(page, name)
    press(shown, "Train it now")
    until(shown, "d.done === 'true'")
    last = page.evaluate(ALONE, [750, {"steps": 750}])["points"][-1]
    found = [float(line.get_attribute("data-value")) for line in shown.locator("[data-series]").all()]
    wrong = [] if found == [last[key] for key in ("W_O2", "W_K2", "W_K1", "accuracy")] else [f"{name} ends at {found}"]
    # the sentence before is left there long enough to be read
    shown.locator(".mb-says", has_text="Trained: after 750 steps").wait_for(timeout=10_000)
    shown.get_by_role("button", name="Watch it slowly").wait_for()
    return wrong


def exercise_trainer(page: Any, name: str) -> list[str]:
    """Make steps with every setting that starts anew; say where the run is another than without the widget."""
    shown, wrong = checks.widget(page, name), []
    until(shown, "d.step === '0'")
    shown.get_by_label("W_K1", exact=True).check()
    set_up(shown, Seed="2", Triggers="fixed", Learning_rate="5")
    until(shown, "d.step === '0'")
    for count in (1, 2):
        press(shown, "One step")
        until(shown, f"d.step === '{count}'")
    change = {"frozen": ["W_K1"], "seed": 2, "triggers": [0, 1], "lr": 0.03}
    if not same(seen(shown), page.evaluate(ALONE, [2, change])):
        wrong.append(f"{name} shows {seen(shown)}")
    set_up(shown, Model="shakespeare")
    until(shown, "d.step === '0'")
    press(shown, "One step")
    until(shown, "d.step === '1'")
    shown.get_by_label("The model reads").fill("abcab")
    checks.settle(page)
    shares = [float(bar.get_attribute("data-value")) for bar in shown.locator(".mb-bars .mb-readout").all()]
    if not (len(shares) == 5 and 0 < sum(shares) <= 1 and shares == sorted(shares, reverse=True)):
        wrong.append(f"{name} predicts with {shares}")
    return wrong


# The run of widget 6c by itself: the probabilities of all answers to a question.
ANSWERS = """([run, steps, s, r]) => {
  const alone = mechbook.training.factsOf(mechbook.training.code(), run), A = run.R * run.D;
  for (let i = 0; i < steps; i++) alone.advance();
  return Array.from(alone.seen({ r }).p.subarray(s * A, (s + 1) * A));
}"""


def exercise_learning(page: Any, name: str, run: dict[str, Any] | None = None) -> list[str]:
    """Make steps and ask; say where an answer is another than without the widget (given the `run` that it makes)."""
    shown, wrong = checks.widget(page, name), []
    until(shown, "d.step === '0'")
    set_up(shown, Seed="3", Learning_rate="4")
    until(shown, "d.step === '0'")
    for count in (1, 2, 3):
        press(shown, "One step")
        until(shown, f"d.step === '{count}'")
    # at first everybody gets the same answers; who is asked about shows at the end
    for steps in (3,) if run is None else (3, run["steps"]):
        if steps > 3:
            press(shown, "Play")
            until(shown, "d.done === 'true'")
        for s, r in ((0, 0), (5, 2), (15, 3)):
            set_up(shown, Ask_about=str(s), Question=str(r))
            checks.settle(page)
            page.wait_for_timeout(100)
            found = [float(bar.get_attribute("data-value")) for bar in shown.locator(".mb-bars .mb-readout").all()]
            if abs(sum(found) - 1) > 1e-5:
                wrong.append(f"{name} has answers with probability {sum(found)}")
            if run is not None:
                expected = page.evaluate(ANSWERS, [{**run, "seed": 3, "lr": 0.5}, steps, s, r])[r * 8 : r * 8 + 8]
                if found[:8] != expected:
                    wrong.append(f"{name} answers {found[:8]} to ({s}, {r}) at {steps}, the run {expected}")
    if shown.locator(".mb-people li").count() != 16:
        wrong.append(f"{name} has not everybody's answer")
    return wrong


# The run of widget 4c by itself: its last probe, and the noise's probability at the end of a sequence.
NOISY = """([steps, change, sequence, drop]) => {
  const even = Array(16).fill(1 / 16), run = mechbook.training.noisyOf(mechbook.training.code(), {
    N: 16, T: 32, d: 64, B: 32, K: 1, triggers: [0], pi_u: even, pi_b: Array(16).fill(even), alpha: 0.5, lr: 0.03,
    momentum: 0.9, decay: 1e-4, seed: 0, every: 20, steps: 1200, ...change,
  });
  for (let i = 0; i < steps; i++) run.advance();
  run.change({ drop });
  const { logits } = run.seen(sequence).look;
  const last = mechbook.engine.softmax(logits, logits.length - 17, 17);
  return { point: run.latest() ?? run.points.at(-1), points: run.points, noise: last[16] };
}"""


def noisy_probabilities(shown: Any) -> list[float]:
    """P(right output), P(noise) as the chart's legend has them, and P(noise) after the reader's sequence."""
    numbers = [float(line.get_attribute("data-value")) for line in shown.locator("[data-series]").all()]
    return [*numbers, float(shown.get_attribute("data-noise"))]


def exercise_recall(page: Any, name: str) -> list[str]:
    """Make steps, drop F_2 and put it back; say where a probability is another than without the widget."""
    shown, wrong = checks.widget(page, name), []
    until(shown, "d.step === '0'")
    set_up(shown, Seed="2", Probability_α_of_noise="2")
    until(shown, "d.step === '0'")
    shown.get_by_label("The model reads").fill("abcaτda")
    for count in (1, 2):
        press(shown, "One step")
        until(shown, f"d.step === '{count}'")
    for drop, tail in ((True, " cut"), (False, "")):
        shown.get_by_label("drop F_2").set_checked(drop)
        until(shown, f"d.dropped === '{str(drop).lower()}'")
        page.wait_for_timeout(100)
        change, sequence = {"seed": 2, "alpha": 0.3}, [0, 1, 2, 0, 16, 3, 0]
        alone = page.evaluate(NOISY, [2, change, sequence, drop])
        expected = [alone["point"][f"correct{tail}"], alone["point"][f"noise{tail}"], alone["noise"]]
        if noisy_probabilities(shown) != expected:
            wrong.append(f"{name} shows {noisy_probabilities(shown)}, the run has {expected}")
    return wrong


# The run of widget 2b by itself.
STEPS = """([steps, change]) => {
  const run = mechbook.training.memoryRunOf(mechbook.training.code(), {
    N: 32, d: 32, a: 1, way: "gradient", lr: 20, seed: 0, every: 1, steps: 60, ...change,
  });
  for (let i = 0; i < steps; i++) run.advance();
  return { points: run.latest() ? [...run.points, run.latest()] : run.points, table: Array.from(run.seen().table) };
}"""


def exercise_steps(page: Any, name: str) -> list[str]:
    """Take steps both ways; say where a logit or a share is another than without the widget."""
    shown, wrong = checks.widget(page, name), []
    until(shown, "d.step === '0'")
    set_up(shown, Dimension_d="2", Exponent_a="3", Seed="1")
    for way, lr in (("gradient", 20), ("polar", 1)):
        set_up(shown, A_step_goes_along=way)
        until(shown, "d.step === '0'")
        for count in (1, 2, 3):
            press(shown, "One step")
            until(shown, f"d.step === '{count}'")
        alone = page.evaluate(STEPS, [3, {"d": 16, "a": 1.5, "seed": 1, "way": way, "lr": lr}])
        last = alone["points"][-1]
        found = [float(line.get_attribute("data-value")) for line in shown.locator("[data-series]").all()]
        cell = shown.locator(".mb-cell")
        row, column = (int(cell.get_attribute(f"data-{axis}")) for axis in ("row", "column"))
        logit = float(cell.get_attribute("data-value"))
        if found != [last["stored"], last["answered"]] or logit != alone["table"][row * 32 + column]:
            wrong.append(f"{name}, {way}: {found} and {logit}, the run has {last}")
    return wrong
