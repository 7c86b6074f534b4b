"""What each of two factors has learned by its own step: a half of what the full matrix stores (Birth, appendix D)."""

import torch

from mechbook.memories.other_forms import factorised_memory, factorised_product
from mechbook.memories.outer_product import draw_embeddings, outer_product_memory, scores
from mechbook.memories.presets import MemoriesPreset
from mechbook.memories.streams import STREAMS


def factor_shares(setup: MemoriesPreset, seed: int) -> tuple[float, float]:
    """Mean right score by U's step alone (V as drawn) and by V's step alone, over the full matrix', at d' = d.

    In expectation a half each, in W = d/(2d') U V. Means over memories of the preset's smaller number of pairs.
    """
    how, N = setup.factors, setup.factors.N[0]
    generator, found = STREAMS.generator("shares of two factors", seed), torch.zeros(2, dtype=torch.float64)
    for _ in range(how.memories):
        u = draw_embeddings(N, how.d, generator=generator, unit_norm=True)
        v = draw_embeddings(N, how.d, generator=generator, unit_norm=True)
        state = generator.get_state()
        U, V = factorised_memory(u, v, how.d, generator=generator)
        # the same draw without a step: what the factors were
        U_0, V_0 = factorised_memory(u, v, how.d, generator=generator.set_state(state), step=0.0)
        whole = scores(outer_product_memory(u, v), u, v).diagonal().mean()
        for place, product in enumerate((factorised_product(U - U_0, V_0), factorised_product(U_0, V - V_0))):
            found[place] += float(scores(product, u, v).diagonal().mean() / whole) / how.memories
    first, second = found.tolist()
    return first, second
