"""What holds of widget 5a in a browser: bars, sentence and presets are what was measured."""

import re
from typing import Any

from mechbook.laser.shown import Shown
from tests.browser.checks import CLOSE, settle, widget

THE = " the"
SIGNS = {"\n": "↵", " ": "␣", "\t": "⇥", "\xa0": "(nbsp)"}
Bar = tuple[str, float, str, str]

# Label, value, role by the colour, and mark of each bar, panel by panel.
BARS = """(name) => {
  const colour = (value) => Object.assign(document.createElement("i").style, { background: value }).background;
  const role = (bar) => ["correct", "noise"].find((one) => colour(mechbook.roles[one].colour) === bar.style.background);
  return [...document.querySelectorAll(`[data-widget="${name}"] .mb-bars`)].map((panel) =>
    [...panel.querySelectorAll("li")].map((bar) => [
      bar.querySelector(".mb-token").textContent, Number(bar.querySelector(".mb-readout").dataset.value),
      role(bar.querySelector(".mb-fill")) ?? "", bar.querySelector(".mb-mark").textContent,
    ]));
}"""


def visible(word: str) -> str:
    """A token with its spaces and line breaks to be seen."""
    return "".join(SIGNS.get(c, c) for c in word) or "(empty)"


def rates(shown: Shown, matrix: str) -> list[float]:
    """The rates at which a matrix was cut."""
    return list(dict.fromkeys(rho for _, name, rho in shown.places if name == matrix))


def expected_bars(shown: Shown, row: int, prompt: int) -> list[Bar]:
    """The bars of a panel: the most probable tokens, then the answer and, unless it is right, “the” where missing."""
    answer, count = shown.answers[prompt], shown.top.shape[2]
    watched = {shown.words[answer]: (float(shown.p_answer[row, prompt]), "correct", "answer")}
    if shown.tasks[prompt] != "ordinary":
        watched.setdefault(THE, (float(shown.p_the[row, prompt]), "noise", "“the”"))
    words = [shown.words[token] for token in shown.top[row, prompt].tolist()]
    bars = [
        (visible(word), *watched.get(word, (p, "", "")))
        for word, p in zip(words, shown.p_top[row, prompt].tolist(), strict=True)
    ]
    low = sorted((item for item in watched.items() if item[0] not in words), key=lambda item: -item[1][0])
    return bars + [(visible(word), p, role, f"{mark}, rank > {count}") for word, (p, role, mark) in low]


def state_of(page: Any, name: str) -> tuple[int, str, int, float]:
    """Prompt and block, both from 1, matrix and rho that the widget says it shows."""
    settle(page)
    found = [widget(page, name).get_attribute(f"data-{key}") for key in ("prompt", "matrix", "block", "rho")]
    return int(found[0]), found[1], int(found[2]), float(found[3])


def wrong_tokens(page: Any, name: str, shown: Shown) -> list[str]:
    """Where bars, sentence or controls differ from what was measured in the state that the widget shows."""
    state = prompt, matrix, block, rho = state_of(page, name)
    k, row = prompt - 1, 1 + shown.places.index((block - 1, matrix, rho))
    wrong = []
    panels = page.evaluate(BARS, name)
    for panel, at in zip(panels, (0, row), strict=True):
        expected = expected_bars(shown, at, k)
        same = [(bar[0], *bar[2:]) for bar in panel] == [(bar[0], *bar[2:]) for bar in expected]
        if not same or any(abs(a[1] - b[1]) > CLOSE for a, b in zip(panel, expected, strict=True)):
            wrong.append(f"{state}, row {at}: the bars are {panel}, not {expected}")
    return wrong + _wrong_words(page, name, shown, row, k) + _wrong_controls(page, name, shown)


def _wrong_words(page: Any, name: str, shown: Shown, row: int, k: int) -> list[str]:
    """Where the sentence names another truncation, other numbers (two digits), or another direction."""
    said = widget(page, name).locator(".mb-says").text_content()
    layer, matrix, rho = shown.places[row - 1]
    wrong = []
    if not said.startswith(f"{shown.texts[k]}: LASER at block {layer + 1}, {matrix}, ρ = {rho:g} takes "):
        wrong.append(f"another prompt or place than {(k, layer + 1, matrix, rho)} is named: {said}")
    the, answer = ([float(p[at, k]) for at in (0, row)] for p in (shown.p_the, shown.p_answer))
    ratio = [a / t for a, t in zip(answer, the, strict=True)]
    plain, gain = shown.tasks[k] == "ordinary", ratio[1] / ratio[0]
    stays = abs(gain - 1) < 0.005
    pairs = [answer] if plain else [the, answer] if stays else [the, answer, ratio]
    found = re.findall(r"from ([\d.e+-]+) to ([\d.e+-]*\d)", said)
    if len(found) != len(pairs):
        wrong.append(f"{len(pairs)} changes are to be named: {said}")
    for numbers, expected in zip(found, pairs, strict=False):
        if any(abs(float(a) / b - 1) > 0.051 for a, b in zip(numbers, expected, strict=True)):
            wrong.append(f"a change is {expected} and not {numbers}: {said}")
    way = "" if plain else "the ratio stays" if stays else "the ratio rises" if gain > 1 else "the ratio falls"
    if way not in said or plain != ("which is right here" in said):
        wrong.append(f"the ratio changes {gain} times: {said}")
    first = [shown.words[int(shown.top[at, k, 0])] for at in (0, row)]
    if ("The likeliest token stays" in said) != (first[0] == first[1]):
        wrong.append(f"the likeliest tokens are {first}: {said}")
    if abs(float(widget(page, name).get_attribute("data-gain")) / gain - 1) > 1e-4:
        wrong.append(f"the gain is not {gain}")
    return wrong


