"""The simplified transformer against loops over positions, closed forms and finite choices of what is trained."""

import math

import pytest
import torch

from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer

N, T, d, B = 7, 11, 13, 3


def build(seed=0, **changes):
    config = SimplifiedConfig(**(dict(N=N, T=T, d=d) | changes))
    return SimplifiedTransformer(config, torch.Generator().manual_seed(seed)).double()


def tokens(length=T):
    return torch.randint(N, (B, length), generator=torch.Generator().manual_seed(9))


def by_hand(model, sequence):
    """Section 4.2 position by position, on column vectors; returns logits, maps and streams."""
    with torch.no_grad():
        x = [model.W_E[k] + model.P[t] for t, k in enumerate(sequence.tolist())]
        initial, streams, maps = x, [x], []
        layers = [(model.W_K1, model.W_V1, model.W_O1)]
        if model.config.n_layers == 2:
            layers.append((model.W_K2, model.W_V2, model.W_O2))
        for W_K, W_V, W_O in layers:
            after, rows = [], []
            for q in range(len(x)):
                scores = torch.stack([x[q] @ (W_K @ x[k]) / math.sqrt(model.config.d) for k in range(q + 1)])
                weights = scores.exp() / scores.exp().sum()
                after.append(x[q] + W_O @ W_V @ sum(w * x[k] for k, w in enumerate(weights)))
                rows.append(torch.cat([weights, weights.new_zeros(len(x) - q - 1)]))
            x = after
            maps.append(torch.stack(rows))
            streams.append(x)
        if model.config.feed_forward == "after_layer_2":
            x = [y + model.W_F @ y for y in x]
        elif model.config.feed_forward == "before_attention":
            x = [y + model.W_F @ y0 for y, y0 in zip(x, initial, strict=True)]
        if model.config.feed_forward != "none":
            streams.append(x)
        return torch.stack([model.W_U @ y for y in x]), maps, [torch.stack(s) for s in streams]


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("feed_forward", ["none", "after_layer_2", "before_attention"])
def test_trace_and_forward_match_a_loop_over_positions(n_layers, feed_forward):
    # Oracle: the loop above, float64, 1e-10.
    model = build(n_layers=n_layers, feed_forward=feed_forward, trained=("W_K1",))
    z = tokens()
    trace, logits = model.trace(z), model(z)
    close = dict(atol=1e-10, rtol=1e-10)
    for b in range(B):
        expected, maps, streams = by_hand(model, z[b])
        torch.testing.assert_close(logits[b], expected, **close)
        torch.testing.assert_close(trace.logits[b], expected, **close)
        assert len(trace.attention) == len(maps) and len(trace.streams) == len(streams)
        for mine, hand in zip(trace.attention, maps, strict=True):
            torch.testing.assert_close(mine[b], hand, **close)
        for mine, hand in zip(trace.streams, streams, strict=True):
            torch.testing.assert_close(mine[b], hand, **close)


def test_later_tokens_change_nothing_earlier():
    # Oracle: equality of the logits before the changed token, inequality from it on.
    model = build()
    z = tokens()
    changed = z.clone()
    changed[:, 6] = (changed[:, 6] + 1) % N
    difference = (model(z) - model(changed)).abs().amax(-1)
    assert bool((difference[:, :6] == 0).all()) and bool((difference[:, 6:] > 0).all())


def test_shorter_sequences_are_prefixes_and_longer_ones_refused():
    # Oracle: the model's own answer for the full length; the sentence.
    model = build()
    z = tokens()
    torch.testing.assert_close(model(z[:, :5]), model(z)[:, :5], atol=1e-12, rtol=1e-12)
    for run in (model, model.trace):
        with pytest.raises(ValueError, match="the sequences have 12 positions; this model has 11"):
            run(tokens(12))


