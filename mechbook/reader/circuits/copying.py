"""The induction head at a glance, in the letters that the landing page's model is first asked about."""

from mechbook.reader.circuits.elements import Arrow, Box, Circuit, Note


def copying(asked: str, answer: str) -> Circuit:
    """The head that reads `asked` `answer` ... `asked` and predicts `answer`."""
    first, second, last, top, middle, low = 26.0, 124.0, 310.0, 24.0, 84.0, 144.0
    return Circuit(
        name="copying",
        title=f"How the model can know that {answer} comes next",
        words=(
            f"The model reads {asked}, {answer}, other letters, and {asked} again. In layer 1, by W_K^1, the place of "
            f"{answer} takes the note that {asked} came before it. In layer 2, by W_K^2, the last {asked} looks for "
            f"that note and finds it, and by W_O^2 it copies the letter that stands there: it predicts {answer}."
        ),
        width=340,
        height=164,
        boxes=(
            Box("first", first, low, asked, kind="token"),
            Box("second", second, low, answer, kind="token"),
            Box("last", last, low, asked, kind="token"),
            Box("note", second, middle, f"after {asked}"),
            Box("predicted", last, top, answer, role="correct", kind="token"),
        ),
        arrows=(
            Arrow("first", "note", "top", "left", "W_K1", "copy", "$W_K^1$", (0, -14), 0.72),
            Arrow("second", "note", kind="stream"),
            Arrow("last", "note", "top", "right", "W_K2", "look", "$W_K^2$", (0, -14), 0.62),
            Arrow("note", "predicted", "top", "left", "W_O2", "copy", "$W_O^2$", (0, -14), 0.45),
        ),
        notes=(
            Note(78, middle + 14, "notes", "end", size=12),
            Note(218, low, "…", "middle"),
            Note(232, middle + 14, "looks", "middle", size=12),
            Note(222, top + 14, "copies", "middle", size=12),
            Note(last, top + 24, "predicts", "middle", size=12),
        ),
    )
