"""What chapter 5 reports of its closer look: the values of its claims, from what `mechbook.laser.closer` measured."""

import math
from collections.abc import Iterable, Sequence

from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.laser.association import Rewritten
from mechbook.laser.clusters import interval_of_grouped_mean, share_between
from mechbook.laser.data.function_words import is_function_word
from mechbook.laser.directions import Directions, quantile
from mechbook.laser.fact_site import FactSite
from mechbook.laser.prompts import Row
from mechbook.laser.quantisation import Noised
from mechbook.laser.rho_curves import WATCHED, RhoCurves
from mechbook.laser.study import TASKS, StudyResult
from mechbook.laser.study_values import FALL, interval_of_mean, perplexity_ratio, worst_factor
from mechbook.laser.values import (
    CONTROLS,
    COST,
    FACT_SITE,
    GENERIC_WORDS,
    LAYER_MAP,
    QUANTISATION,
    RANK_ONE_EDIT,
    RHO_CURVES,
)
from mechbook.laser.words import Classes

RANGE = (0.1, 0.8)
"""Between these rates Chen et al. see P("the") and P("them") fall."""
SMALL_RHO = 0.2
"""Chen et al. and Sharma et al. have their best rates below."""
AttentionPoint = tuple[int, str, float, float]


def map_values(study: StudyResult, attention: dict[str, list[AttentionPoint]]) -> dict[str, int | float]:
    """`laser.layer_map`: the map's best points, and how far attention matrices and small rates come."""
    values: dict[str, int | float] = {"layers": max(row.layer_from_1 for row in study.map_rows)}
    for task in TASKS:
        whole = study.map_whole[task].ratio
        mlp, other = ([r for r in study.map_rows if r.group == task and _is_mlp(r) is which] for which in (True, False))
        top = max(mlp, key=lambda row: row.ratio)
        gain = math.log(top.ratio / whole)
        small = max(row.ratio for row in mlp if row.rho is not None and row.rho < SMALL_RHO)
        best_attention = max([*(row.ratio / whole for row in other), *(factor for *_, factor in attention[task])])
        values[f"{task}_layer"] = top.layer_from_1
        values[f"{task}_rho"] = float(top.rho if top.rho is not None else math.nan)
        values[f"{task}_mlp"] = math.exp(gain)
        values[f"{task}_attention"] = best_attention
        values[f"{task}_small"] = math.log(small / whole) / gain
    return LAYER_MAP(**values)


def generic_values(study: StudyResult, classes: dict[str, Classes], generator: Generator) -> dict[str, int | float]:
    """`laser.generic_words`: what function words and candidate answers lose; the tokens that fall by over `FALL`."""
    values: dict[str, int | float] = {}
    for task in TASKS:
        found = classes[task]
        values[f"{task}_share"] = found.share[0]
        values[f"{task}_words"] = found.fall("words")
        values[f"{task}_answers"] = found.fall("answers")
        values[f"{task}_share_low95"] = found.share_interval[0]
        values[f"{task}_words_low95"] = found.fall_interval("words", generator)[0]
        values[f"{task}_answers_high95"] = found.fall_interval("answers", generator)[1]
        listed = [word for word, before, after in study.falls[task] if before - after > FALL]
        values[f"{task}_listed"], values[f"{task}_function"] = len(listed), sum(map(is_function_word, listed))
    return GENERIC_WORDS(**values)


def controls_values(study: StudyResult, found: Directions) -> dict[str, int | float]:
    """`laser.controls`: quantiles of the random tenths' factors, each >= 1; the smallest few's part of the log gain."""
    values: dict[str, int | float] = {}
    for task in TASKS:
        whole, rows = math.log(study.whole[task].ratio), study.controls[task]
        smallest = next(row for row in rows if row.kind.endswith(" smallest"))
        sizes = found.sizes(task)
        values[f"{task}_median"] = quantile(sizes, 0.5)
        values[f"{task}_spared"] = quantile(found.sizes(task, spared=True), 0.9)
        values[f"{task}_above"] = sum(size > 2 for size in sizes) / len(sizes)
        values[f"{task}_smallest"] = (math.log(smallest.ratio) - whole) / (math.log(rows[0].ratio) - whole)
        values[f"{task}_random"] = worst_factor(study, task, " random (")
    return CONTROLS(**values)


