"""One way to look into pretrained decoders: matrices by name, blocks run one at a time, heads seen and patched.

adapter = adapt(model)                              # of `mechbook.pretrained.architectures`, if it is supported
x = adapter.run(adapter.embed(ids), stop=20)        # the residual stream that enters block 20 (blocks count from 0)
records = {}
x = adapter.run(x, start=20, record=records)        # the blocks from 20 on
adapter.logits(x[:, -1])
records[23].pattern[:, 3, -1]                       # how head 3 of block 23 attends from the last position
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mechbook.pretrained.attend import attend, rotate

Patch = Callable[[int, Float[Tensor, "B T H d_head"]], Float[Tensor, "B T H d_head"]]


@dataclass(frozen=True)
class Matrix:
    """A weight matrix of one block, d_out x d_in whatever its layout in the model: it maps a column x to W x.

    layer: its block, counted from 0
    name: "q", "k", "v", "o", "mlp_in", "mlp_gate" or "mlp_out"; the same for every architecture
    own_name: what the architecture calls the parameter it lies in, such as "attention.query_key_value"
    """

    layer: int
    name: str
    own_name: str
    parameter: nn.Parameter
    select: Callable[[Tensor], Tensor]
    """The part of the parameter that is this matrix: a view of d_out x d_in entries, d_out in one or two dimensions."""

    @property
    def shape(self) -> tuple[int, int]:
        """(d_out, d_in)."""
        view = self.select(self.parameter)
        return view[..., 0].numel(), view.shape[-1]

    def read(self) -> Float[Tensor, "d_out d_in"]:
        """A copy of the matrix."""
        return self.select(self.parameter.detach()).clone().reshape(self.shape)

    def write(self, W: Float[Tensor, "d_out d_in"]) -> None:
        """Put `W` in the matrix's place in the model, the rest of the parameter as it was. ValueError for a shape."""
        if tuple(W.shape) != self.shape:
            raise ValueError(f"W is {tuple(W.shape)}; block {self.layer}'s {self.name!r} is {self.shape}.")
        view = self.select(self.parameter.detach())
        view.copy_(W.reshape(view.shape))


@dataclass(frozen=True)
class BlockRecord:
    """What one block did: T positions were given to it, which attended to the S >= T positions up to theirs.

    x: the residual stream as it entered, B T d
    pattern: attention, from position T to position S, B H T S; rows sum to 1
    z: each head's sum of values weighted by its pattern, B T H d_head; `z @ W_O(layer)[h].T` is what head h writes
    keys, values: of all S positions, with rotation, B H_kv S d_head; what `run(prefix=)` takes
    attention_out, mlp_out: what they add to the residual stream, biases included, B T d
    """

    x: Float[Tensor, "B T d"]
    pattern: Float[Tensor, "B H T S"]
    z: Float[Tensor, "B T H d_head"]
    keys: Float[Tensor, "B H_kv S d_head"]
    values: Float[Tensor, "B H_kv S d_head"]
    attention_out: Float[Tensor, "B T d"]
    mlp_out: Float[Tensor, "B T d"]


