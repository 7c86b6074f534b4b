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
    "am.near_orthogonal", **{f"d{d}": f"sqrt(d) times the deviation of inner products, d = {d}" for d in ORTHOGONAL}
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
        }.items()
    },
)
CAPACITY_OUTER = Values("am.capacity_outer", "the slope of log(N log N) against log d")
CAPACITY_OUTER_SHARED = Values("am.capacity_outer_shared", "the slope of log N against log d")
CAPACITY_TRAINED = Values("am.capacity_trained", "the slope of log(N log N) against log d")
CAPACITY_MLP = Values("am.capacity_mlp", "the slope of log(N log N) against log(m d)")
FACTORISED = Values("am.factorised", recall="recall at d' = d", full="recall of the full matrix on the same pairs")
MLP_FILTER = Values(
    "am.mlp_filter",
    mlp="recall of the filter at one N",
    linear="recall of the outer-product memory on the same pairs",
    sets="recall of the filter with sets as keys",
)
SETS = Values(
    "am.sets",
    linear="recall of a set-to-token map by a linear memory",
    mlp="recall of the same map by an MLP in the same dimension",
)
SCALING_LAW = Values(
    "am.scaling_law",
    **{
        f"{name}_{scheme}": f"{words}, {scheme_words}"
        for scheme, scheme_words in SCHEMES.items()
        for name, words in {"fitted": "the fitted exponent", "derived": "the derived exponent"}.items()
    },
)
