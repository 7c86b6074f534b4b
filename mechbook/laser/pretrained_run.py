"""The paper's own models: Chen et al.'s Table 1 and Figure 2 on Pythia-1B and Figure 1 on GPT-2, where weights are.

`make pythia MODEL=pythia-1b` runs this file: it may ask the network, and keeps the numbers in `pretrained_results.json`
beside it, which later builds show with their date, device and the hash of the weights. Figures 2 and 13 follow Pythia's
checkpoints, each a download of its own, so these are named: `--steps 0 1 2 4 8` or `--steps all`.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from mechbook.claims.values import Values
from mechbook.core.training.loop import use_threads
from mechbook.laser.edits import Prompt, laser, measure
from mechbook.laser.english_runs import pythia_steps
from mechbook.laser.paper_curves import checkpoint, figure_1_curves
from mechbook.laser.prompts import edit_rows, ioi_prompts, whole_rows
from mechbook.laser.streams import STREAMS
from mechbook.laser.values import GPT2_FIG1, PYTHIA_FIG2, PYTHIA_TABLE1
from mechbook.pretrained.load import LanguageModel, known_names, load

RESULTS = Path(__file__).parent / "pretrained_results.json"
# layers counted from 0 here; the paper says the 16th and the 11th (appendix B.2)
FACTS_PLACE, IOI_PLACE = (15, 0.0125), (10, 0.008)
REVISION = "step14000"
FIGURE_1_LAYERS = (8, 9, 10)
# Figure 1 has one layer more, where nothing falls
DRAWN_LAYERS = (8, 9, 10, 11)
# of Figure 2: Table 1's model is its last
LAST_STEP = 14000
FIGURE_1_RHOS = tuple(round(0.1 * i, 1) for i in range(1, 9))
STORE = "When Mary and John went to a store, John gave a drink to"
MADRID = "Madrid is located in"
# which claims each model's run gives
CLAIMS = {"pythia-1b": (PYTHIA_TABLE1, PYTHIA_FIG2), "gpt2": (GPT2_FIG1,)}


def table_1(model: LanguageModel, layer: int, rho: float) -> dict[str, float]:
    """P("the") and P("Spain") after "Madrid is located in", before and after LASER on the MLP's input matrix."""
    watch = (model.token(" Spain"), model.token(" the"))
    edit = laser(model, layer, model.adapter.mlp_input, rho=rho)
    result = measure(model, [Prompt(tokens=tuple(model.prompt_tokens(MADRID)), watch=watch)], [edit])
    (answer_before, the_before), (answer_after, the_after) = result.before[0].tolist(), result.after[0, 0].tolist()
    return {
        "the_before": the_before,
        "answer_before": answer_before,
        "the_after": the_after,
        "answer_after": answer_after,
    }


def figure_2(model: LanguageModel, facts: tuple[int, float], ioi: tuple[int, float]) -> dict[str, float]:
    """The ratio of the answer to "the": 100 IOI sentences, and "Madrid is located in", before and after LASER."""
    madrid = table_1(model, *facts)
    prompts = ioi_prompts(model, 10, STREAMS.generator("sentences for the papers' models"))
    edit = laser(model, ioi[0], model.adapter.mlp_input, rho=ioi[1])
    result = measure(model, prompts, [edit])
    return {
        "ioi_before": whole_rows(result, prompts)[0].ratio,
        "ioi_after": edit_rows(result, prompts)[0].ratio,
        "facts_before": madrid["answer_before"] / madrid["the_before"],
        "facts_after": madrid["answer_after"] / madrid["the_after"],
    }


def figure_1(model: LanguageModel, layers: tuple[int, ...]) -> dict[str, float]:
    """For "the" and "them": the largest probability over rho in [.1, .8] at each layer, less the full model's."""
    watch = (model.token(" Mary"), model.token(" the"), model.token(" them"))
    prompt = Prompt(tokens=tuple(model.prompt_tokens(STORE)), watch=watch)
    name = model.adapter.mlp_input
    edits = [laser(model, layer, name, rho=rho) for layer in layers for rho in FIGURE_1_RHOS]
    result = measure(model, [prompt], edits)
    most = result.after[:, 0].view(len(layers), len(FIGURE_1_RHOS), 3).amax(1) - result.before[0]
    words = (("the", 1), ("them", 2))
    return {f"{word}_{layer + 1}": float(most[i, column]) for word, column in words for i, layer in enumerate(layers)}


