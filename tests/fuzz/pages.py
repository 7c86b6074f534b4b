"""The public functions of claims, records, the reader's tables and figures, and the site, for `test_functions`."""

from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from matplotlib.figure import Figure

from mechbook.claims.report import measurement
from tests.fuzz.arguments import NUMBERS, TEXT, Case, Drawn, Maker, case, maybe

ODD = NUMBERS | st.integers(-3, 3) | st.sampled_from([10**400, True, None, "1", [1]])
FINITE = st.floats(-1e9, 1e9) | st.integers(-3, 3)
NAMED = st.dictionaries(st.sampled_from(["a", "b"]), FINITE, min_size=1)
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=6,
)


def row(drawn: Drawn) -> dict[str, Any]:
    """What was measured for a claim, as a chapter reports it, and as it is judged."""
    if drawn(st.booleans()):
        kept = measurement("a.b", reason=drawn(st.sampled_from(["too large", "x|y", "<b>"])))
    else:
        one, count = drawn(FINITE | NAMED), drawn(st.integers(1, 3))
        budgets = dict.fromkeys(one, 5) if isinstance(one, dict) and drawn(st.booleans()) else None
        kept = measurement("a.b", values=[one] * count, seeds=range(count), budgets=budgets)
    words = {"statement": "s", "criterion": "c", "source": "S", "paper": "-", "page": "book/01_a", "anchor": "a"}
    told = {"status": drawn(st.sampled_from(["held", "failed", "not run", "missing"])), "marginal": False, "checks": []}
    return {**kept, **words, **told, "held": True, "chapter": 1}


def rows(drawn: Drawn) -> list[dict[str, Any]]:
    """None to two of them."""
    return [row(drawn) for _ in range(drawn(st.integers(0, 2)))]


EXTREME = st.sampled_from([1e308, -1e308, 5e-324, 10**300])
CLAIMS: list[Case] = [
    case("claims.report:measurement", claim=st.sampled_from(["ih.order", "no", "A.b", "a.b", ""]),
         values=maybe(st.lists(ODD | st.dictionaries(TEXT, ODD, max_size=2), max_size=3)),
         seeds=maybe(st.lists(ODD, max_size=3)), reason=maybe(TEXT), figure=maybe(TEXT), changes=st.just(()),
         device=maybe(TEXT), budgets=maybe(st.dictionaries(TEXT, st.integers(-1, 3), max_size=1)),
         from_record=st.none()),
    case("claims.report:measurement", claim=st.just("a.b"), reason=st.none(), budgets=st.none(), device=st.none(),
         values=st.lists(FINITE | EXTREME, min_size=3, max_size=3), seeds=st.just([0, 1, 2]), from_record=st.none(),
         changes=st.just(())),
    case("claims.report:never", values=st.lists(FINITE, max_size=3) | st.lists(NAMED, max_size=2),
         budgets=st.dictionaries(st.sampled_from("ab"), st.integers(-1, 3))),
    case("claims.report:format_number", number=maybe(FINITE), bar=maybe(FINITE)),
    case("claims.report:format_mean", mean=st.floats(-1e9, 1e9), spread=maybe(st.floats(0, 1e9)), bar=maybe(FINITE),
         never=maybe(st.just([1, 5]))),
    case("claims.report:measured_parts", row=row),
    case("claims.report:as_text", row=row),
    case("claims.report:as_html", row=row),
    case("claims.report:recorded_words", row=row),
    case("claims.criteria:mean_of", column=st.lists(FINITE, min_size=1, max_size=3)),
    case("claims.criteria:spread", column=st.lists(FINITE, max_size=3)),
    case("claims.criteria:count_positive", gaps=st.lists(FINITE, min_size=1, max_size=3)),
]  # fmt: skip
AXES: Maker = lambda drawn: Figure().subplots()  # noqa: E731
LABELS = maybe(st.lists(TEXT, max_size=3))
PAIRS_OF = st.lists(st.lists(NUMBERS, min_size=2, max_size=2), max_size=3)
CELLS = st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2)), max_size=2)
TASK = "mechbook.hops.task:"
NAMES = st.sampled_from([f"{TASK}Composition.k", f"{TASK}Composition.n", f"{TASK}hop_targets", "mechbook.no:x", "x", "",
                         ":", "mechbook:x", TASK, TASK[:-1], f"{TASK}Composition.k.x"])  # fmt: skip
