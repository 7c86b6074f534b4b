"""A small GPT for the knowledge-capacity experiments, alone or as a stack of G models that are trained side by side.

The architecture is that of `mechbook.shared.vanilla` (pre-LayerNorm, causal heads, ReLU MLP, trained positions); here
every tensor may have a leading axis of models, so that one product serves all of them.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from mechbook.shared.vanilla import VanillaConfig

Weights = dict[str, Tensor]


def initial_gpt(config: VanillaConfig, G: int, generator: torch.Generator) -> Weights:
    """Draw G models' weights, each tensor (G, ...), named as in the state of `VanillaTransformer`.

    W_E, P ~ N(0, 0.3^2); linear maps N(0, 1/fan-in), W_O and W_out divided by sqrt(2 n_layers); biases 0, gains 1.
    """
    d, hidden, home = config.d, config.hidden, generator.device

    def normal(*shape: int, std: float) -> Tensor:
        return torch.randn(G, *shape, generator=generator, device=home) * std

    def norm(name: str) -> Weights:
        return {f"{name}.weight": torch.ones(G, d, device=home), f"{name}.bias": torch.zeros(G, d, device=home)}

    weights = {"W_E": normal(config.N, d, std=0.3), "P": normal(config.T, d, std=0.3)}
    deep = math.sqrt(2 * config.n_layers)
    for layer in range(config.n_layers):
        block = norm("norm_1")
        block |= {name: normal(d, d, std=1 / math.sqrt(d)) for name in ("W_Q", "W_K", "W_V")}
        block |= {"W_O": normal(d, d, std=1 / math.sqrt(d) / deep), **norm("norm_2")}
        block |= {"W_in": normal(hidden, d, std=1 / math.sqrt(d)), "b_in": torch.zeros(G, hidden, device=home)}
        block |= {"W_out": normal(d, hidden, std=1 / math.sqrt(hidden) / deep), "b_out": torch.zeros(G, d, device=home)}
        weights |= {f"blocks.{layer}.{name}": values for name, values in block.items()}
    return weights | norm("norm") | {"W_U": normal(config.N, d, std=1 / math.sqrt(d))}


def parameter_count(weights: Weights) -> int:
    """Parameters of one model of the stack, embeddings, biases and gains included."""
    return sum(values[0].numel() for values in weights.values())


def gpt_logits(weights: Weights, z: Int[Tensor, "G B T"], config: VanillaConfig) -> Float[Tensor, "G B T N"]:
    """Return each model's logits on its own sequences; for G = 1 what `VanillaTransformer` gives.

    Raises ValueError for more than config.T positions.
    """
    G, B, T = z.shape
    if T > config.T:
        raise ValueError(f"the sequences have {T} positions; this model has {config.T}.")
    # one look-up for all models: model g's rows start at g N
    rows = (z + torch.arange(G, device=z.device).view(G, 1, 1) * config.N).flatten()
    x = weights["W_E"].flatten(0, 1).index_select(0, rows).view(G, B * T, config.d)
    x = (x.view(G, B, T, config.d) + weights["P"][:, None, :T]).view(G, B * T, config.d)
    for layer in range(config.n_layers):
        block = {name.split(".", 2)[2]: w for name, w in weights.items() if name.startswith(f"blocks.{layer}.")}
        y = _norm(x, block["norm_1.weight"], block["norm_1.bias"])
        projected = y @ torch.cat([block["W_Q"], block["W_K"], block["W_V"]], 1).mT
        q, k, v = projected.view(G * B, T, 3, config.n_heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(G, B * T, config.d)
        x = x + mixed @ block["W_O"].mT
        y = _norm(x, block["norm_2.weight"], block["norm_2.bias"])
        hidden = torch.relu(torch.baddbmm(block["b_in"].unsqueeze(1), y, block["W_in"].mT))
        x = x + torch.baddbmm(block["b_out"].unsqueeze(1), hidden, block["W_out"].mT)
    y = _norm(x, weights["norm.weight"], weights["norm.bias"])
    return (y @ weights["W_U"].mT).view(G, B, T, config.N)


def _norm(x: Float[Tensor, "G n d"], gain: Float[Tensor, "G d"], bias: Float[Tensor, "G d"]) -> Float[Tensor, "G n d"]:
    return torch.addcmul(bias.unsqueeze(1), F.layer_norm(x, x.shape[-1:]), gain.unsqueeze(1))


def quantise_rows(weights: Weights) -> Weights:
    """Round every matrix to int8 with one scale a row, and return what the integers stand for.

    A row w becomes round(127 w / max|w|) in -127..127, times max|w| / 127; vectors (gains, biases) are one row.
    """
    rounded = {}
    for name, values in weights.items():
        scale = values.abs().amax(-1, keepdim=True) / 127
        rounded[name] = torch.where(scale > 0, torch.round(values / scale.clamp(min=1e-38)), 0.0) * scale
    return rounded
