"""All that chapter 5 can be run with: what is tried on a pretrained model, and the small model that is trained.

setup = replace(at_scale(LAPTOP, PAPER), steps=500, seeds=1)
"""

from dataclasses import dataclass

from mechbook.core.presets import require

# of the small GPT-NeoX, which chapter 5 trains
N_HEADS = 4
# the words of the longest prompt about two names, its beginning counted
LONGEST_PROMPT = 15


@dataclass(frozen=True, kw_only=True)
class RoleRules:
    """From which numbers on a head has a role in the IOI circuit.

    attends: "attends to" a token with so much of its attention, on average over prompts
    previous: the same for the token before, on average over all tokens
    copies: raises the logit of a name it attends to above the other names' in this part of the prompts, or more; a head
        that does so in no more than the rest of them pushes the name down
    matters: knocked out alone, it lowers the logit difference by this part of it, at least
    """

    attends: float
    previous: float
    copies: float
    matters: float

    def __post_init__(self) -> None:
        names = ("attends", "previous", "copies", "matters")
        require(self, *((name, 0 < getattr(self, name) <= 1, "in (0, 1]") for name in names))


@dataclass(frozen=True, kw_only=True)
class CloserLook:
    """What else is asked of the pretrained model, on as few prompts as the intervals allow.

    draws: how often a random tenth of the chosen matrix's directions is dropped
    prompts: how many prompts of each task, of half B, these draws, single directions, noise and other blocks are
        measured on; at most as many as there are
    noise_draws, noise_everywhere: how often quantisation noise is drawn for the chosen matrix, and for all matrices
    late_blocks: for how many of the last blocks probabilities are drawn against rho
    curve_rhos: at these rates
    site_pairs: pairs of cities between which activations are patched
    new_countries: cities that are given another country by one association
    """

    draws: int
    prompts: int
    noise_draws: int
    noise_everywhere: int
    late_blocks: int
    curve_rhos: tuple[float, ...]
    site_pairs: int
    new_countries: int

    def __post_init__(self) -> None:
        names = ("draws", "prompts", "noise_draws", "noise_everywhere", "late_blocks", "site_pairs", "new_countries")
        require(
            self,
            *((name, getattr(self, name) >= 1, "1 or more") for name in names),
            ("curve_rhos", _rates(self.curve_rhos), "one rate or more, different ones in [0, 1]"),
        )


@dataclass(frozen=True, kw_only=True)
class LaserPreset:
    """What chapter 5 runs with.

    model: the pretrained model, by its name or its folder (`mechbook.pretrained.load`)
    per_template: IOI sentences of each of the ten templates, even; half of all prompts are to choose an edit on
    facts_on_map, ioi_on_map: how many prompts of each task the map of LASER is made on, at most
    mlp_rhos, attention_rhos: the map's rates for the matrices of the MLP and of attention
    finer_rhos: the rates that are tried where the map is best, on all prompts of half A
    candidates: for how many (matrix, block) of each task
    circuit_per_template: IOI sentences of each template to find heads on, and afresh to knock them out on; even
    random_sets: how many random sets of heads are knocked out for comparison
    roles: when a head has a role in the circuit
    closer: how much else is asked of the pretrained model
    seeds: how often the small GPT-NeoX is trained, each time on other documents from other initial weights
    alpha: how often "the" follows in its language where a name or a country could
    T, d, layers: the words it reads at once, its width, its blocks
    steps, batch_size, lr: updates, documents in each, and AdamW's step size
    english_prompts: how many prompts about two names it is asked
    english_rhos: the rates at which its matrices are cut
    """

    model: str
    per_template: int
    facts_on_map: int
    ioi_on_map: int
    mlp_rhos: tuple[float, ...]
    attention_rhos: tuple[float, ...]
    finer_rhos: tuple[float, ...]
    candidates: int
    circuit_per_template: int
    random_sets: int
    roles: RoleRules
    closer: CloserLook
    seeds: int
    alpha: float
    T: int
    d: int
    layers: int
    steps: int
    batch_size: int
    lr: float
    english_prompts: int
    english_rhos: tuple[float, ...]

    def __post_init__(self) -> None:
        at_least_one = ("facts_on_map", "ioi_on_map", "candidates", "random_sets", "seeds", "layers", "batch_size")
        rates = ("mlp_rhos", "attention_rhos", "finer_rhos", "english_rhos")
        require(
            self,
            ("model", bool(self.model), "a model's name or folder"),
            *((name, _even(getattr(self, name)), "even, 2 or more") for name in _EVEN),
            *((name, getattr(self, name) >= 1, "1 or more") for name in at_least_one),
            *((name, _rates(getattr(self, name)), "one rate or more, different ones in [0, 1]") for name in rates),
            ("alpha", 0 < self.alpha < 1, "between 0 and 1, both excluded"),
            ("T", self.T >= LONGEST_PROMPT, f"{LONGEST_PROMPT} or more, the words of the longest prompt"),
            ("d", self.d >= N_HEADS and self.d % N_HEADS == 0, f"a multiple of its {N_HEADS} heads"),
            ("steps", self.steps >= 1, "1 or more: the last two checkpoints are compared"),
            ("lr", self.lr > 0, "above 0"),
            ("english_prompts", self.english_prompts >= 2, "2 or more: half of them are to choose on"),
        )


_EVEN = ("per_template", "circuit_per_template")


def _even(count: int) -> bool:
    return count >= 2 and count % 2 == 0


def _rates(rhos: tuple[float, ...]) -> bool:
    return bool(rhos) and len(set(rhos)) == len(rhos) and all(0 <= rho <= 1 for rho in rhos)


LAPTOP = LaserPreset(
    model="smollm2-135m",
    per_template=20,
    facts_on_map=12,
    ioi_on_map=20,
    mlp_rhos=(0.01, 0.1, 0.3, 0.6),
    attention_rhos=(0.1,),
    finer_rhos=(0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5),
    candidates=4,
    circuit_per_template=10,
    random_sets=30,
    roles=RoleRules(attends=0.25, previous=0.4, copies=0.9, matters=0.05),
    closer=CloserLook(
        draws=200,
        prompts=30,
        noise_draws=8,
        noise_everywhere=3,
        late_blocks=4,
        curve_rhos=(0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        site_pairs=40,
        new_countries=24,
    ),
    seeds=3,
    alpha=0.5,
    T=32,
    d=128,
    layers=4,
    steps=1500,
    batch_size=20,
    lr=2e-3,
    english_prompts=400,
    english_rhos=(0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
)

# The papers do not train on English themselves: this is a longer training on longer documents.
PAPER = LaserPreset(
    model="smollm2-135m",
    per_template=50,
    facts_on_map=1000,
    ioi_on_map=1000,
    mlp_rhos=(0.01, 0.05, 0.1, 0.2, 0.3, 0.6),
    attention_rhos=(0.01, 0.05, 0.1, 0.2, 0.3, 0.6),
    finer_rhos=(0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5),
    candidates=8,
    circuit_per_template=50,
    random_sets=30,
    roles=RoleRules(attends=0.25, previous=0.4, copies=0.9, matters=0.05),
    closer=CloserLook(
        draws=200,
        prompts=1000,
        noise_draws=20,
        noise_everywhere=8,
        late_blocks=8,
        curve_rhos=(0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        site_pairs=52,
        new_countries=52,
    ),
    seeds=3,
    alpha=0.5,
    T=64,
    d=256,
    layers=4,
    steps=4000,
    batch_size=128,
    lr=2e-3,
    english_prompts=400,
    english_rhos=(0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
)
