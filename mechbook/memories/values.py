"""The values of chapter 1's claims: what the chapter reports for each seed and the criteria read."""

from mechbook.claims.values import Values

ORTHOGONAL = (16, 32, 64, 128, 256, 512, 1024)
"""The dimensions in which random vectors are nearly orthogonal."""
REMAPPED = (8, 16, 32, 64)
"""The dimensions of remapped vectors."""
FORMS = {"injective": "an injective map", "many": "a many-to-one map"}
SCHEMES = {"p": "weights p(x)", "root": "weights p(x)^(1/2)", "top": "only the most frequent inputs"}
"""The ways of storing inputs that follow Zipf's law."""

NEAR_ORTHOGONAL = Values(
    "am.near_orthogonal",
    **{f"d{d}": f"sqrt(d) times the deviation of inner products, d = {d}" for d in ORTHOGONAL},
    **{f"norm_d{d}": f"sqrt(2d) times the deviation of norms from 1, d = {d}" for d in ORTHOGONAL},
)
REMAP = Values(
    "am.remap",
    **{
        f"{name}_{d}": f"{words}, d = {d}"
        for d in REMAPPED
        for name, words in {
            "variance": "measured variance of x^T W x",
            "error": "its standard error",
            "derived": "the derived variance",
            "printed": "the variance as printed",
            "norm": "measured variance of |W x|^2 about 1",
            "norm_error": "its standard error",
            "norm_derived": "the derived variance of |W x|^2",
        }.items()
    },
)
RECALL_OUTER_PRODUCT = Values(
    "am.recall_outer_product",
    **{
        f"{name}_{form}": f"{words}, {map_words}"
        for form, map_words in FORMS.items()
        for name, words in {
            "variance": "measured variance of crosstalk",
            "error": "its standard error",
            "derived": "the closed form",
            "wrong": "weights 0.5 to 2: mean square of wrong scores over the closed form",
            "wrong_error": "its standard error",
            "right": "the same of right scores about their weights",
            "right_error": "its standard error",
            "centre": "mean of right scores less their weights, over the predicted deviation",
            "centre_error": "its standard error",
        }.items()
    },
)
CAPACITY_OUTER = Values("am.capacity_outer", "the slope of log(N log N) against log d")
CAPACITY_OUTER_SHARED = Values(
    "am.capacity_outer_shared",
    d="the slope of log N against log d, M fixed",
    M="the slope of log(N z^2 (1 + M/d)) against log M, d fixed",
    M_second="as read at second: the slope of log(N z^2) against log M",
    M_plain="as first read: the slope of log N against log M",
)
CAPACITY_TRAINED = Values("am.capacity_trained", "the slope of log(N log N) against log d")
CAPACITY_MLP = Values("am.capacity_mlp", "the slope of log(N log N) against log(m d)")
FACTORISED = Values(
    "am.factorised",
    recall="recall at d' = d",
    full="recall of the full matrix on the same pairs",
    strength="mean right score at d' = d over the full matrix'",
    by_U="the same by the step of U alone, with V as it was drawn",
    by_V="the same by the step of V alone, with U as it was drawn",
)
MLP_FILTER = Values(
    "am.mlp_filter",
    mlp="recall of the filter at one N",
    linear="recall of the outer-product memory on the same pairs",
    sets="recall of the filter with sets as keys",
)
SETS = Values(
    "am.sets",
    linear="recall of the table of sums by the best linear memory, of rank two",
    outer="as first read: the same by the outer-product memory",
    mlp="the same by an MLP in the same dimension",
)
SCALING_LAW = Values(
    "am.scaling_law",
    **{
        f"{name}_{scheme}": f"{words}, {scheme_words}"
        for scheme, scheme_words in SCHEMES.items()
        for name, words in {
            "fitted": "the fitted exponent",
            "expected": "the exponent of the expected errors, same sizes",
            "endless": "the exponent of the expected errors, inputs without end",
            "derived": "the derived exponent",
        }.items()
    },
)
MUON_WRITER = Values(
    "am.muon_writer",
    gradient="pairs that one gradient step recalls in the largest d",
    polar="pairs that one step along its polar factor recalls there",
    exponent_gradient="fitted exponent of the gradient step's error in 1/d",
    exponent_polar="the same of the polar factor's",
)
DELTA_RULE = Values(
    "am.delta_rule",
    newest="recall of the newest quarter by the delta rule",
    oldest="recall of the oldest quarter by the delta rule",
    hebb_high="the largest of Hebb's recalls of a quarter",
    hebb_low="the smallest of them",
    least_squares="recall of all pairs by least squares",
)
