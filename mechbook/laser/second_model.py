"""Chapter 5's study and controls on a second pretrained model, once: Gemma 3 270M, a base model of another family.

`make second-model` runs this file. Its numbers are kept in `results/second_model` and shown beside SmolLM2's; no build
computes them. Prompts, rates, halves and draws are the chapter's at the laptop's size, so the same sentences are asked:
all their countries, names, places and things are one token of both models. Steps are kept in the cache, one a matrix
of the map and one a part of the closer look, so a run that was interrupted goes on.

Fixed before anything was measured: the criteria are those of the claims `laser.*`, unchanged. For what has no claim,
the tail counts as bias-like where for both tasks the smallest hundredth of the directions has at least `TAIL_TIMES` its
even share of the squared length of what the chosen matrix reads at END, and at least `TAIL_CONSTANT` of that part is
the same vector in every prompt.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

# registers the criteria
import mechbook.laser.claims  # noqa: F401
from mechbook.claims.criteria import CRITERIA
from mechbook.core import settings
from mechbook.core.training.loop import use_threads
from mechbook.laser.closer import closer_settings
from mechbook.laser.compared import numbers
from mechbook.laser.presets import LAPTOP, LaserPreset
from mechbook.laser.second_record import MODEL, PLACE, read, write
from mechbook.laser.study import TASKS, study_settings
from mechbook.pretrained.adapter import Matrix
from mechbook.pretrained.folders import locate
from mechbook.pretrained.gguf import read_steps
from mechbook.pretrained.load import LanguageModel, load
from mechbook.pretrained.packages import GEMMA_TERMS
from mechbook.records import code, machine

MODULES = ("mechbook.laser.study", "mechbook.laser.closer", "mechbook.laser.compared")
TAIL_TIMES, TAIL_CONSTANT = 10.0, 0.9
# One association added to an MLP's output: Gemma normalises that output before it is added, so it would be another one.
WITHOUT = ("rewritten",)


def main() -> int:
    """Run what was not run before and keep the record; what cannot be done is one sentence and status 1."""
    print(f"{MODEL}: the use of these weights is subject to {GEMMA_TERMS}.", flush=True)
    try:
        if settings.seed() != 0:
            raise ValueError(f"MECHBOOK_SEED is {settings.seed()}; the record is of seed 0, as SmolLM2's numbers.")
        if (kept := read()) is not None and kept["code"] == code.of_run(MODULES):
            print(f"It was run on {kept['machine']['date']} with this code; remove {PLACE.name} to run it again.")
            return 0
        use_threads()
        model = load(MODEL)
        write(run(model, LAPTOP, steps_of(locate(MODEL, None, network=False))))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Kept in {PLACE.parent.name}/{PLACE.name}: the next make book shows it.")
    return 0


def run(model: LanguageModel, setup: LaserPreset, steps: Callable[[Matrix], Tensor]) -> dict[str, Any]:
    """The record's content, from the cache what was computed before; `steps` as `quantisation.noised` takes them.

    settings: the study's, the closer look's and MECHBOOK_SEED; modules, code: as in a run's record
    numbers: as `compared.numbers`; checks: those of each claim's criterion, and of the tail ("bias-like tail")
    """
    began = time.perf_counter()
    how = study_settings(setup)
    study = how.run(model)
    print(f"The study took {study.seconds:.0f} s.", flush=True)
    look = closer_settings(setup, study.chosen)
    closer = look.run(model, without=WITHOUT, steps_of=steps)
    print(f"The closer look took {closer.seconds:.0f} s.", flush=True)
    found = numbers(model, study, closer, look.per_template, setup.closer.prompts)
    print(f"All of it took {time.perf_counter() - began:.0f} s this time.", flush=True)
    return {
        "model": model.name,
        "fingerprint": model.fingerprint,
        "start": [model.text(token) for token in model.start],
        "settings": {"seed": settings.seed(), "study": asdict(how), "closer": asdict(look.look), "without": WITHOUT},
        "modules": list(MODULES),
        "code": code.of_run(MODULES),
        "machine": asdict(machine.here()),
        "seconds": round(study.seconds + closer.seconds),
        "numbers": found,
        "checks": checks(found),
    }


def checks(found: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """By claim what its criterion checks, on a model's numbers; last the tail's."""
    judged = {
        id: [check.as_dict() for check in CRITERIA[id](id, [values], "laptop")]
        for id, values in found["values"].items()
    }
    judged["bias-like tail"] = [
        {"label": f"{task}_{name}", "value": found["tail"][task][name], "op": ">=", "bar": bar, "spread": None}
        | {"ok": found["tail"][task][name] >= bar}
        for task in TASKS
        for name, bar in (("times", TAIL_TIMES), ("constant", TAIL_CONSTANT))
    ]
    return judged


def steps_of(file: Path) -> Callable[[Matrix], Tensor]:
    """How far apart the values of a matrix's entries lie in the GGUF file that the model was read from."""
    steps = read_steps(file)
    return lambda matrix: steps[f"model.layers.{matrix.layer}.{matrix.own_name}.weight"]


if __name__ == "__main__":
    sys.exit(main())
