"""The induction head as Birth draws it in Figure 1: what each token's stream holds, who looks where, what is copied."""

from mechbook.reader.circuits.elements import Arrow, Band, Box, Circuit, Group, Note

_A, _B, _T = 46.0, 168.0, 310.0  # the columns: a, the token after it, and the a that comes again

INDUCTION_HEAD = Circuit(
    name="induction-head",
    title="The induction head",
    words=(
        "A context reads a, b, some other tokens, and a again. From the bottom up: each token's stream holds its "
        "input embedding and its position. In layer 1, W_K^1 lets position s look for position s minus 1, and "
        "W_O^1 W_V^1 copies the token found there into the stream of b, as the note w_1(a). In layer 2, W_K^2 "
        "lets the second a look for a note w_1(a), which b holds, and W_O^2 W_V^2 copies b into the stream of the "
        "second a, as the output embedding w_U(b). So the model predicts b."
    ),
    height=468,
    bands=(Band(88, 250), Band(256, 412)),
    boxes=(
        Box("a", _A, 424, "a", kind="token"),
        Box("b", _B, 424, "b", kind="token"),
        Box("a again", _T, 424, "a", kind="token"),
        Box("w_E(a)", _A, 362, "$w_E$($a$)", role="input"),
        Box("p_s-1", _A, 392, "$p_{s-1}$", role="position"),
        Box("w_E(b)", _B, 362, "$w_E$($b$)", role="input"),
        Box("p_s", _B, 392, "$p_s$", role="position"),
        Box("w_E(a) again", _T, 362, "$w_E$($a$)", role="input"),
        Box("p_t", _T, 392, "$p_t$", role="position"),
        Box("w_E(b) kept", _B, 202, "$w_E$($b$)", role="input"),
        Box("w_1(a)", _B, 232, "$w_1$($a$)"),
        Box("w_E(a) kept", _T, 232, "$w_E$($a$)", role="input"),
        Box("w_U(b)", _T, 66, "$w_U$($b$)", role="output"),
        Box("predicted", _T, 22, "b", role="correct", kind="token"),
    ),
    groups=(
        Group("stream of a", ("w_E(a)", "p_s-1")),
        Group("stream of b", ("w_E(b)", "p_s")),
        Group("stream of a again", ("w_E(a) again", "p_t")),
        Group("stream of b after layer 1", ("w_E(b) kept", "w_1(a)")),
    ),
    arrows=(
        Arrow("a", "stream of a", kind="stream"),
        Arrow("b", "stream of b", kind="stream"),
        Arrow("a again", "stream of a again", kind="stream"),
        Arrow("stream of b", "stream of b after layer 1", kind="stream"),
        Arrow("stream of a again", "w_E(a) kept", kind="stream"),
        Arrow("w_E(a) kept", "w_U(b)", kind="stream"),
        Arrow("p_s", "p_s-1", "left", "right", "W_K1", "look", "$W_K^1$"),
        Arrow("w_E(a)", "w_1(a)", "top", "left", None, "copy", "$W_O^1 W_V^1$", (0, -16), 0.84),
        Arrow("w_E(a) kept", "w_1(a)", "left", "right", "W_K2", "look", "$W_K^2$"),
        Arrow("w_E(b) kept", "w_U(b)", "top", "left", "W_O2", "copy", "$W_O^2 W_V^2$", (0, -16), 0.7),
        Arrow("w_U(b)", "predicted", role="correct"),
    ),
    notes=(
        Note(239, 424, "…", "middle"),
        Note(_A, 452, "position $s-1$", "middle", size=12),
        Note(_B, 452, "$s$", "middle", size=12),
        Note(_T, 452, "$t$", "middle", size=12),
        Note(286, 22, "predicts", "end"),
        Note(180, 281, "Layer 1", bold=True),
        Note(180, 297, "note which token"),
        Note(180, 313, "came before"),
        Note(180, 113, "Layer 2", bold=True),
        Note(180, 129, "find the note that"),
        Note(180, 145, "names me, copy"),
        Note(180, 161, "what stands there"),
    ),
)
