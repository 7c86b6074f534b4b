"""A few prompts of the map of LASER in full: what follows them, whole and after every edit of the map (widget 5a)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechbook.laser.data.cities import one_token_facts
from mechbook.laser.edits import Measured, Prompt
from mechbook.pretrained.load import LanguageModel

# how many of the most probable tokens are kept for each prompt and edit
TOP = 8
# ordinary text, where a generic word is as right as another
ORDINARY = (("She put the book on", " the"), ("Thank you very", " much"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """What follows n prompts in the whole model (row 0) and after each of e - 1 edits (rows 1 on).

    texts: the prompts; answers: the token that should follow; tasks: "facts", "ioi" or "ordinary"
    places: block (from 0), matrix and rho of each edit
    words: what the tokens that appear look like
    top, p_top: the t most probable tokens, the most probable first, and their probabilities
    p_answer, p_the: the probabilities of the answer and of " the"
    """

    texts: list[str]
    answers: list[int]
    tasks: list[str]
    places: list[tuple[int, str, float]]
    words: dict[int, str]
    top: Int[Tensor, "e n t"]
    p_top: Float[Tensor, "e n t"]
    p_answer: Float[Tensor, "e n"]
    p_the: Float[Tensor, "e n"]


def extra_prompts(model: LanguageModel) -> list[Prompt]:
    """The prompts that are shown whatever the draw: Madrid's (Chen et al. Table 1) and ordinary text.

    They watch as many tokens as the tasks' prompts do. One whose answer is not one token is left out.
    """
    the = model.token(" the")
    facts = one_token_facts(model.encode_next)
    texts = [("Madrid is located in", token, "facts") for fact, token in facts if fact.city == "Madrid"]
    texts += [(text, ids[0], "ordinary") for text, answer in ORDINARY if len(ids := model.encode_next(answer)) == 1]
    return [
        Prompt(tokens=tuple(model.prompt_tokens(text)), watch=(token, the, the, the, the), group=f"shown {task}")
        for text, token, task in texts
    ]


def chosen_prompts(prompts: Sequence[Prompt], each: int = 2) -> list[int]:
    """Which of the map's prompts are shown: the extra facts, `each` of both tasks, ordinary text. None comes twice."""
    found: list[int] = []
    for group, count in (("shown facts", 1), ("facts", each), ("ioi", each), ("shown ordinary", len(ORDINARY))):
        seen = {prompts[i].tokens for i in found}
        own = [i for i, p in enumerate(prompts) if p.group == group and p.tokens not in seen]
        found += own[:count]
    return found


def shown(model: LanguageModel, prompts: Sequence[Prompt], results: Sequence[Measured]) -> Shown:
    """What is shown of the sweeps `results` over the map's `prompts`, which named their most probable tokens."""
    which = torch.tensor(chosen_prompts(prompts))
    own = [prompts[i] for i in which.tolist()]
    first = results[0]
    top = torch.cat([first.top_before[None], *(r.top_after for r in results)])[:, which]
    p_top = torch.cat([first.p_top_before[None], *(r.p_top_after for r in results)])[:, which]
    p = torch.cat([first.before[None], *(r.after for r in results)])[:, which]
    edits = [edit for r in results for edit in r.edits]
    answers = [p.watch[0] for p in own]
    return Shown(
        texts=[model.tokenizer.decode(list(p.tokens)) for p in own],
        answers=answers,
        tasks=[p.group.removeprefix("shown ") for p in own],
        places=[(edit.layer, edit.matrix, edit.rho) for edit in edits if edit.rho is not None],
        words={token: model.text(token) for token in sorted({*top.flatten().tolist(), *answers})},
        top=top,
        p_top=p_top,
        p_answer=p[..., 0],
        p_the=p[..., 1],
    )


def packed(found: Shown) -> dict[str, Any]:
    """The same as plain values and tensors, for the cache."""
    return {**vars(found), "words": [[token, word] for token, word in found.words.items()]}


def unpacked(stored: Mapping[str, Any]) -> Shown:
    """What `packed` was given."""
    return Shown(
        **{
            **stored,
            "words": {int(token): word for token, word in stored["words"]},
            "places": [(layer, matrix, rho) for layer, matrix, rho in stored["places"]],
        }
    )