def _wrong_controls(page: Any, name: str, shown: Shown) -> list[str]:
    """Where a control shows another value than the widget, or offers other rates than the matrix was cut at."""
    state, found = state_of(page, name), widget(page, name)
    prompt, matrix, rho = (found.get_by_label(label, exact=True) for label in ("Prompt", "Matrix", "ρ"))
    block = found.get_by_label("Block, counted from 1")
    now = (prompt.input_value(), matrix.input_value(), str(int(block.input_value()) + 1), rho.input_value())
    offered = [float(text) for text in rho.locator("option").all_text_contents()]
    wrong = (
        []
        if now == tuple(f"{value}" if isinstance(value, str) else f"{value:g}" for value in state)
        else [f"the controls show {now}, the widget {state}"]
    )
    return wrong if offered == rates(shown, state[1]) else [*wrong, f"{offered} are offered for {state[1]}"]


def best_place(shown: Shown, task: str) -> tuple[str, int, float]:
    """Matrix, block from 1 and rho of the largest ratio of means, mean P(answer) not lowered where that is possible."""
    own = [k for k, of in enumerate(shown.tasks) if of == task]

    def mean(p: Any, row: int) -> float:
        return sum(float(p[row, k]) for k in own) / len(own)

    rows = range(1, len(shown.places) + 1)
    kept = [row for row in rows if mean(shown.p_answer, row) >= mean(shown.p_answer, 0)] or list(rows)
    top = max(kept, key=lambda row: mean(shown.p_answer, row) / mean(shown.p_the, row))
    layer, matrix, rho = shown.places[top - 1]
    return matrix, layer + 1, rho


def exercise_laser_tokens(page: Any, name: str, shown: Shown) -> list[str]:
    """Select every prompt with every matrix and rate, move the block over all there are, and press the presets."""
    found, wrong, turn = widget(page, name), [], 0
    blocks = 1 + max(layer for layer, _, _ in shown.places)
    for prompt in range(1, len(shown.texts) + 1):
        found.get_by_label("Prompt").select_option(str(prompt))
        for matrix in dict.fromkeys(matrix for _, matrix, _ in shown.places):
            before = state_of(page, name)[3]
            found.get_by_label("Matrix").select_option(matrix)
            nearest = min(rates(shown, matrix), key=lambda rho: abs(rho - before))
            if state_of(page, name)[3] != nearest:
                wrong.append(f"{matrix} comes with another rate than {nearest}, which is nearest to {before}")
            for rho in rates(shown, matrix):
                found.get_by_label("ρ", exact=True).select_option(f"{rho:g}")
                found.get_by_label("Block, counted from 1").fill(str(turn % blocks))
                wrong += wrong_tokens(page, name, shown)
                if (state := state_of(page, name)) != (expected := (prompt, matrix, turn % blocks + 1, rho)):
                    wrong.append(f"{state} is shown, not {expected}")
                turn += 1
    return wrong + _wrong_presets(page, name, shown)


def _wrong_presets(page: Any, name: str, shown: Shown) -> list[str]:
    """Where a preset leads elsewhere than it says, or does not show that it is on."""
    found, wrong = widget(page, name), []
    blocks = 1 + max(layer for layer, _, _ in shown.places)
    ordinary = [k for k, task in enumerate(shown.tasks) if task == "ordinary"]
    cost = next((k for k in ordinary if shown.words[shown.answers[k]] == THE), *ordinary[:1])
    for task, words in (("facts", "Best for cities"), ("ioi", "Best for names")):
        own = [k for k, of in enumerate(shown.tasks) if of == task]
        matrix, block, rho = best_place(shown, task)
        best = (matrix, block, rho)
        # what it costs is asked of the first task's edit, whatever was pressed before
        steps = (
            (words, own[-1], best),
            ("An early block", own[-1], (matrix, max(1, round(blocks / 10)), rho)),
            (words, own[-1], best),
            ("What it costs", cost, best_place(shown, next(t for t in ("facts", "ioi") if t in shown.tasks))),
            (words, own[0], best),
        )
        found.get_by_label("Prompt").select_option(str(own[-1] + 1))
        for button, prompt, place in steps:
            found.get_by_role("button", name=button).click()
            if (state := state_of(page, name)) != (expected := (prompt + 1, *place)):
                wrong.append(f"{button}: {state}, not {expected}")
            if found.get_by_role("button", name=button).get_attribute("aria-pressed") != "true":
                wrong.append(f"{button} is pressed and does not show it")
            wrong += wrong_tokens(page, name, shown)
        found.get_by_label("Block, counted from 1").fill(str(blocks // 2))
        if state_of(page, name)[2] != block and found.locator('[aria-pressed="true"]').count():
            wrong.append("a preset is on where its truncation is not")
    return wrong
