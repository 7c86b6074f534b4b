"""Noisy recall as one circuit: attention fetches the answer, the second feed-forward block adds the noise.

What the bars at the top show is the best prediction under the task, P(noise) = alpha, and not a measurement.
"""

from mechbook.reader.circuits.elements import Arrow, Band, Box, Circuit, Note

_Q1, _Y, _Q2, _NOISE, _END = 26.0, 84.0, 142.0, 200.0, 268.0  # the columns
_LEFT, _RIGHT = 132.0, 348.0  # the ends of the bars
_HALF = (_RIGHT - _LEFT) / 2

NOISY_RECALL = Circuit(
    name="noisy-recall",
    title="Where the answer and the noise come from",
    words=(
        "A context reads trigger q, correct output y-bar, other tokens, q, the noise tau, other tokens, and q "
        "again at the end. Layer 1 notes on y-bar and on tau that they come after q. In layer 2 the last q "
        "attends to y-bar and hardly to tau, and W_V^2 adds the logit of y-bar to its stream. Then the "
        "feed-forward block F_2 reads q from the stream and adds the logit of tau. The full model shares its "
        "prediction between y-bar, 1 minus alpha, and tau, alpha. With F_2 dropped, only y-bar is left."
    ),
    height=446,
    bands=(Band(92, 300), Band(306, 378)),
    boxes=(
        Box("q", _Q1, 402, "$q$", kind="token"),
        Box("y", _Y, 402, "$ȳ$", "correct", "token"),
        Box("q again", _Q2, 402, "$q$", kind="token"),
        Box("noise", _NOISE, 402, "$τ$", "noise", "token"),
        Box("last q", _END, 402, "$q$", kind="token"),
        Box("note on y", _Y, 340, "after $q$", size=13),
        Box("note on noise", _NOISE, 340, "after $q$", size=13),
        Box("attention", _END, 246, kind="sum", role="correct"),
        Box("read", _END, 208, kind="dot"),
        Box("F_2", 318, 170, "$F_2$", "W_F", "part", width=36),
        Box("feed forward", _END, 120, kind="sum", role="noise"),
        Box("full y", _LEFT + _HALF / 2, 62, "$ȳ$:  $1 - α$", "correct", "part", width=_HALF - 2),
        Box("full noise", _RIGHT - _HALF / 2, 62, "$τ$:  $α$", "noise", "part", width=_HALF - 2),
        Box("cut y", _LEFT + _HALF, 24, "$ȳ$", "correct", "part", width=_RIGHT - _LEFT - 2),
    ),
    arrows=(
        Arrow("q", "note on y", "top", "left", "W_K1"),
        Arrow("q again", "note on noise", "top", "left", "W_K1"),
        Arrow("y", "note on y", kind="stream"),
        Arrow("noise", "note on noise", kind="stream"),
        Arrow("last q", "attention", kind="stream"),
        Arrow("attention", "read", kind="stream"),
        Arrow("read", "feed forward", kind="stream"),
        Arrow("note on y", "attention", "top", "left", "W_K2", "copy", "attends to $ȳ$", (0, -14), 0.55),
        Arrow("note on noise", "attention", "top", "left", None, "weak", "past $τ$", (0, 15), 0.8, (0, 5)),
        Arrow("read", "F_2", "right", "bottom", "W_F", "copy", "$q$", (0, -12), 0.25),
        Arrow("F_2", "feed forward", "top", "right", "W_F", "copy", "adds $τ$", (0, -14), 0.45),
        Arrow("feed forward", "full noise", "top", "bottom", "noise"),
    ),
    notes=(
        Note(113, 402, "…", "middle"),
        Note(234, 402, "…", "middle"),
        Note(10, 430, "trigger", size=12),
        Note(_Y, 430, "correct", "middle", size=12),
        Note(_NOISE, 430, "noise", "middle", size=12),
        Note(280, 324, "Layer 1", bold=True),
        Note(280, 340, "notes what", size=12),
        Note(280, 355, "came before", size=12),
        Note(10, 114, "Layer 2", bold=True),
        Note(10, 132, "attention fetches the answer,", size=14),
        Note(10, 150, "then $F_2$ adds the noise", size=14),
        Note(10, 62, "full model", size=14),
        Note(10, 24, "$F_2$ dropped", size=14),
    ),
)
