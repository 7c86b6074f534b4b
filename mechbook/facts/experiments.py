"""The settings of each experiment of chapter 6, as they follow from the preset.

setup = replace(at_scale(LAPTOP, PAPER), T=16, steps=4096)
linear_settings(setup).run()
"""

from mechbook.facts.capacity import CapacitySettings
from mechbook.facts.construction_size import FewestSettings, HeadLoadSettings, RecallSettings
from mechbook.facts.dynamics import DynamicsSettings
from mechbook.facts.knowledge import KnowledgeSettings, Shape
from mechbook.facts.presets import FactsPreset
from mechbook.facts.tradeoff import TradeoffSettings


def recall_settings(setup: FactsPreset) -> RecallSettings:
    """Both constructions, asked every fact."""
    own = setup.construction
    return RecallSettings(
        S=own.S, D=setup.D, T=setup.T, contexts=own.contexts, d=own.d, d_h=own.d_h, H=own.H, d_mlp=own.d_mlp, m=own.m,
        seeds=setup.seeds,
    )  # fmt: skip


def fewest_settings(setup: FactsPreset) -> FewestSettings:
    """The smallest constructions."""
    return FewestSettings(sizes=setup.construction.sizes, D=setup.D, T=setup.T, seeds=setup.seeds)


def head_load_settings(setup: FactsPreset) -> HeadLoadSettings:
    """What a head can hold."""
    own = setup.construction
    return HeadLoadSettings(
        S=own.S, D=setup.D, T=setup.T, d=own.load_d, d_h=own.load_d_h, tokens=own.load_tokens, seeds=setup.seeds
    )


def capacity_settings(setup: FactsPreset, point: tuple[int, float, float]) -> CapacitySettings:
    """Figure 3, left: the search for the model (d, alpha, beta)."""
    d, alpha, beta = point
    return CapacitySettings(
        d=d, alpha=alpha, beta=beta, D=setup.D, T=setup.T, seeds=setup.seeds, training=setup.capacity.training
    )


def tradeoff_settings(setup: FactsPreset) -> TradeoffSettings:
    """Figure 3, right."""
    own = setup.tradeoff
    return TradeoffSettings(
        S=own.S, D=setup.D, T=setup.T, d=own.d, d_h=own.d_h, H=own.H, m=own.m, seeds=setup.seeds, training=own.training
    )


def linear_settings(setup: FactsPreset) -> DynamicsSettings:
    """Figure 5, left."""
    return DynamicsSettings(
        model="linear", S=setup.S, R=setup.R, D=setup.D, T=setup.T, n_noise=setup.n_noise, lr=setup.linear.lr,
        steps=setup.steps, batch_size=setup.linear.batch_size, init=setup.init, seeds=setup.dynamics_seeds,
    )  # fmt: skip


def softmax_settings(setup: FactsPreset, d: int) -> DynamicsSettings:
    """Figure 5, right, with embeddings of dimension d."""
    return DynamicsSettings(
        model="softmax", S=setup.S, R=setup.R, D=setup.D, T=setup.T, n_noise=setup.n_noise, d=d, lr=setup.softmax.lr,
        steps=setup.steps, batch_size=setup.softmax.batch_size, init=setup.init, seeds=setup.dynamics_seeds,
    )  # fmt: skip


def swapped_settings(setup: FactsPreset) -> DynamicsSettings:
    """Linear attention with few subjects and many relations, where the subject is learned first."""
    own = setup.swapped
    return DynamicsSettings(
        model="linear", S=own.S, R=own.R, D=setup.D, T=setup.T, n_noise=setup.n_noise, lr=own.lr, steps=own.steps,
        batch_size=own.batch_size, init=setup.init, seeds=setup.seeds, test_size=own.test_size,
    )  # fmt: skip


def knowledge_settings(setup: FactsPreset, shape: Shape, N: int, exposures: int) -> KnowledgeSettings:
    """The GPT of one shape, for N people, each seen so often."""
    own = setup.knowledge
    return KnowledgeSettings(
        shape=shape, N=N, exposures=exposures, batch_size=own.batch_size, lr=own.lr, seeds=setup.seeds
    )
