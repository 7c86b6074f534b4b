"""Bits a parameter against size: GPTs of several sizes on more and more people (Allen-Zhu and Li 2024, Figure 1).

    make paper RUNS='facts/size/*'

The runs take longer than a build may: they are recorded, the same whatever the preset, and the chapter draws the
records. Each size has two series over N. In one all models are shown equally many people per parameter,
`PRESENTATIONS`, so that training lasts as long for its size whatever N is: exposures fall as N grows. In the other
each person is seen `EXPOSURES` times, as in the paper: training lasts longer the more people there are.
"""

from mechbook.facts.knowledge import KnowledgeSettings, Shape
from mechbook.facts.probes import log_slope
from mechbook.facts.values import CAPACITY_SIZE
from mechbook.records.kept import RunRecord
from mechbook.records.shown import recorded

# (layers, dimension, heads) by the parameters such a GPT has, rising.
SHAPES: dict[int, Shape] = {1456: (1, 8, 2), 2760: (1, 12, 2), 6520: (1, 20, 2)}
# N of the first series as multiples of the parameters: from where R_max is the limit to 24 times more people.
LOADS = (1 / 24, 1 / 12, 1 / 6, 1 / 3, 2 / 3, 4 / 3, 8 / 3)
# People shown during a training, each time one is shown, per parameter.
PRESENTATIONS = 500
# The second series.
PEOPLE = (60, 120, 240, 480, 960, 1920)
EXPOSURES = 1000
SEEDS = 3


def _settings(shape: Shape, N: int, exposures: int) -> KnowledgeSettings:
    return KnowledgeSettings(shape=shape, N=N, exposures=exposures, batch_size=100, lr=1e-2, seeds=SEEDS)


def equally_long(parameters: int) -> list[KnowledgeSettings]:
    """The first series of the size that has so many parameters, N rising; KeyError for a size not in SHAPES."""
    shape, people = SHAPES[parameters], [round(load * parameters) for load in LOADS]
    return [_settings(shape, N, round(PRESENTATIONS * parameters / N)) for N in people]


def equally_often(parameters: int) -> list[KnowledgeSettings]:
    """The second series of the size that has so many parameters, N rising; KeyError for a size not in SHAPES."""
    return [_settings(SHAPES[parameters], N, EXPOSURES) for N in PEOPLE]


def embedding_share(parameters: int) -> float:
    """The part of a size's parameters in W_E, P and W_U; KeyError for a size not in SHAPES."""
    config = equally_long(parameters)[0].config()
    return (2 * config.N + config.T) * config.d / parameters


def every() -> list[KnowledgeSettings]:
    """All runs, the small models and the first series first, each once."""
    runs = [run for series in (equally_long, equally_often) for size in SHAPES for run in series(size)]
    return list({name(run): run for run in runs}.values())


def name(spec: KnowledgeSettings) -> str:
    """The name of a run among the records: "facts/size/1x8x2/243/2996"."""
    return f"facts/size/{'x'.join(map(str, spec.shape))}/{spec.N}/{spec.exposures}"


def records(specs: list[KnowledgeSettings]) -> list[RunRecord]:
    """The records of these runs; none at all where one is missing, as half a series has no peak."""
    found = [recorded(name(spec)) for spec in specs]
    there = [record for record in found if record is not None]
    return there if len(there) == len(found) else []


def bits(record: RunRecord) -> list[float]:
    """Bits a parameter of each seed."""
    return [record.final[f"seed {seed}, bits a parameter"] for seed in range(SEEDS)]


def of_one_seed(series: dict[int, list[RunRecord]], seed: int) -> dict[str, float]:
    """The claim's values of one seed, from the first series of every size."""
    curves = [[bits(record)[seed] for record in series[size]] for size in SHAPES]
    small, medium, large = (max(curve) for curve in curves)
    ends = min(peak - max(curve[0], curve[-1]) for peak, curve in zip((small, medium, large), curves, strict=True))
    slope, span = log_slope(list(SHAPES), [small, medium, large]), max(SHAPES) / min(SHAPES)
    return CAPACITY_SIZE(small=small, medium=medium, large=large, below=ends, slope=slope, span=span)


def peak_exposures(series: dict[int, list[RunRecord]]) -> list[int]:
    """How often a person was seen in the run in which a size's seed holds most, for each size and seed of it."""
    best = (max(found, key=lambda record: bits(record)[seed]) for found in series.values() for seed in range(SEEDS))
    return [record.settings["knowledge"]["exposures"] for record in best]


def losers(found: list[RunRecord], bar: float) -> list[str]:
    """Which results lose more than the part `bar` of their bits in 8 bits, in words."""
    words = []
    for record in found:
        N, d = record.settings["knowledge"]["N"], record.settings["knowledge"]["shape"][1]
        for seed, before in enumerate(bits(record)):
            part = 1 - record.final[f"seed {seed}, in 8 bits"] / before
            if part > bar:
                words.append(f"{part:.0%}, with {N} people and $d$ = {d}, seed {seed}")
    return words