@pytest.mark.parametrize(
    ("feed_forward", "trained"),
    [
        ("none", ()),
        ("none", ("W_K1", "W_K2", "W_O2")),
        ("none", ("W_V1", "W_O1", "W_V2")),
        ("after_layer_2", ("W_F",)),
        ("before_attention", ("W_O2", "W_F")),
    ],
)
def test_exactly_the_named_matrices_receive_gradients(feed_forward, trained):
    # Oracle: the names.
    model = build(feed_forward=feed_forward, trained=trained)
    loss = model(tokens()).logsumexp(-1).sum()
    assert loss.requires_grad == bool(trained)
    if trained:
        loss.backward()
    with_gradient = {name for name, p in model.named_parameters() if p.grad is not None and bool((p.grad != 0).any())}
    assert with_gradient == set(trained) == {name for name, p in model.named_parameters() if p.requires_grad}


def test_matrices_that_exist():
    # Oracle: the list of section 4.2.
    def names(**changes):
        return {name for name, _ in build(**changes).named_parameters()} - {"W_E", "P", "W_U"}

    assert names() == {"W_K1", "W_V1", "W_O1", "W_K2", "W_V2", "W_O2"}
    assert names(feed_forward="after_layer_2") == names() | {"W_F"}
    assert names(n_layers=1, trained=("W_K1",)) == {"W_K1", "W_V1", "W_O1"}


@pytest.mark.parametrize(("embedding_std", "expected"), [(1.0, 1.0), (0.25, 0.25), (None, 101**-0.5)])
@pytest.mark.parametrize("matrix_init", ["gaussian", "uniform"])
def test_initial_scales(embedding_std, expected, matrix_init):
    # Oracle: standard deviations of the stated distributions, within 5 standard errors; the uniform's bounds.
    width = 101
    sizes = dict(N=103, T=107, d=width, feed_forward="after_layer_2")
    model = build(embedding_std=embedding_std, matrix_init=matrix_init, **sizes)

    def relative_error(p, std):
        return abs(p.std().item() / std - 1) * math.sqrt(2 * p.numel())

    assert relative_error(model.W_E, expected) < 5 and relative_error(model.P, expected) < 5
    assert relative_error(model.W_U, width**-0.5) < 5
    for name in model.config.matrices:
        matrix = getattr(model, name)
        if matrix_init == "gaussian":
            assert relative_error(matrix, width**-0.5) < 5
            assert matrix.abs().max() > 2 * width**-0.5
        else:
            assert relative_error(matrix, (3 * width) ** -0.5) < 5
            assert matrix.abs().max() <= width**-0.5


def test_unit_norm_embeddings_attend_evenly_at_initialisation():
    # Oracle: the entropy of an even spread, log(t + 1); Birth section 4.1.
    model = build(d=499, embedding_std=None)
    for attention in model.trace(tokens()).attention:
        entropy = torch.special.entr(attention).sum(-1)
        assert bool((entropy >= 0.98 * torch.arange(1, T + 1).log()).all())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(N=0), "N is 0; it must be at least 1."),
        (dict(d=-3), "d is -3; it must be at least 1."),
        (dict(n_layers=1), "trained names 'W_K2'; this model's matrices are W_K1, W_V1, W_O1."),
        (
            dict(trained=("W_F",)),
            "trained names 'W_F'; this model's matrices are W_K1, W_V1, W_O1, W_K2, W_V2, W_O2.",
        ),
        (
            dict(trained=("W_E",)),
            "trained names 'W_E'; this model's matrices are W_K1, W_V1, W_O1, W_K2, W_V2, W_O2.",
        ),
        (dict(embedding_std=0.0), "embedding_std is 0.0; it must be > 0, or None for 1/sqrt(d)."),
    ],
)
def test_impossible_settings_are_refused_in_one_sentence(changes, message):
    # Oracle: the sentence.
    with pytest.raises(ValueError) as caught:
        SimplifiedConfig(**(dict(N=N, T=T, d=d) | changes))
    assert str(caught.value) == message
