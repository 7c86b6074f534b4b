"""A run that stands between two probes is shown as it is. Oracle: the same run, probed at every step."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.browser import library_page

# Points of one run by their step, and what it says of itself after so many steps, where it is probed rarely.
SCRIPT = """([kind, settings, steps]) => {
  const run = (every) => mechbook.training[kind](mechbook.training.code(), { ...settings, every });
  const often = run(1), rarely = run(10);
  const all = [];
  for (let i = 0; i <= steps; i++) {
    all.push(rarely.latest());
    often.advance();
    rarely.advance();
  }
  return { often: often.points.slice(0, steps + 1), latest: all, kept: rarely.points };
}"""
EVEN = [1 / 16] * 16
LETTERS = {
    "N": 16, "T": 32, "d": 64, "B": 32, "pi_u": EVEN, "pi_b": [EVEN] * 16, "momentum": 0.9, "decay": 1e-4, "seed": 3,
    "steps": 100, "optimizer": "sgd", "frozen": [],
}  # fmt: skip
RUNS = {
    "memoryRunOf": {"N": 32, "d": 16, "a": 1, "way": "gradient", "lr": 20, "seed": 3, "steps": 60},
    "runOf": {**LETTERS, "K": 2, "triggers": None, "lr": 0.1},
    "noisyOf": {**LETTERS, "K": 1, "triggers": [0], "alpha": 0.5, "lr": 0.1},
}
# what a point has of batches, and so of the stretch since the last probe
OF_BATCHES = ("loss", "accuracy")


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    with library_page(browser) as found:
        yield found


@pytest.mark.parametrize("kind", RUNS)
def test_between_probes_a_run_tells_what_it_is_now(page: Any, kind: str) -> None:
    found = page.evaluate(SCRIPT, [kind, RUNS[kind], 23])
    assert [point["step"] for point in found["kept"]] == [0, 10, 20]
    for step, (latest, point) in enumerate(zip(found["latest"], found["often"], strict=True)):
        # before its first step a run has no probe yet; at step 10 the probe is made with the next update
        assert (latest is None) == (step == 0)
        if latest is None:
            continue
        assert latest["step"] == point["step"] == step
        for key in latest.keys() - {"step", "due", *OF_BATCHES}:
            assert latest[key] == point[key], (step, key)
    moved = {key for key in found["often"][0] if len({point[key] for point in found["often"]}) > 2}
    assert moved - {"step", *OF_BATCHES}
    # of batches: those of the last stretch, never of the two or three since; and only a probe's step dates anything
    for latest in found["latest"][11:20]:
        assert {key: latest[key] for key in OF_BATCHES} == {key: found["kept"][1][key] for key in OF_BATCHES}
    assert [latest["step"] for latest in found["latest"][1:] if latest["due"]] == [10, 20]


def test_where_a_pages_rules_forbid_to_compile_the_plain_kernels_run(page: Any) -> None:
    """Oracle: the run with the plain kernels from the start."""
    plain, forbidden = page.evaluate(
        """(settings) => {
          const run = (code) => mechbook.training.memoryRunOf(code, settings), code = mechbook.training.code();
          const plain = run(null), Module = WebAssembly.Module;
          WebAssembly.Module = class { constructor() { throw new WebAssembly.CompileError("Refused by the policy"); } };
          const forbidden = run(code);
          WebAssembly.Module = Module;
          return [plain, forbidden].map((one) => {
            for (let i = 0; i < 5; i++) one.advance();
            return { vectors: one.vectors, points: one.points };
          });
        }""",
        {**RUNS["memoryRunOf"], "every": 1},
    )
    assert forbidden == plain and plain["vectors"] is False
