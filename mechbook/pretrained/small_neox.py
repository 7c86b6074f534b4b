"""A GPT-NeoX small enough to train in a chapter: Pythia's architecture, from transformers, our initial weights.

Each layer reads its normalised input with attention and with the feed-forward block side by side, and adds both. The
matrices are named as in Pythia: attention.query_key_value (fused), attention.dense, mlp.dense_h_to_4h (Chen et al.'s
"input matrix"), mlp.dense_4h_to_h.
"""

from dataclasses import dataclass

import torch
from torch import Generator, nn
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

# Pythia's: standard deviation of weights at the start
INITIAL_SD = 0.02


@dataclass(frozen=True, kw_only=True)
class SmallNeoXConfig:
    """Sizes: vocabulary N, longest input T, width d, layers, heads. Raises ValueError unless the heads divide d."""

    N: int
    T: int
    d: int = 128
    n_layers: int = 4
    n_heads: int = 4

    def __post_init__(self) -> None:
        for name in ("N", "T", "d", "n_layers", "n_heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        if self.d % self.n_heads:
            raise ValueError(f"n_heads is {self.n_heads} and d is {self.d}; the number of heads must divide d.")


def small_neox(config: SmallNeoXConfig, generator: Generator) -> GPTNeoXForCausalLM:
    """Return the model with weights N(0, 0.02^2) from `generator`, biases 0 and LayerNorms 1, on the CPU."""
    # transformers draws weights of its own from torch's global stream, which is left as it was
    with torch.random.fork_rng(devices=[]):
        model = GPTNeoXForCausalLM(
            GPTNeoXConfig(
                vocab_size=config.N,
                hidden_size=config.d,
                num_hidden_layers=config.n_layers,
                num_attention_heads=config.n_heads,
                intermediate_size=4 * config.d,
                max_position_embeddings=config.T,
                use_cache=False,
                bos_token_id=None,
                eos_token_id=None,
            )
        )
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                module.weight.normal_(0.0, INITIAL_SD, generator=generator)
            if isinstance(module, nn.Linear) and module.bias is not None:
                module.bias.zero_()
    return model.eval()