def run(name: str, *, network: bool, steps: Sequence[int] = ()) -> dict[str, Any]:
    """The results of the model `name` with where they come from; ValueError for a model the paper does not use.

    steps: Pythia's checkpoints to draw Figures 2 and 13 with
    """
    if name not in CLAIMS:
        raise ValueError(f"MODEL is {name!r}; the chapter's claims need {' or '.join(CLAIMS)}.")
    use_threads()
    hashes, values = {}, {}
    more: dict[str, Any] = {}
    if name == "gpt2":
        model = load(name, network=network)
        hashes["main"] = model.fingerprint
        values[GPT2_FIG1.claim] = figure_1(model, FIGURE_1_LAYERS)
        more["figure_1"] = figure_1_curves(model, STORE, DRAWN_LAYERS, FIGURE_1_RHOS)
    else:
        model = load(name, network=network)
        hashes["main"] = model.fingerprint
        weights = model.adapter.W_U.clone()
        model = load(name, revision=REVISION, network=network)
        hashes[REVISION] = model.fingerprint
        # some revisions are reported to be served with other revisions' weights
        if torch.equal(weights, model.adapter.W_U):
            raise ValueError(f"{name} at {REVISION} has the same weights as at main: one of them is wrong.")
        # the table's probabilities are those of the figure at 14,000 steps: .079 / .499 is its 0.16
        values[PYTHIA_TABLE1.claim] = table_1(model, *FACTS_PLACE)
        values[PYTHIA_FIG2.claim] = figure_2(model, FACTS_PLACE, IOI_PLACE)
        along = {}
        for step in steps:
            model = load(name, revision=f"step{step}", network=network)
            hashes[f"step{step}"] = model.fingerprint
            along[str(step)] = checkpoint(model, FACTS_PLACE, IOI_PLACE)
        if along:
            more["along"] = along
    if not all(math.isfinite(number) for claim in values.values() for number in claim.values()):
        raise ValueError(f"the results of {name} hold a number that is not finite: {values}.")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "device": str(model.adapter.W_U.device),
        "sha256": hashes,
        "values": values,
        **more,
    }


def stored(path: Path = RESULTS) -> dict[str, Any]:
    """What was run before, by model; empty where nothing was."""
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def reported(claim: Values, path: Path = RESULTS) -> dict[str, Any]:
    """What `report` takes for a claim: values where its model was run, else the reason and the command that runs it."""
    (name,) = [model for model, claims in CLAIMS.items() if claim in claims]
    if (found := stored(path).get(name)) is not None and claim.claim in found["values"]:
        return {"values": [found["values"][claim.claim]], "seeds": [0], "device": found["device"]}
    return {
        "reason": f"the weights of {name} are not part of this build, which asks no model hub; "
        f"make pythia MODEL={name} runs it where they can be had"
    }


def _steps(words: Sequence[str]) -> tuple[int, ...]:
    """The checkpoints that are meant. ValueError for one that Pythia does not have."""
    known = pythia_steps(143000)
    if list(words) == ["all"]:
        return tuple(step for step in known if step <= LAST_STEP)
    wrong = [word for word in words if not (word.isdigit() and int(word) in known)]
    if wrong:
        raise ValueError(
            f"Pythia has no checkpoint {wrong[0]!r}; it has 0, 1, 2, 4, ..., 512, 1000, 2000, ..., 143000."
        )
    return tuple(map(int, words))


def main(arguments: list[str] | None = None, path: Path = RESULTS) -> int:
    """Run one model and keep its results; what cannot be done is one sentence and the exit status 1."""
    parser = argparse.ArgumentParser(description="Run the chapter's Pythia or GPT-2 part and keep its results.")
    parser.add_argument("model", choices=[name for name in known_names() if name in CLAIMS])
    parser.add_argument("--offline", action="store_true", help="use only weights that are on this machine")
    parser.add_argument("--steps", nargs="*", default=[], help="Pythia's checkpoints to follow: steps, or all")
    given = parser.parse_args(arguments)
    try:
        found = run(given.model, network=not given.offline, steps=_steps(given.steps))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    everything = stored(path) | {given.model: found}
    path.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
    print(f"Kept in {path.name}: the next make book shows it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
