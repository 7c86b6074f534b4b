"""The attention heads of a transformers model, by one view for Llama, GPT-NeoX and GPT-2.

A head's output z_h (head_dim numbers at each position) is multiplied by its slice of the output projection and added to
the residual stream, so z_h is where a head is read and replaced.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

# model type: the list of layers, the output projection within a layer, the last normalisation
_PLACES = {
    "llama": ("model.layers", "self_attn.o_proj", "model.norm"),
    "gpt_neox": ("gpt_neox.layers", "attention.dense", "gpt_neox.final_layer_norm"),
    "gpt2": ("transformer.h", "attn.c_proj", "transformer.ln_f"),
}


@dataclass(frozen=True, eq=False)
class HeadView:
    """Names what circuits need of a model: its output projections, last normalisation and unembedding.

    Raises ValueError for an architecture that is not among those known.
    """

    model: nn.Module

    def __post_init__(self) -> None:
        kind = self.model.config.model_type  # type: ignore[union-attr]
        if kind not in _PLACES:
            raise ValueError(f"heads of a {kind!r} model are not known; they are for {', '.join(_PLACES)}.")

    @property
    def _places(self) -> tuple[str, str, str]:
        return _PLACES[self.model.config.model_type]  # type: ignore[union-attr, index]

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.projections)

    @property
    def n_heads(self) -> int:
        """Number of query heads in a layer."""
        return int(self.model.config.num_attention_heads)  # type: ignore[union-attr, arg-type]

    @property
    def projections(self) -> list[nn.Module]:
        """Each layer's output projection; its input is all heads' outputs side by side."""
        layers, projection, _ = self._places
        return [layer.get_submodule(projection) for layer in self.model.get_submodule(layers)]  # type: ignore[union-attr]

    @property
    def last_norm(self) -> nn.Module:
        """The normalisation in front of the unembedding."""
        return self.model.get_submodule(self._places[2])

    @property
    def W_U(self) -> Float[Tensor, "N d"]:
        """The unembedding."""
        weight: Tensor = self.model.get_output_embeddings().weight  # type: ignore[operator]
        return weight.detach()

    def W_O(self, layer: int) -> Float[Tensor, "heads head_dim d"]:
        """The output matrices of a layer's heads: head h adds z_h @ W_O[h]."""
        projection = self.projections[layer]
        weight = projection.weight.detach()  # type: ignore[union-attr, operator]
        # Conv1D of GPT-2 keeps (input, output), a linear layer (output, input)
        rows = weight.T if isinstance(projection, nn.Linear) else weight
        return rows.reshape(self.n_heads, -1, rows.shape[1])

    def read_out(self, tokens: Tensor) -> Float[Tensor, "n d"]:
        """Vectors r_k such that r_k . x / scale(x) is token k's logit, up to a constant, for the last residual x."""
        norm = self.last_norm
        rows: Tensor = self.W_U[tokens] * norm.weight.detach()  # type: ignore[union-attr, operator]
        # LayerNorm takes the mean of x away, which the rows can do as well; RMSNorm keeps it
        return rows - rows.mean(1, keepdim=True) if isinstance(norm, nn.LayerNorm) else rows

    def scale(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """What the last normalisation divides x by: its standard deviation, or root mean square."""
        norm = self.last_norm
        if isinstance(norm, nn.LayerNorm):
            return (x.var(-1, unbiased=False) + norm.eps).sqrt()
        eps: float = norm.variance_epsilon  # type: ignore[assignment]
        return (x.square().mean(-1) + eps).sqrt()


@torch.no_grad()
def attends(model: nn.Module) -> nn.Module:
    """Set `model` to the attention code that returns its weights, and to evaluation mode; return it."""
    model.set_attn_implementation("eager")  # type: ignore[operator]
    return model.eval()
