"""The public functions of chapters 1 and 5 that need no model, and of `shared`, for `test_functions`."""

import math

import torch
from hypothesis import strategies as st

from mechbook.shared.shakespeare import load_counts
from tests.fuzz.arguments import NUMBERS, Case, Maker, case, floats, maybe, shares, unit, whole
from tests.fuzz.chapters import FEW, RATES, SHARE, WINDOW

RULE = st.integers(-1, 6)
PAIR: dict[str, Maker] = {"keys": floats("N", "i"), "values": floats("N2", "o")}
CHAPTER_1: list[Case] = [
    case("memories.outer_product:draw_embeddings"),
    case("memories.outer_product:shared_map"),
    case("memories.outer_product:outer_product_memory", **PAIR, targets=maybe(whole("N2", "N3")),
         weights=maybe(floats("N3")), least=0),
    case("memories.outer_product:scores", W=floats("o", "i"), keys=floats("n", "i"), values=floats("m", "o")),
    case("memories.outer_product:recall", scores=floats("n", "n2"), targets=maybe(whole(5, "n3")), least=0,
         within=SHARE),
    case("memories.outer_product:score_variance", targets=whole(3, "N"), weights=maybe(floats("N2")), least=0),
    case("memories.outer_product:gaussian_recall", targets=whole(3, "N"), weights=floats("N"), within=SHARE),
    case("memories.outer_product:predicted_recall", N=RULE, within=SHARE),
    case("memories.other_forms:factorised_memory", keys=floats("N", "d"), values=floats("N2", "d"),
         step=st.sampled_from([1.0, 0.1, -1.0])),
    case("memories.other_forms:factorised_product", U=floats("d", "r"), V=floats("r", "d"), step=RATES),
    case("memories.other_forms:added_variance", step=RATES),
    case("memories.other_forms:best_step"),
    case("memories.other_forms:predicted_factorised_recall", within=SHARE),
    case("memories.other_forms:mlp_filter", x=floats("n", "d"), keys=floats("N", "d"), stored=floats("N2", "o"),
         b=st.floats(-2, 2)),
    case("memories.other_forms:predicted_filter_recall", within=SHARE),
    case("memories.other_forms:set_keys", embeddings=floats("n", "d"), sets=lambda d: d.whole(5, "S", "size") - 1),
    case("memories.writers:first_gradient", p=shares("N"), keys=floats("N", "d"), values=floats("N", "d")),
    case("memories.writers:polar_factor", G=floats("o", "i"), within=(-1, 1)),
    case("memories.writers:delta_rule", keys=unit("N", "i"), values=floats("N2", "o"), beta=st.floats(-1, 1)),
    case("memories.writers:least_squares", keys=floats("N", "i"), values=floats("N", "o")),
    case("memories.writers:by_age", found=floats("N", "N"), axis_N=st.integers(4, 8), within=SHARE),
    case("memories.quadrature:normal", n=RULE),
    case("memories.quadrature:mean_square", n=RULE),
    case("memories.quadrature:sphere", n=RULE),
    case("memories.linear_limits:window_memory", tokens=unit("two_n", "d"), values=unit("n", "d"), axis_n=FEW),
    case("memories.capacity:quantile_of_one"),
    case("memories.capacity:slope"),
    case("memories.capacity:solve_log"),
    case("memories.zipf:fitted_exponent"),
    case("memories.trained:initial_weights"),
    case("memories.exercises:pairs_of_a_shared_memory", M=FEW, d=FEW, eps=st.floats(0.01, 0.4)),
]  # fmt: skip
ROWS = st.integers(0, 3)
DRAWS = st.integers(-1, 9)
POSITIVE: Maker = lambda d: d.shares("n", "k") + 0.01  # noqa: E731
BLOCKS: Maker = lambda d: torch.randn(d.size("o"), d(st.sampled_from([32, 64, 31])), generator=d.generator())  # noqa: E731
CHAPTER_5: list[Case] = [
    case("laser.intervals:of_means", statistic=st.just(lambda m: m[:, 0]), rows=floats("n", "k"), draws=DRAWS,
         level=NUMBERS, axis_n=ROWS),
    case("laser.intervals:factor", after=lambda d: d.shares("n", "2") + 0.01, axis_n=ROWS,
         before=lambda d: d.shares("n", "2") + 0.01),
    case("laser.clusters:interval_of_grouped_mean", change=floats("n"), axis_n=ROWS, draws=DRAWS, level=NUMBERS,
         groups=st.lists(st.integers(0, 3), min_size=1, max_size=4)),
    case("laser.intervals:part_lost", after=lambda d: d.floats("n").abs(), before=lambda d: d.floats("n").abs() + 0.1,
         axis_n=ROWS),
    case("laser.rates:of_tries", within=SHARE),
    case("laser.rates:of_parts", parts=st.lists(st.floats(0, 1), max_size=3), within=SHARE),
    case("laser.prompts:ratio_interval", p=POSITIVE, draws=DRAWS, level=NUMBERS, axis_k=FEW, axis_n=ROWS),
    case("laser.prompts:log_ratio_gain", p=POSITIVE, other=POSITIVE, draws=DRAWS, axis_k=FEW, axis_n=ROWS),
    case("laser.study_values:interval_of_mean", change=floats("n"), axis_n=ROWS, draws=DRAWS, level=NUMBERS),
    case("laser.study_values:paired_change", after=floats("n"), before=floats("n"), axis_n=ROWS),
    case("laser.association:association", keys=unit("1", "i"), v=floats("o"),
         C=lambda d: torch.eye(d.size("i"), dtype=torch.float64)),
    case("laser.association:second_moment", K=floats("n", "i"), ridge=st.just(0.1)),
    case("laser.association:spread_over", cities=st.lists(st.sampled_from("abcdef"), max_size=5)),
    case("laser.directions:quantile", values=st.lists(st.floats(-9, 9), max_size=4), part=NUMBERS),
    case("laser.directions:singled_out"),
    case("laser.directions:constancy", along=floats("n", "few"), within=SHARE),
    case("laser.quantisation:steps", W=BLOCKS),
    case("laser.quantisation:noise", W=BLOCKS, step=st.none()),
    case("laser.preposition_ranks:median"),
    case("laser.plain:without_terms", W=floats("o", "i"), dropped=st.lists(st.integers(-1, 3), max_size=3)),
    case("laser.data.function_words:is_function_word"),
    case("laser.data.gsm8k:predicted_answer"),
    case("laser.data.gsm8k:exact_match", problems=st.just([])),
    case("laser.data.gsm8k:few_shot_prompt", examples=st.just([])),
    case("laser.data.ioi:one_token_names", encode=st.just(lambda text: list(text.encode()))),
    case("laser.data.english:name_prompts"),
    case("laser.english_runs:pythia_steps"),
    case("laser.exercises:lowered", alpha=st.floats(0.1, 0.9), c=st.floats(-9, 9), within=SHARE),
]  # fmt: skip
PASSES = st.sampled_from([lambda N: N < 3, lambda N: True, lambda N: False])
COUNTS = st.just(load_counts())
RECALL: dict[str, Maker] = {"W": floats("o", "i"), "keys": floats("n", "i"), "values": floats("n", "o")}
SHARED: list[Case] = [
    case("shared.recall:memory_map", W=floats("o", "i"), keys=floats("n", "i"), values=floats("m", "o")),
    case("shared.recall:memory_recall", **RECALL, weights=maybe(lambda d: d.whole(4, "n").double() + 1),
         targets=maybe(whole("n", "n")), within=SHARE),
    case("shared.recall:memory_recall", **RECALL, weights=lambda d: d.floats("n") * d(st.sampled_from([0, math.nan])),
         targets=st.none(), within=SHARE,
         fails="recall.py decides the records of induction and the claims ih.* in results/paper"),
    case("shared.recall:previous_token_recall", W_K1=floats("d", "d"), P=floats("T", "d"), within=SHARE, window=WINDOW),
    case("shared.recall:feed_forward_kl", W_F=floats("d", "d"), W_E=floats("N", "d"), W_U=floats("N", "d"),
         pi_b=shares("N", "N"), weights=maybe(shares("N"))),
    case("shared.embeddings:random_embeddings", std=st.sampled_from([1.0, 0.0, -1.0, math.nan, 1e-30])),
    case("shared.embeddings:orthonormal_embeddings", d=st.integers(-1, 12), within=(-1, 1)),
    case("shared.chains:cumulative", rows=shares("R", "V")),
    case("shared.capacity_search:candidates", low=st.integers(-1, 5), high=st.integers(-1, 50),
         ratio=NUMBERS.filter(lambda ratio: not 1 < ratio < 1.01)),
    case("shared.capacity_search:capacity_by_bisection", passes=PASSES,
         numbers=st.lists(st.integers(1, 9), unique=True, max_size=5).map(sorted)),
    case("shared.truncation:rank_of"),
    case("shared.bigrams:shakespeare_task", K=st.integers(-1, 70), T=st.integers(0, 5)),
    case("shared.bigrams:sample", device=st.none()),
    case("shared.shakespeare:encode", counts=COUNTS),
    case("shared.shakespeare:decode", counts=COUNTS, tokens=whole(65, "n"), least=0),
    case("shared.simplified:embed", z=whole("N", "B", "T"), W_E=floats("N", "d"), P=floats("T2", "d")),
    case("shared.simplified:causal_attention", queries=floats("B", "T", "d"), keys=floats("B", "T", "d"), within=SHARE),
    case("shared.tabulated:blocks", T=st.integers(0, 40)),
    case("shared.tabulated:look_up", z=whole("V", "b", "T"),
         table=lambda d: d.floats("V", "h").new_ones(d.size("V") + d.size("T"), d.size("h"))),
    case("shared.tabulated:through_softmax", grad_attention=floats("b", "q", "k"), attention=shares("b", "q", "k")),
]  # fmt: skip
ALL = [*CHAPTER_1, *CHAPTER_5, *SHARED]
