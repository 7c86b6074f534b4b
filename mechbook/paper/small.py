"""The papers' presets shrunk to seconds, to try the whole way of recording: `python -m mechbook.paper --small`.

Its records have the names of real ones, so they are kept in a folder of their own (MECHBOOK_RECORDS).
"""

from mechbook.core.presets import replace
from mechbook.hops import recorded as hops
from mechbook.hops.presets import PAPER as HOPS_PAPER
from mechbook.hops.presets import HopsPreset
from mechbook.induction import recorded as induction
from mechbook.induction.presets import PAPER, InductionPreset
from mechbook.noisy import recorded as noisy
from mechbook.noisy.presets import PAPER as NOISY_PAPER
from mechbook.noisy.presets import NoisyPreset, Schedule
from mechbook.paper.everything import Theme

TINY: InductionPreset = replace(
    PAPER,
    T=8,
    short_T=8,
    K=3,
    hand_d=16,
    d=8,
    batch_size=4,
    steps=40,
    frozen_steps=20,
    released_steps=40,
    seeds=2,
    few_seeds=1,
    all_tokens=replace(PAPER.all_tokens, d=8, batch_size=4, trigger_steps=10, output_steps=10),
    length=replace(PAPER.length, T=8, d=8, batch_size=4, steps=4),
    realistic=replace(PAPER.realistic, T=8, batch_size=4, steps=4, short_steps=4),
    dimension=replace(PAPER.dimension, batch_size=4, lrs=(0.2, 0.5), steps=5, wide_steps=5, patient_steps=6),
    vanilla=replace(PAPER.vanilla, d=8, batch_size=4, fixed_steps=4, random_steps=4, heads_steps=4),
)
INDUCTION = Theme(name="induction", setup=TINY, runs=induction.runs, claims=induction.CLAIMS)

HOPS_TINY: HopsPreset = replace(
    HOPS_PAPER,
    seeds=2,
    few_seeds=2,
    n=3,
    d=8,
    n_heads=1,
    steps=10,
    batch_size=4,
    record_every=5,
    direct_factor=1,
    shallow_factor=1,
    scaling=replace(HOPS_PAPER.scaling, n=3, steps=10, batch_size=2),
    heads=replace(HOPS_PAPER.heads, T=32, letters=3, steps=5, batch_size=2, record_every=5, n_heads=1),
)
HOPS = Theme(name="hops", setup=HOPS_TINY, runs=hops.runs, claims=hops.CLAIMS)

SHORT = Schedule(steps=6, batch=4, lr=0.03)
NOISY_TINY: NoisyPreset = replace(
    NOISY_PAPER,
    seeds=2,
    T=32,
    d=8,
    steps=6,
    batch=4,
    other_d=(16,),
    levels=tuple((alpha, SHORT) for alpha, _ in NOISY_PAPER.levels),
    several=SHORT,
    clean=SHORT,
    fine_tuned=SHORT,
    mlp_linear=SHORT,
    linear_mlp=SHORT,
    no_blocks=SHORT,
    margins=replace(NOISY_PAPER.margins, N=16, T=64, sizes=(10, 30, 100), updates=20, sequences=2048),
    needs=replace(NOISY_PAPER.needs, N=(16, 32), T=(4, 8, 16, 32), batch=10, updates=10),
    table_2=replace(NOISY_PAPER.table_2, N=11, T=64, sequences=2000),
    key_query=replace(NOISY_PAPER.key_query, short=(16, 32), long=(16, 32), N=16, sequences=500),
    flip=replace(NOISY_PAPER.flip, N=16, T=128, sequences=500),
    figure_6=replace(NOISY_PAPER.figure_6, runs=4, sets=3, steps=500),
    alpha_vs_n=replace(NOISY_PAPER.alpha_vs_n, steps=500),
    theorem_2=replace(NOISY_PAPER.theorem_2, lr=0.1, steps=2000),
)
NOISY = Theme(name="noisy", setup=NOISY_TINY, runs=noisy.runs, claims=noisy.CLAIMS)

SMALL: tuple[Theme, ...] = (INDUCTION, NOISY, HOPS)
