"""Data for k-hop reasoning: k-fold composition with hidden permutations, and Sanford et al.'s k-hop induction heads.

Composition, n = 3 values and k = 2 positions. Hidden, fixed: pi_1, pi_2. In context, drawn afresh: sigma_1, sigma_2.
One token for each pair (i, y), carrying sigma_i(y); one hop from (i, y) is sigma_i(pi_i(y)), a value at position i + 1:

    pi_1 = (1 2 0)  sigma_1 = (0 2 1)     token   (1,0) (1,1) (1,2) (2,0) (2,1) (2,2)
    pi_2 = (0 2 1)  sigma_2 = (1 0 2)     carries   0     2     1     1     0     2
                                          1 hop     2     1     0     1     2     0
                                          2 hops    0     2     1     1     0     2

k-hop induction heads: at each place, the letter that followed the letter's last earlier occurrence, k times over
("-" where there is none):

    letters  a b c a b a
    1 hop    - - - b c b
    2 hops   - - - - - c
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Generator, Tensor


@dataclass(frozen=True, eq=False)
class Composition:
    """The task of composing k functions in context (Wang et al. 2025): pi[i] is the hidden permutation of position i.

    Token t = i n + y stands for the pair (i, y). Positions are cyclic: after the last comes the first.
    """

    pi: Int[Tensor, "k n"]

    @property
    def k(self) -> int:
        return self.pi.shape[0]

    @property
    def n(self) -> int:
        return self.pi.shape[1]

    @property
    def T(self) -> int:
        """Tokens in a sequence: one for each pair (i, y)."""
        return self.k * self.n


def draw_composition(n: int, k: int, generator: Generator) -> Composition:
    """Return a task whose hidden permutations are uniform. Raises ValueError for n below 2 or k below 1."""
    if n < 2:
        raise ValueError(f"n is {n}; a permutation to be found out needs 2 values or more.")
    if k < 1:
        raise ValueError(f"k is {k}; there must be 1 position or more.")
    return Composition(random_permutations(1, k, n, generator)[0])


def sample_sigma(task: Composition, B: int, generator: Generator) -> Int[Tensor, "B k n"]:
    """Return B draws of the k permutations in context, uniform: `sigma[b, i, y]` is what token (i, y) carries.

    Raises ValueError for B below 0.
    """
    return random_permutations(B, task.k, task.n, generator)


def random_permutations(B: int, k: int, n: int, generator: Generator) -> Int[Tensor, "B k n"]:
    """Return B k permutations of n values, uniform. Raises ValueError for a negative number of any."""
    if min(B, k, n) < 0:
        raise ValueError(f"B is {B}, k is {k} and n is {n}; none of them can be negative.")
    # the order of n independent uniform numbers is a uniform permutation
    return torch.rand(B, k, n, generator=generator, device=generator.device).argsort(-1)


def sample_sequences(
    task: Composition, B: int, generator: Generator
) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T k"]]:
    """Return B sequences, what each token (i, y) carries, and their targets: where 1, ..., k hops lead from it.

    Raises ValueError for B below 0.
    """
    sigma = sample_sigma(task, B, generator)
    return sigma.reshape(B, task.T), hop_targets(task, sigma).reshape(B, task.T, task.k)


def hop_targets(
    task: Composition, sigma: Int[Tensor, "B k n"], hops: Sequence[int] | None = None
) -> Int[Tensor, "B k n hops"]:
    """Return where r hops lead from each (i, y), for each r of `hops` (None: 1, ..., k).

    hop_r(i, y) = sigma_{i+r-1} pi_{i+r-1} ... sigma_i pi_i (y), positions cyclic (Wang et al. 2025, k = r from i = 1).
    No hop is the identity; where `hops` is empty the last axis is. Raises ValueError for a hop outside 0..k.
    """
    k = task.k
    wanted = range(1, k + 1) if hops is None else hops
    for r in wanted:
        if not 0 <= r <= k:
            raise ValueError(f"{r} hops are asked for; with k = {k} positions they are 0 to {k}.")
    one = sigma.gather(2, task.pi.to(sigma).expand_as(sigma))
    reached = [torch.arange(task.n, device=sigma.device).expand_as(sigma)]
    for r in range(max(wanted, default=0)):
        # from (i, y) the next hop starts at position i + r, at the value reached so far
        reached.append(one.roll(-r, dims=1).gather(2, reached[-1]))
    return _side_by_side([reached[r] for r in wanted], sigma)


def sample_letters(B: int, T: int, n: int, generator: Generator) -> Int[Tensor, "B T"]:
    """Return sequences of n letters, uniform among those in which no letter follows itself (Sanford et al. 2024).

    Raises ValueError for n below 2, T below 1 or B below 0.
    """
    if B < 0:
        raise ValueError(f"B is {B}; the number of sequences cannot be negative.")
    if n < 2:
        raise ValueError(f"n is {n}; letters that never repeat at once need 2 or more.")
    if T < 1:
        raise ValueError(f"T is {T}; a sequence has 1 letter or more.")
    first = torch.randint(n, (B, 1), generator=generator, device=generator.device)
    steps = torch.randint(1, n, (B, T - 1), generator=generator, device=generator.device)
    return torch.cat([first, steps], dim=1).cumsum(1) % n


def previous_hop(letters: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """Return, for each i, the last earlier j with X_{j-1} = X_i, and -1 where there is none."""
    T = letters.shape[1]
    after_same = letters[:, :, None] == letters[:, None, :-1].long()
    after_same &= torch.arange(1, T, device=letters.device) <= torch.arange(T, device=letters.device)[:, None]
    places = torch.arange(1, T, device=letters.device)
    found = torch.where(after_same, places, -1)
    return found.amax(2) if T > 1 else torch.full_like(letters, -1)


def hop_head_targets(letters: Int[Tensor, "B T"], n: int, hops: Sequence[int]) -> Int[Tensor, "B T hops"]:
    """Return the letter reached by r induction hops from each place, for each r of `hops`; n stands for "undefined".

    Where `hops` is empty the last axis is. Raises ValueError for a negative number of hops.
    """
    if negative := [r for r in hops if r < 0]:
        raise ValueError(f"{negative[0]} hops are asked for; their number must be 0 or more.")
    B, T = letters.shape
    # place T: where all hops without an end lead, and stay
    step = torch.cat([previous_hop(letters), torch.full((B, 1), -1, device=letters.device)], dim=1)
    step = torch.where(step < 0, T, step)
    seen = torch.cat([letters, torch.full((B, 1), n, device=letters.device)], dim=1)
    place = torch.arange(T, device=letters.device).expand(B, T)
    reached = {0: letters}
    for r in range(1, max(hops, default=0) + 1):
        place = step.gather(1, place)
        reached[r] = seen.gather(1, place)
    return _side_by_side([reached[r] for r in hops], letters)


def _side_by_side(reached: Sequence[Tensor], like: Tensor) -> Tensor:
    return torch.stack(list(reached), dim=-1) if reached else like.new_empty(*like.shape, 0)
