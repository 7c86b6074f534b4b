"""Four hops by doubling, along one path: what each token on it holds after each layer of `hop_construction`."""

from mechbook.reader.circuits.elements import Arrow, Band, Box, Circuit, Note

_X = (96.0, 154.0, 212.0, 270.0, 328.0)  # the columns: the tokens at which 0, 1, 2, 3 and 4 hops arrive
_TOKENS, _LOOKED_UP, _ROWS = 384.0, 312.0, (240.0, 138.0, 36.0)  # the rows, from the bottom up


def _arrow(layer: int, column: int) -> Arrow:
    """How layer `layer` fills the token of `column`: with what the token 2^(layer - 2) columns on holds."""
    start, end = f"{layer - 1}, {column + 2 ** (layer - 2)}", f"{layer}, {column}"
    return Arrow(start, end, role="correct" if column == 0 else None, shift=(0, 9), curved=True)


DOUBLING = Circuit(
    name="doubling",
    title="Four hops in three layers, by doubling",
    words=(
        "Five tokens on one path, at positions 1, 2, 3, 4 and 1 again, with the values y_0 to y_4. In layer 1 "
        "each looks up the token whose value is its own after the hidden permutation, pi of y, and copies what "
        "that token carries: the value one hop further on. In layer 2 each looks at the token one hop further on "
        "and copies what it holds, the value two hops on. In layer 3 the first token looks at the token two hops "
        "on, which holds the value two hops on from there: y_4, four hops from the start."
    ),
    height=440,
    bands=(Band(58, 116), Band(160, 218), Band(262, 362)),
    boxes=(
        *(
            Box(f"token {r}", x, _TOKENS, f"$y_{r}$", "correct" if r == 4 else "input", "token", width=42)
            for r, x in enumerate(_X)
        ),
        *(Box(f"table {r}", x, _LOOKED_UP, f"$π_{r % 4 + 1}y_{r}$", "W_K1", width=50) for r, x in enumerate(_X[:4])),
        *(Box(f"1, {r}", x, _ROWS[0], f"$y_{r + 1}$", width=42) for r, x in enumerate(_X[:4])),
        *(Box(f"2, {r}", x, _ROWS[1], f"$y_{r + 2}$", width=42) for r, x in enumerate(_X[:3])),
        Box("3, 0", _X[0], _ROWS[2], "$y_4$", "correct", width=42),
    ),
    arrows=(
        *(Arrow(f"token {r}", f"table {r}", role="W_K1", kind="look") for r in range(4)),
        *(Arrow(f"table {r}", f"1, {r}", role=None if r else "correct") for r in range(4)),
        *(Arrow(f"1, {r}", f"2, {r}", kind="stream") for r in range(3)),
        Arrow("2, 0", "3, 0", kind="stream"),
        *(_arrow(2, r) for r in range(3)),
        _arrow(3, 0),
    ),
    notes=(
        Note(8, _TOKENS, "token"),
        *(Note(x, _TOKENS + 26, str(r % 4 + 1), "middle", size=12) for r, x in enumerate(_X)),
        Note(8, _TOKENS + 26, "position", size=12),
        Note(8, _LOOKED_UP - 25, "Layer 1", bold=True),
        Note(8, _LOOKED_UP - 9, "asks $π(y)$", size=12),
        Note(8, _ROWS[0], "1 hop"),
        Note(8, 181, "Layer 2", bold=True),
        Note(8, 197, "asks 1 hop on", size=12),
        Note(8, _ROWS[1], "2 hops"),
        Note(8, 79, "Layer 3", bold=True),
        Note(8, 95, "asks 2 hops on", size=12),
        Note(130, _ROWS[2], "the answer, four hops from $y_0$", size=14),
        Note(8, _ROWS[2], "4 hops"),
    ),
)
