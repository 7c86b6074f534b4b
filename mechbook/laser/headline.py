"""What the landing page shows of chapter 5: the likeliest tokens after one prompt, whole and with one matrix cut."""

import json
from dataclasses import replace
from typing import Any

from mechbook.laser.edits import Edit, measure, prompt
from mechbook.pretrained.load import LanguageModel


def headline(model: LanguageModel, text: str, answer: str, edit: Edit) -> str:
    """As JSON the likeliest token after `text` and its probability before and after `edit`, and of both of these words
    and of `answer`, which is one token, the probabilities before and after.

    {"text", "answer", "before": word, "after": word, "p": {word: [before, after]}, "block": from 1, "matrix", "rho"}
    ValueError for an answer of several tokens.
    """
    asked = prompt(model, text, answer)
    first = measure(model, [asked], [edit])
    tokens = [int(first.top_before[0, 0]), int(first.top_after[0, 0, 0]), asked.watch[0]]
    named = dict.fromkeys(tokens)
    both = measure(model, [replace(asked, watch=tuple(named))], [edit])
    p = zip(both.before[0].tolist(), both.after[0, 0].tolist(), strict=True)
    found = {model.text(token).strip(): list(pair) for token, pair in zip(named, p, strict=True)}
    words = [model.text(token).strip() for token in tokens]
    told: dict[str, Any] = {"text": text, "answer": words[2], "p": found}
    told |= {"before": words[0], "after": words[1]}
    told |= {"block": edit.layer + 1, "matrix": edit.matrix, "rho": edit.rho}
    return json.dumps(told)
