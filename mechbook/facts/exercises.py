"""The exercises of chapter 6 with their checks, kept out of the chapter so that its cells do not give answers away."""

from mechbook.facts.theory import growth_rates
from mechbook.reader.exercises import Exercise, function, number


def rate_ratio(S: int, R: int, D: int) -> float:
    """|g_r| / |g_s|: above 1 relations are learned first."""
    relation, subject = growth_rates(S, R, D)
    return relation / subject


rivals = Exercise(
    "How many answers compete?",
    number(
        22,
        tolerance=1e-6,
        mistakes={
            "The right answer is among the subject's and among the relation's: count it in neither.": 24,
            "The right answer is still counted once.": 23,
            "Answers that neither token points to have logit 0, not 1.": 127,
        },
    ),
)

first = Exercise("Which is learned first?", function(rate_ratio, [(16, 4, 8), (8, 32, 8), (7, 5, 3)], tolerance=1e-6))

bits = Exercise(
    "Facts as bits",
    number(
        2048,
        tolerance=0.5,
        mistakes={
            "That is the bits: a fact with 8 possible answers takes log2(8) of them.": 6144,
            "A fact with 8 possible answers takes 3 bits, not 8.": 768,
            "Take one bit a parameter, as asked, not two.": 4096,
        },
    ),
)