def cost_values(
    study: StudyResult,
    among: tuple[Float[Tensor, "n"], Float[Tensor, "n"]],
    countries: Sequence[str],
    generator: Generator,
) -> dict[str, int | float]:
    """`laser.cost`: perplexity after over before, of the chosen edit that raises it less surely; the right country's
    share of all countries' probability, in nats, its 90% interval (two one-sided tests at 5%).

    countries: each city's. Cities of one country change together, so the interval draws countries; the earlier
    reading, which drew cities, is there to be shown.
    """
    rises = [perplexity_ratio(study.losses[task][0], study.losses_whole, generator) for task in TASKS]
    perplexity, low, _ = min(rises, key=lambda value: value[1])
    accuracy, accuracy_low, _ = interval_of_mean(study.right - study.right_whole, generator)
    moved = among[1] - among[0]
    _, cities_low, cities_high = interval_of_mean(moved, generator, level=0.9)
    change, change_low, change_high = interval_of_grouped_mean(moved, countries, generator, level=0.9)
    return COST(
        perplexity=perplexity,
        perplexity_low95=low,
        candidates=change,
        candidates_low90=change_low,
        candidates_high90=change_high,
        countries=len(set(countries)),
        between_countries=share_between(moved, countries),
        cities_low90=cities_low,
        cities_high90=cities_high,
        accuracy=accuracy,
        accuracy_low95=accuracy_low,
    )


def noise_values(found: Noised) -> dict[str, int | float]:
    """`laser.quantisation`."""
    kept = [gain / found.gains("whole", task)[0] for task in found.whole for gain in found.gains("everywhere", task)]
    changes = found.changes("one")
    values = {
        f"{task}_before": sum(before for before, _ in found.everywhere[task])
        / len(found.everywhere[task])
        / found.whole[task][0]
        for task in TASKS
    }
    return QUANTISATION(
        draws=min(map(len, found.one.values())),
        change=max(changes),
        change_mean=sum(changes) / len(changes),
        everywhere=sum(kept) / len(kept),
        everywhere_least=min(kept),
        **values,
    )


def curve_values(found: RhoCurves, generator: Generator) -> dict[str, int | float]:
    """`laser.rho_curves`; pronouns are "them" and "her" together. Intervals are of the rate that is worst for each."""
    low, high = RANGE
    inside = found.chosen[[low <= rho <= high for rho in found.rhos]].double()
    IO, the, S, them, her = (WATCHED.index(word) for word in ("IO", "the", "S", "them", "her"))
    change = inside - found.whole.double()
    # each rate's row has a value a sentence; the mean's interval is taken where the mean is the worst
    fall = interval_of_worst(change[..., the], generator)
    pronouns = interval_of_worst(change[..., [them, her]].sum(-1), generator)
    names = interval_of_worst(inside[..., S] - inside[..., IO], generator)
    return RHO_CURVES(
        rates=len(inside),
        the=fall[0],
        the_high95=fall[2],
        pronouns=pronouns[0],
        pronouns_high95=pronouns[2],
        names=-names[0],
        names_low95=-names[2],
    )


def interval_of_worst(rows: Float[Tensor, "r n"], generator: Generator) -> tuple[float, float, float]:
    """The largest of the r means, and the 95% interval of that row's mean."""
    return interval_of_mean(rows[rows.mean(1).argmax()], generator)


def site_values(found: FactSite, generator: Generator) -> dict[str, int | float]:
    """`laser.fact_site`: shares of the gap in log P(country); early: the largest in a block of the first half but the
    first block.

    Intervals are of that block's share.
    """
    # what enters the first block is the token alone: no MLP has looked anything up there (a model of two or three
    # blocks has no other in its first half)
    early = [i for i, block in enumerate(found.blocks) if 0 < block < found.n_layers / 2] or [0]
    values: dict[str, int | float] = {"pairs": len(found.base), "subject_token": float(found.share[0, 0])}
    for word, name in ((0, "subject"), (-1, "end")):
        for when, block in (("early", early[int(found.share[early, word].argmax())]), ("last", len(found.blocks) - 1)):
            values[f"{name}_{when}"] = float(found.share[block, word])
            low, high = found.interval(block, word, generator)
            high_is_bad = (name == "subject") == (when == "last")
            values[f"{name}_{when}_{'high95' if high_is_bad else 'low95'}"] = high if high_is_bad else low
    return FACT_SITE(**values)


def rewritten_values(found: Sequence[Rewritten]) -> dict[str, int | float]:
    """`laser.rank_one_edit`."""
    neighbours = [kept for one in found for kept in one.neighbours]
    return RANK_ONE_EDIT(
        edits=len(found),
        before=_part(one.before for one in found),
        asked=_part(one.asked for one in found),
        at_start=_part(one.at_start for one in found),
        kept=sum(one.kept for one in found) / len(found),
        neighbours=_part(neighbours) if neighbours else 1.0,
        neighbours_tried=len(neighbours),
        likeliest=_part(one.likeliest for one in found),
        likeliest_at_start=_part(one.likeliest_at_start for one in found),
        likeliest_before=_part(one.likeliest_before for one in found),
        asked_apart=_part(one.asked_apart for one in found),
        kept_apart=sum(one.kept_apart for one in found) / len(found),
    )


def _part(hits: Iterable[bool]) -> float:
    found = list(hits)
    return sum(found) / len(found)


def _is_mlp(row: Row) -> bool:
    return row.matrix.startswith("mlp")
