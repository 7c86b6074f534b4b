"""LASER in chapter 5: its prompts, the table of a sweep, the choice on one half of them and the report on the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from mechbook.laser.data.cities import one_token_facts
from mechbook.laser.data.ioi import sample_ioi
from mechbook.laser.edits import Edit, Measured, Prompt
from mechbook.laser.intervals import check_draws
from mechbook.pretrained.load import LanguageModel


def fact_prompts(model: LanguageModel, template: str = "{city} is located in") -> list[Prompt]:
    """Each city whose country is one token: watch the country, "the", "a", "southern" and "northern" (Chen Table 1)."""
    others = [model.token(word) for word in (" the", " a", " southern", " northern")]
    facts = one_token_facts(model.encode_next)
    texts = [template.format(city=fact.city) for fact, _ in facts]
    return [
        Prompt(tokens=tuple(model.prompt_tokens(text)), watch=(country, *others), group="facts")
        for text, (_, country) in zip(texts, facts, strict=True)
    ]


def ioi_prompts(model: LanguageModel, per_template: int, generator: Generator) -> list[Prompt]:
    """IOI sentences: watch IO, "the", S, "them" and "her"; as many numbers as `fact_prompts` watches."""
    others = [model.token(word) for word in (" them", " her")]
    the = model.token(" the")
    found = []
    for batch in sample_ioi(model.encode, per_template, generator, start=model.start, encode_next=model.encode_next):
        for tokens, IO, S in zip(batch.tokens.tolist(), batch.IO.tolist(), batch.S.tolist(), strict=True):
            found.append(Prompt(tokens=tuple(tokens), watch=(IO, the, S, *others), group="ioi"))
    return found


def split_halves(prompts: Sequence[Prompt], generator: Generator) -> Bool[Tensor, "n"]:
    """True for the half on which the edit is chosen, drawn within each group; of an odd group the smaller half."""
    chosen = torch.zeros(len(prompts), dtype=torch.bool)
    for group in dict.fromkeys(p.group for p in prompts):
        members = torch.tensor([i for i, p in enumerate(prompts) if p.group == group])
        drawn = torch.randperm(len(members), generator=generator)[: len(members) // 2]
        chosen[members[drawn]] = True
    return chosen


@dataclass(frozen=True, kw_only=True)
class Row:
    """One edit on one group of prompts, as a line of a tidy table.

    layer, layer_from_1: as transformers counts blocks, and as the papers do
    answer, generic: mean probabilities; ratio: the first over the second
    top1: the fraction of prompts whose most probable next token is the answer
    second: the fraction where the answer is more probable than the third watched token (S, for IOI)
    """

    group: str
    kind: str
    matrix: str
    layer: int
    layer_from_1: int
    rho: float | None
    dropped: int
    n: int
    answer: float
    generic: float
    ratio: float
    top1: float
    second: float


def edit_rows(result: Measured, prompts: Sequence[Prompt], keep: Bool[Tensor, "n"] | None = None) -> list[Row]:
    """A row for each edit and group, on the prompts of `keep` (all by default); edits in order, groups within."""
    groups = dict.fromkeys(p.group for p in prompts)
    answers = torch.tensor([p.watch[0] for p in prompts])
    rows = []
    for number, edit in enumerate(result.edits):
        for group in groups:
            member = torch.tensor([p.group == group for p in prompts])
            member = member if keep is None else member & keep
            p, right = result.after[number][member], (result.top_after[number][:, 0] == answers)[member]
            rows.append(_row(edit, group, p, right))
    return rows


def whole_rows(result: Measured, prompts: Sequence[Prompt], keep: Bool[Tensor, "n"] | None = None) -> list[Row]:
    """The whole model's row for each group, as `edit_rows` gives them for the edits."""
    none = Edit(layer=-1, matrix="", dropped=(), kind="none")
    whole = Measured(
        edits=(none,),
        before=result.before,
        after=result.before[None],
        top_before=result.top_before,
        top_after=result.top_before[None],
        p_top_before=result.p_top_before,
        p_top_after=result.p_top_before[None],
    )
    return edit_rows(whole, prompts, keep)


def best(rows: Sequence[Row], group: str) -> Row:
    """The row of `group` with the largest ratio. ValueError where there is none."""
    found = [row for row in rows if row.group == group]
    if not found:
        raise ValueError(f"no row belongs to {group!r}; the groups are {sorted({row.group for row in rows})}.")
    return max(found, key=lambda row: row.ratio)


def ratio_interval(
    p: Float[Tensor, "n k"], generator: Generator, *, draws: int = 2000, level: float = 0.95
) -> tuple[float, float]:
    """The bootstrap interval of mean P(answer) / mean P(generic), prompts drawn with replacement.

    ValueError without prompts or draws, and for a level outside (0, 1).
    """
    _check_rows(len(p))
    check_draws(draws, level)
    index = torch.randint(len(p), (draws, len(p)), generator=generator)
    ratios = p[:, 0][index].mean(1) / p[:, 1][index].mean(1)
    low, high = torch.quantile(ratios.double(), torch.tensor([(1 - level) / 2, (1 + level) / 2]).double()).tolist()
    return low, high


def log_ratio_gain(
    p: Float[Tensor, "n k"], other: Float[Tensor, "n k"], generator: Generator, *, draws: int = 2000
) -> tuple[float, float, float]:
    """How much larger log P(answer) / P(generic) is in `p` than in `other`, prompt by prompt: mean, 95% interval.

    ValueError without prompts or draws.
    """
    _check_rows(len(p))
    check_draws(draws)
    gain = (p[:, 0] / p[:, 1]).log() - (other[:, 0] / other[:, 1]).log()
    means = gain[torch.randint(len(gain), (draws, len(gain)), generator=generator)].mean(1)
    low, high = torch.quantile(means.double(), torch.tensor([0.025, 0.975]).double()).tolist()
    return float(gain.mean()), low, high


def _check_rows(count: int) -> None:
    if count < 1:
        raise ValueError("there is no prompt to draw from; give one at least.")


def _row(edit: Edit, group: str, p: Tensor, right: Tensor) -> Row:
    answer, generic = (float(value) for value in p[:, :2].double().mean(0))
    third = p[:, 2] if p.shape[1] > 2 else p[:, 1]
    return Row(
        group=group,
        kind=edit.kind,
        matrix=edit.matrix,
        layer=edit.layer,
        layer_from_1=edit.layer + 1,
        rho=edit.rho,
        dropped=len(edit.dropped),
        n=len(p),
        answer=answer,
        generic=generic,
        ratio=answer / generic if generic > 0 else float("inf"),
        top1=float(right.double().mean()),
        second=float((p[:, 0] > third).double().mean()),
    )