FORMULA = TEXT | st.text("$_^{}ab ", max_size=8)
READER: list[Case] = [
    case("reader.tables:table", head=st.lists(TEXT, max_size=3),
         rows=st.lists(st.lists(TEXT | ODD.filter(lambda one: one != 10**400), max_size=3), max_size=3)),
    case("reader.figures:style_of", role=maybe(st.sampled_from(["noise", "x", ""])), series=maybe(st.integers(-1, 7))),
    case("reader.figures:token_label"),
    case("reader.figures:curve", ax=AXES, steps=st.lists(st.integers(0, 5), max_size=3), label=maybe(TEXT),
         role=st.sampled_from(["noise", "x"]), values_per_seed=st.lists(NUMBERS, max_size=3) | PAIRS_OF,
         series=st.none(), band=st.sampled_from(["range", "sd", "none", "x"])),
    case("reader.figures:paper_value", ax=AXES, y=st.floats(-9, 9), label=TEXT),
    case("reader.figures:heat_map", ax=AXES, matrix=PAIRS_OF, x_labels=LABELS, y_labels=LABELS, x_name=TEXT,
         y_name=TEXT, value_name=maybe(TEXT), limits=st.none(), colours=st.just("cividis")),
    case("reader.figures:attention_map", ax=AXES, attention=lambda d: d.shares("T", "T"),
         tokens=lambda d: ["a"] * d.size("T"), boxes=maybe(st.dictionaries(st.sampled_from(["noise", "x"]), CELLS))),
    case("reader.source:excerpt", names=st.lists(NAMES, max_size=2)),
    case("reader.source:grouped", names=st.lists(TEXT, max_size=3)),
    case("reader.circuits.words:advance"),
    case("reader.circuits.words:runs", text=FORMULA),
    case("reader.circuits.words:width", text=FORMULA),
]  # fmt: skip
PINS = st.text("ab=1.;#\n -_", max_size=20) | st.sampled_from(["# Asked for: torch.\ntorch==1.0\n", "# Asked for: .\n"])
VERSIONS = st.dictionaries(st.sampled_from(["torch", "a_b", "nvidia-x", "pip"]), st.sampled_from(["1", "2+cu", ""]))
NUMERALS = TEXT | st.sampled_from(["1", "0", "²", "99999", "9" * 5000])
ADDRESSES = TEXT | st.sampled_from(["tcp://h:1", "tcp://h:99999", "tcp://[::1", "tcp://h:²", "a.b:8786"])
REPORTS = st.lists(st.fixed_dictionaries({"id": TEXT, "values": JSON}), max_size=2)
ROOTS = st.sampled_from(["a", "a b", "a*", "[x]", "é", "#", "%41", "'\""]).map(lambda name: Path("/") / name)
SETTINGS = st.sampled_from(["MECHBOOK_JOBS", "MECHBOOK_FRESH", "MECHBOOK_CLUSTER", "MECHBOOK_THREADS"])
LISTED = st.sampled_from(["missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"])
LINK: Maker = st.just(lambda page, anchor: "#")
SITE: list[Case] = [
    case("site.settings:wrong_setting", root=ROOTS, given=st.dictionaries(SETTINGS, NUMERALS | ADDRESSES)),
    case("site.settings:wrong_address", cluster=maybe(ADDRESSES)),
    case("site.pins:canonical"),
    case("site.pins:asked_for", text=PINS | TEXT),
    case("site.pins:refreshed", text=PINS, resolved=VERSIONS, beside=PINS),
    case("site.quoted:measured_text", row=row, name=st.sampled_from(["", "a", "b", "a %", "%", "c"])),
    case("site.quoted:failed_claims", rows=rows, link=LINK),
    case("site.compare:differences", before=REPORTS, after=REPORTS),
    case("site.scorecard:card_anchor", id=TEXT),
    case("site.scorecard:row_anchor", id=TEXT),
    case("site.scorecard:verdict", row=row),
    case("site.scorecard:measured", row=row),
    case("site.scorecard:css_class", row=row),
    case("site.scorecard:card", row=row, to_scorecard=maybe(TEXT)),
    case("site.scorecard:counts", rows=rows),
    case("site.scorecard:scorecard", rows=rows, link=LINK),
    case("site.serve:port_of", text=NUMERALS),
    case("site.supported:refusal", version=st.tuples(st.integers(2, 4), st.integers(0, 20)), system=TEXT, machine=TEXT,
         bits=st.sampled_from([32, 64])),
    case("records.kept:as_json", value=st.dictionaries(TEXT, JSON, max_size=2), errors=(ValueError,)),
    case("records.kept:fits", recorded=JSON, now=JSON),
    case("records.kept:rounded", value=NUMBERS),
    case("records.files:place", name=TEXT | st.sampled_from(["a/b", "../x", "a/../b", "a/b\n"])),
    case("records.files:checksum", content=st.dictionaries(TEXT, JSON, max_size=2), errors=(ValueError,)),
    case("pretrained.reading:first_line", text=TEXT | st.text("\n a", max_size=8)),
    case("pretrained.reading:check_loaded", name=st.just("model"),
         found=st.dictionaries(LISTED, st.lists(st.sampled_from(["a.weight", "", "é"]), max_size=4))),
    case("core.presets:whole", value=JSON),
    case("core.presets:rising", values=JSON | st.tuples(st.integers(0, 3), st.integers(0, 3))),
    case("core.presets:positive"),
    case("core.settings:scale"),
]  # fmt: skip
ALL = [*CLAIMS, *READER, *SITE]
