"""The page's models against PyTorch's. Oracle: the same weights, as shipped, in the package's own models in float64."""

import base64
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from mechbook.shared.recall import memory_map, memory_recall, previous_token_recall
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer
from mechbook.widgets.weights import pack, round_weights
from tests.browser.browser import library_page

FORWARD = """async ([kind, options, description, bytes, tokens]) => {
  const data = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  const model = mechbook.engine[kind](await mechbook.engine.unpack(description, data), options);
  const { logits, attention } = model.forward(tokens);
  return { logits: Array.from(logits), attention: attention.flat().map((map) => Array.from(map)) };
}"""
UNPACK = """async ([description, bytes]) => {
  const data = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  return Array.from((await mechbook.engine.unpack(description, data)).all.data);
}"""
CALL = """async ([name, description, bytes, rest]) => {
  const data = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  const tensors = Object.values(await mechbook.engine.unpack(description, data));
  const found = mechbook.engine[name](...tensors, ...rest);
  return typeof found === "number" ? found : Array.from(found.data);
}"""


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    with library_page(browser) as found:
        yield found


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def in_page(page: Any, kind: str, options: dict[str, Any], model: torch.nn.Module, z: Tensor, dtype: str) -> Any:
    """Logits and maps of the page, after putting the weights as shipped into `model` too, in float64."""
    state = dict(model.state_dict())
    packed = pack(state, dtype=dtype)
    model.load_state_dict(round_weights(state, dtype=dtype))
    model.double()
    data = base64.b64encode(packed.data).decode()
    return page.evaluate(FORWARD, [kind, options, packed.description, data, z[0].tolist()])


def compare(found: Any, trace: Any, T: int) -> None:
    """Logits and every attention map agree to 1e-4."""
    torch.testing.assert_close(
        torch.tensor(found["logits"], dtype=torch.float64).view(T, -1), trace.logits[0], rtol=0, atol=1e-4
    )
    maps = torch.cat([layer[0].reshape(-1, T, T) for layer in trace.attention])
    assert len(found["attention"]) == len(maps)
    torch.testing.assert_close(
        torch.tensor(found["attention"], dtype=torch.float64).view(-1, T, T), maps, rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("feed_forward", ["none", "after_layer_2", "before_attention"])
@pytest.mark.parametrize("n_layers", [1, 2])
def test_simplified(page: Any, dtype: str, feed_forward: Any, n_layers: Any) -> None:
    config = SimplifiedConfig(
        N=23, T=19, d=29, n_layers=n_layers, feed_forward=feed_forward, trained=(), matrix_init="uniform"
    )
    model = SimplifiedTransformer(config, generator(3))
    z = torch.randint(23, (1, 17), generator=generator(5))
    found = in_page(page, "simplified", {"feedForward": feed_forward}, model, z, dtype)
    compare(found, model.trace(z), 17)


@pytest.mark.parametrize(("n", "k", "m"), [(17, 47, 53), (64, 128, 65), (3, 4, 5)])
@pytest.mark.parametrize("add", [False, True])
def test_large_products_are_the_kernels(page: Any, n: int, k: int, m: int, add: bool) -> None:
    """Oracle: PyTorch in float64; and the same sums in double precision, where there are no kernels."""
    x, W, first = (torch.randn(*shape, generator=generator(sum(shape))) for shape in ((n, k), (m, k), (n, m)))
    script = """([x, n, k, W, m, first, add]) => {
      const { apply, useProduct } = mechbook.engine, floats = (values) => Float32Array.from(values);
      const run = () => Array.from(apply(floats(x), n, k, floats(W), m, floats(first), add));
      const fast = run();
      useProduct(null);
      const plain = run();
      useProduct(mechbook.training.compiledProduct);
      return [fast, plain];
    }"""
    given = [x.flatten().tolist(), n, k, W.flatten().tolist(), m, first.flatten().tolist(), add]
    fast, plain = page.evaluate(script, given)
    expected = (x.double() @ W.double().T + (first.double() if add else 0)).flatten()
    torch.testing.assert_close(torch.tensor(fast).double(), expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(torch.tensor(plain).double(), expected, rtol=1e-6, atol=1e-5)
    # small ones stay in double precision
    assert (fast == plain) == (n * k * m < 2**15)


def call(page: Any, name: str, tensors: dict[str, Tensor], *rest: Any) -> Any:
    packed = pack(tensors, dtype="float32")
    return page.evaluate(CALL, [name, packed.description, base64.b64encode(packed.data).decode(), list(rest)])


def test_the_map_of_an_associative_memory(page: Any) -> None:
    W, keys, values = (torch.randn(n, m, generator=generator(n)) for n, m in ((11, 13), (7, 13), (5, 11)))
    shown = torch.tensor(call(page, "memoryMap", {"W": W, "keys": keys, "values": values})).view(5, 7)
    torch.testing.assert_close(shown, memory_map(W, keys, values), rtol=1e-5, atol=1e-4)


def test_recall_counts_columns_whose_best_row_is_their_own(page: Any) -> None:
    keys, values = torch.randn(13, 7, generator=generator(1)), torch.randn(13, 5, generator=generator(2))
    W = torch.einsum("no,ni->oi", values, keys)
    shown = memory_map(W, keys, values)
    weights = torch.arange(1.0, 14.0)
    expected = memory_recall(W, keys, values, weights)
    assert 0 < float(expected) < 1
    assert call(page, "recall", {"map": shown}, weights.tolist()) == pytest.approx(float(expected), abs=1e-6)


def test_recall_of_the_previous_position_looks_at_earlier_keys_only(page: Any) -> None:
    P = torch.randn(17, 9, generator=generator(1))
    W = torch.einsum("no,ni->oi", P[1:], P[:-1])
    expected = previous_token_recall(W, P, (3, 17))
    assert 0 < float(expected) < 1
    found = call(page, "previousRecall", {"map": memory_map(W, P, P)}, 3, 17)
    assert found == pytest.approx(float(expected), abs=1e-6)


def test_softmax_of_large_values(page: Any) -> None:
    values = [1000.0, 1001.0, -1000.0, 999.0]
    found = page.evaluate("(v) => Array.from(mechbook.engine.softmax(Float32Array.from(v)))", values)
    assert found == pytest.approx(torch.tensor(values).double().softmax(0).tolist(), abs=1e-7)


@pytest.mark.parametrize(("tokens", "words"), [([], "1 to 3"), ([0, 1, 2, 0], "1 to 3"), ([5], "0 to 4")])
def test_a_sequence_that_does_not_fit_is_refused(page: Any, tokens: list[int], words: str) -> None:
    model = SimplifiedTransformer(SimplifiedConfig(N=5, T=3, d=2), generator(0))
    packed = pack(model.state_dict(), dtype="float32")
    data = base64.b64encode(packed.data).decode()
    with pytest.raises(Exception, match=words):
        page.evaluate(FORWARD, ["simplified", {}, packed.description, data, tokens])


def test_every_float16_arrives(page: Any) -> None:
    words = torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.float16).float()
    finite = words[words.isfinite()]
    packed = pack({"all": finite}, dtype="float16")
    found = page.evaluate(UNPACK, [packed.description, base64.b64encode(packed.data).decode()])
    assert torch.equal(torch.tensor(found), finite)
    assert math.isclose(float(finite.max()), 65504)
