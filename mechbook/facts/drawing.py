"""Nichani et al.'s two constructions side by side: heads that vote for answers, and heads that feed an MLP."""

from mechbook.reader.circuits.elements import Arrow, Band, Box, Circuit, Group, Note

_ORDER = ("noise", "s", "more noise", "r", "EOS")
_X = dict(zip(_ORDER, (40.0, 106.0, 172.0, 238.0, 318.0), strict=True))
_WORDS = dict(zip(_ORDER, ("·", "$s$", "·", "$r$", "EOS"), strict=True))
# Three relations with three answers each; the subject's own answer to each, and the relation that is asked.
_D, _TRUE, _ASKED = 3, (1, 2, 0), 1
_STEP, _GAP, _SIDE = 26.0, 12.0, 22.0


def _tokens(prefix: str, y: int) -> tuple[Box, ...]:
    """The sequence, at height `y`."""
    return tuple(
        Box(f"{prefix} {id}", x, y, _WORDS[id], "input" if id in ("s", "r") else None, "token", width=40)
        for id, x in _X.items()
    )


def _answer_x(relation: int, answer: int) -> float:
    return 52.0 + (relation * _D + answer) * _STEP + relation * _GAP


def _answers(floor: int) -> tuple[Box, ...]:
    """The answers by number, and on each the votes that it gets, as squares with the voter's letter."""
    boxes = []
    for relation, true in enumerate(_TRUE):
        for answer in range(_D):
            x, number = _answer_x(relation, answer), relation * _D + answer
            voters = [*("r" if relation == _ASKED else ""), *("s" if answer == true else "")]
            role = "correct" if len(voters) == 2 else "output"
            boxes.append(Box(f"answer {number}", x, floor, str(number), role, "token", _SIDE, _SIDE, 12))
            for level, voter in enumerate(voters, 1):
                y = floor - 4 - level * (_SIDE + 2)
                boxes.append(Box(f"{voter} for {number}", x, y, f"${voter}$", role, "part", _SIDE, _SIDE))
    return tuple(boxes)


TWO_CONSTRUCTIONS = Circuit(
    name="fact-constructions",
    title="Two ways to store facts",
    words=(
        "Two drawings over the same sequence: noise, the subject s, noise, the relation r, and EOS. Above, "
        "attention alone. One head finds s and votes for the subject's three answers, one to each of three "
        "relations: 1, 5 and 6. Another head finds r and votes for the relation's three answers, 3, 4 and 5. "
        "Answer 5 is the only one with two votes. Below, attention and an MLP. One head copies the embedding e_s, "
        "one copies e_r, they add up to x, and the MLP, which has a key for every pair, turns their sum into the "
        "output embedding u_a of the answer."
    ),
    height=532,
    bands=(Band(6, 282), Band(288, 526)),
    groups=(Group("A_r", tuple(f"answer {_ASKED * _D + answer}" for answer in range(_D)), 4),),
    boxes=(
        *_answers(102),
        Box("finds s", _X["s"], 198, "head finds $s$", kind="part", size=13),
        Box("finds r", _X["r"], 198, "head finds $r$", kind="part", size=13),
        *_tokens("votes", 258),
        Box("u", 172, 336, "$u_a$", "output"),
        Box("MLP", 172, 384, "MLP: a key for every pair", "W_F", "part", size=13),
        Box("x", 172, 430, kind="sum"),
        Box("copies s", _X["s"], 430, "$e_s$", "input"),
        Box("copies r", _X["r"], 430, "$e_r$", "input"),
        *_tokens("copied", 502),
    ),
    arrows=(
        Arrow("votes s", "finds s"),
        Arrow("votes r", "finds r"),
        *(Arrow("finds s", f"answer {relation * _D + true}", curved=True, shift=(8 * (relation - 1), 0))
          for relation, true in enumerate(_TRUE)),
        Arrow("finds r", "A_r", curved=True),
        Arrow("copied s", "copies s", label="a head copies", label_at=(-50, 0), size=12),
        Arrow("copied r", "copies r", label="another copies", label_at=(52, 0), size=12),
        Arrow("copies s", "x", "right", "left"),
        Arrow("copies r", "x", "left", "right"),
        Arrow("x", "MLP"),
        Arrow("MLP", "u", role="correct"),
    ),
    notes=(
        Note(14, 22, "Attention alone", bold=True),
        Note(14, 132, "answers", size=12),
        Note(212, 50, "two votes", size=12),
        Note(14, 304, "Attention and an MLP", bold=True),
        Note(200, 336, "the answer to $s$, $r$", size=12),
    ),
)  # fmt: skip