class Adapter(ABC):
    """A pretrained decoder seen as blocks over a residual stream; the subclasses name its parts.

    n_layers, n_heads, n_kv_heads: with grouped queries, query head h uses key-value head h // (n_heads / n_kv_heads)
    d_model, d_head, n_vocab: sizes
    matrix_names: those that `matrix` knows for this architecture
    mlp_input: the MLP's input matrix, the one that Chen et al. truncate

    Weights are read from the model at every call, so that edits count at once. Everything runs without gradients and
    without dropout, on the model's device.
    """

    matrix_names: tuple[str, ...]
    mlp_input = "mlp_in"
    parallel = False
    """Whether attention and MLP both read the block's input (Pythia), instead of the MLP reading after attention."""
    writes_as_is = True
    """Whether what attention and MLP write is added as it is. Gemma 3 normalises it first: its heads don't add up."""

    def __init__(self, model: Any) -> None:
        config = model.config
        self.model = model
        self.n_layers: int = config.num_hidden_layers
        self.n_heads: int = config.num_attention_heads
        self.n_kv_heads: int = getattr(config, "num_key_value_heads", None) or self.n_heads
        self.d_model: int = config.hidden_size
        self.d_head: int = getattr(config, "head_dim", None) or self.d_model // self.n_heads
        self.n_vocab: int = config.vocab_size

    # what an architecture has to say

    @abstractmethod
    def matrix(self, layer: int, name: str) -> Matrix:
        """The matrix `name` of block `layer`. ValueError for a block or a name there is not."""

    @abstractmethod
    def _embed(self, ids: Tensor, start: int) -> Tensor: ...

    @abstractmethod
    def _block(self, layer: int) -> Any: ...

    @abstractmethod
    def _attention(self, layer: int) -> Any: ...

    @abstractmethod
    def _norms(self, layer: int) -> tuple[nn.Module, nn.Module]: ...

    @abstractmethod
    def _qkv(self, layer: int, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries B H T d_head, keys and values B H_kv T d_head of normalised inputs B T d, before any rotation."""

    @abstractmethod
    def _rotation(self, layer: int, x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor] | None:
        """Cosines and sines 1 T d_rot of the T positions, in x's type; None where nothing rotates."""

    @abstractmethod
    def _attention_out(self, layer: int, z: Tensor) -> Tensor: ...

    @abstractmethod
    def _final_norm(self) -> nn.Module: ...

    # what an architecture may say

    def _mlp(self, layer: int, h: Tensor) -> Tensor:
        """What is added to the residual stream for the normalised stream h."""
        return self._block(layer).mlp(h)

    def _window(self, layer: int) -> int | None:
        """The last so many positions, its own included, that a position attends to; None for all before it."""
        return None

    # what follows for all of them

    @property
    def W_U(self) -> Float[Tensor, "N d"]:
        """The unembedding: one row a token."""
        return self.model.get_output_embeddings().weight.detach()

    def W_O(self, layer: int) -> Float[Tensor, "H d d_head"]:
        """Each head's output matrix."""
        W = self.matrix(layer, "o").read()
        return W.view(self.d_model, self.n_heads, self.d_head).transpose(0, 1)

    def W_V(self, layer: int) -> Float[Tensor, "H d_head d"]:
        """Each head's value matrix; heads of a group share theirs."""
        return self._per_head(layer, "v")

    def W_Q(self, layer: int) -> Float[Tensor, "H d_head d"]:
        """Each head's query matrix."""
        return self._per_head(layer, "q")

    def W_K(self, layer: int) -> Float[Tensor, "H d_head d"]:
        """Each head's key matrix; heads of a group share theirs."""
        return self._per_head(layer, "k")

    @torch.no_grad()
    def embed(self, ids: Int[Tensor, "B T"], *, start: int = 0) -> Float[Tensor, "B T d"]:
        """The residual stream that enters block 0, for tokens at positions `start`, `start` + 1, ..."""
        return self._embed(ids, start)

    @torch.no_grad()
    def attention_input(self, layer: int, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """What block `layer`'s attention reads of the residual stream `x`: its first norm."""
        return self._norms(layer)[0](x)

    @torch.no_grad()
    def mlp_out(self, layer: int, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """What block `layer`'s MLP writes when its norm reads `x` (after attention; the input if parallel)."""
        return self._mlp(layer, self._norms(layer)[1](x))

    @torch.no_grad()
    def final_norm(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """The norm before the unembedding."""
        return self._final_norm()(x)

    @torch.no_grad()
    def logits(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b N"]:
        """The model's logits from the residual stream that left the last block."""
        return self.model.get_output_embeddings()(self._final_norm()(x))

    @torch.no_grad()
    def run(
        self,
        x: Float[Tensor, "B T d"],
        *,
        start: int = 0,
        stop: int | None = None,
        patch: Patch | None = None,
        record: dict[int, BlockRecord] | None = None,
        prefix: dict[int, BlockRecord] | None = None,
        last_only: bool = False,
    ) -> Float[Tensor, "B T_out d"]:
        """The residual stream after blocks `start`, ..., `stop` - 1 (all the rest by default), given what enters them.

        patch: called with the layer and every head's z, before W_O; what it returns takes their place
        record: a dict that receives what each block did, by layer
        prefix: records of a run over the same prompts; then `x` holds their last T positions only, and the keys and
            values of the positions before come from these records
        last_only: return the last position only; the last block then computes nothing else
        """
        stop = self.n_layers if stop is None else stop
        if not 0 <= start <= stop <= self.n_layers:
            raise ValueError(f"start, stop are {start}, {stop}; the model has blocks 0 to {self.n_layers - 1}.")
        for layer in range(start, stop):
            before = None if prefix is None else prefix[layer]
            x = self._run_block(layer, x, patch, record, before, last_only and layer == stop - 1)
        return x[:, -1:] if last_only else x

    @torch.no_grad()
    def run_many(
        self,
        x: Float[Tensor, "n d"],
        shapes: Sequence[tuple[int, int]],
        *,
        start: int = 0,
        stop: int | None = None,
        last_only: bool = False,
    ) -> Float[Tensor, "n_out d"]:
        """`run` of several batches at once, `shapes` their (B, T), all positions of one after the other's in `x`.

        Only attention tells the batches apart: everything else takes all positions as one matrix, which is faster.
        last_only: return each prompt's last position only.
        """
        stop = self.n_layers if stop is None else stop
        if sum(B * T for B, T in shapes) != len(x):
            raise ValueError(f"the shapes have {sum(B * T for B, T in shapes)} positions; x has {len(x)}.")
        positions = torch.cat([torch.arange(T, device=x.device).repeat(B) for B, T in shapes])
        ends = torch.cat([torch.arange(T, device=x.device).eq(T - 1).repeat(B) for B, T in shapes])
        for layer in range(start, stop):
            norm_1, norm_2 = self._norms(layer)
            q, k, v = self._qkv(layer, norm_1(x)[None])
            if (rotation := self._rotation(layer, x[None], positions)) is not None:
                q, k = rotate(q, *rotation), rotate(k, *rotation)
            cut = last_only and layer == stop - 1
            parts, first = [], 0
            for B, T in shapes:
                mine = slice(first, first := first + B * T)
                q_b, k_b, v_b = (part[0, :, mine].unflatten(1, (B, T)).transpose(0, 1) for part in (q, k, v))
                q_b = q_b[:, :, -1:] if cut else q_b
                scale, window = self._attention(layer).scaling, self._window(layer)
                z, _ = attend(q_b, k_b, v_b, scale, window=window, need_pattern=False)
                parts.append(z.flatten(2).flatten(0, 1))
            if cut:
                x = x[ends]
            middle = x + self._attention_out(layer, torch.cat(parts)[None])[0]
            x = middle + self._mlp(layer, norm_2(x if self.parallel else middle))
        return x[ends] if last_only and len(x) == len(ends) else x

    def _run_block(
        self,
        layer: int,
        x: Tensor,
        patch: Patch | None,
        record: dict[int, BlockRecord] | None,
        before: BlockRecord | None,
        last_only: bool,
    ) -> Tensor:
        norm_1, norm_2 = self._norms(layer)
        T = x.shape[1]
        n_before = 0 if before is None else before.keys.shape[2] - T
        q, k, v = self._qkv(layer, norm_1(x))
        if (rotation := self._rotation(layer, x, torch.arange(n_before, n_before + T, device=x.device))) is not None:
            q, k = rotate(q, *rotation), rotate(k, *rotation)
        if before is not None:
            k = torch.cat([before.keys[:, :, :n_before], k], 2)
            v = torch.cat([before.values[:, :, :n_before], v], 2)
        if last_only:
            x, q = x[:, -1:], q[:, :, -1:]
        scale, window = self._attention(layer).scaling, self._window(layer)
        z, pattern = attend(q, k, v, scale, window=window, need_pattern=record is not None)
        if patch is not None:
            z = patch(layer, z)
        attention_out = self._attention_out(layer, z.flatten(2))
        middle = x + attention_out
        mlp_out = self._mlp(layer, norm_2(x if self.parallel else middle))
        if record is not None and pattern is not None:
            record[layer] = BlockRecord(x, pattern, z, k, v, attention_out, mlp_out)
        return middle + mlp_out

    def _per_head(self, layer: int, name: str) -> Tensor:
        W = self.matrix(layer, name).read()
        W = W.view(-1, self.d_head, self.d_model)
        return W.repeat_interleave(self.n_heads // W.shape[0], 0)

    def _checked(self, layer: int, name: str) -> None:
        if not 0 <= layer < self.n_layers:
            raise ValueError(f"the layer is {layer}; this model's are 0 to {self.n_layers - 1}, counted from 0.")
        if name not in self.matrix_names:
            raise ValueError(f"the matrix is {name!r}; this model's are {', '.join(self.matrix_names)}.")
