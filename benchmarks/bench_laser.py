"""How much faster LASER's sweep is than a copy of the model, a decomposition and single prompts for every point.

Run `python benchmarks/bench_laser.py`. Both ways do the same points on the same prompts, SmolLM2-135M's, on one thread,
and must agree to 1e-5; what is compared is processor time, which a busy machine does not stretch. A block far from the
end has more blocks above it that must run again, so the ratio is given for the last third of the blocks, where LASER
is searched for, and for points spread over all of them.
"""

import time
from collections.abc import Callable, Sequence

import torch

from mechbook.core.progress import Line, say
from mechbook.laser.edits import Edit, Measured, Prompt, laser, measure
from mechbook.laser.plain import measure_plainly
from mechbook.laser.prompts import fact_prompts, ioi_prompts
from mechbook.pretrained.load import LanguageModel, load

MATRICES = ("mlp_in", "mlp_gate", "mlp_out")
RHOS = (0.01, 0.05, 0.1, 0.3)
PLACES = {"the last third": (20, 25, 29), "all blocks": (4, 14, 24)}
FACTS, PER_TEMPLATE = 34, 6


def seconds(way: Callable[[LanguageModel, Sequence[Prompt], Sequence[Edit]], Measured], *given: object) -> tuple:
    start = time.process_time()
    result = way(*given)  # type: ignore[arg-type]
    return time.process_time() - start, result


def main() -> None:
    torch.set_num_threads(1)
    model = load("smollm2-135m")
    generator = torch.Generator().manual_seed(0)
    prompts = fact_prompts(model)[:FACTS] + ioi_prompts(model, PER_TEMPLATE, generator)
    measure(model, prompts, [])
    print(f"LASER on {model.name}: {len(prompts)} prompts; {len(MATRICES)} matrices a block, {len(RHOS)} rates each")
    print("seconds for all points; the plain way's are reckoned from one point a block")
    print(f"{'blocks':>15} {'points':>7} {'plain':>8} {'sweep':>8} {'ratio':>7} {'largest difference':>19}")
    with Line("make bench, LASER", len(PLACES), "places") as line:
        for place, layers in PLACES.items():
            edits = [laser(model, layer, name, rho=rho) for layer in layers for name in MATRICES for rho in RHOS]
            fast, swept = seconds(measure, model, prompts, edits)
            # one point a block: every point costs the plain way the same
            step = len(MATRICES) * len(RHOS)
            some = edits[::step]
            plain, single = seconds(measure_plainly, model, prompts, some)
            plain *= (len(edits) + 1) / (len(some) + 1)
            difference = float((swept.after[::step] - single.after).abs().max())
            say(f"{place:>15} {len(edits):>7} {plain:>8.1f} {fast:>8.1f} {plain / fast:>7.1f} {difference:>19.1e}")
            if difference > 1e-5:
                raise SystemExit("The two ways disagree by more than 1e-5.")
            line.advance()


if __name__ == "__main__":
    main()
