"""Widget 6c: linear attention learns facts in the page; the reader asks, and it answers, wrongly before it knows."""

import torch

from mechbook.facts.dynamics import DynamicsSettings
from mechbook.widgets.base import BookWidget, Store

PEOPLE = tuple("Ada Ben Cleo Dan Eva Finn Gia Hugo Iris Jack Kira Leo Mia Noah Olga Paul".split())
QUESTIONS = (
    ("Where was {} born?", ("Oslo", "Lima", "Cairo", "Paris", "Delhi", "Tokyo", "Rome", "Quito")),
    ("What is {}’s job?", ("baker", "pilot", "nurse", "judge", "farmer", "tailor", "painter", "miner")),
    ("What does {} play?", ("flute", "harp", "drums", "violin", "piano", "guitar", "cello", "horn")),
    ("What does {} like?", ("soup", "rice", "figs", "bread", "plums", "fish", "beans", "cheese")),
)
RATES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
# Steps between two probes: some hundred points of a curve.
POINTS = 128


def answers(S: int, R: int, D: int, generator: torch.Generator) -> list[list[int]]:
    """Draw a*(s, r) in r D .. r D + D - 1 so that of each relation every answer is that of S / D subjects.

    Unlike the structured map, no two subjects share more answers than chance makes them. D must divide S.
    """
    balanced = torch.arange(S) * D // S
    columns = [r * D + balanced[torch.randperm(S, generator=generator)] for r in range(R)]
    return torch.stack(columns, 1).tolist()


def fact_learning_widget(spec: DynamicsSettings, *, name: str = "widget-6c") -> BookWidget:
    """Return widget 6c with the sizes and the rate of a run of linear attention.

    Raises ValueError for another model, or sizes for which there are no words.
    """
    D = len(QUESTIONS[0][1])
    if spec.model != "linear":
        raise ValueError(f"model is {spec.model!r}; the page trains 'linear' attention.")
    if (spec.S, spec.R, spec.D) != (len(PEOPLE), len(QUESTIONS), D):
        raise ValueError(
            f"S, R and D are {spec.S}, {spec.R} and {spec.D}; there are words for {len(PEOPLE)} people, "
            f"{len(QUESTIONS)} questions and {D} answers."
        )
    run = {
        "S": spec.S,
        "R": spec.R,
        "D": spec.D,
        "T": spec.T,
        "noise": spec.n_noise,
        "B": spec.batch_size,
        "answers": answers(spec.S, spec.R, spec.D, torch.Generator().manual_seed(0)),
        "init": spec.init,
        "jitter": spec.jitter,
        "every": max(1, spec.steps // POINTS),
        "steps": spec.steps,
    }
    words = (
        "A model is trained on facts about sixteen people in this page, where scripts run. It answers questions "
        "meanwhile: first nothing stands out, then every answer is of the right kind and random, then it is right."
    )
    settings = {
        "title": "Ask it while it learns",
        "people": list(PEOPLE),
        "questions": [{"text": text, "answers": list(known)} for text, known in QUESTIONS],
        "rates": list(RATES),
        "lr": spec.lr,
        "run": run,
    }
    return BookWidget(kind="fact_learning", name=name, settings=settings, store=Store(), picture=None, words=words)
