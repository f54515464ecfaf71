"""Who owns how much of a company through others, who controls it, and who belongs together.

    integrated_ownership(edges, owner="holder", owned="company", share="capital")
    control(edges, owner="holder", owned="company", votes="votes")
    groups(edges, left="one", right="other")

Edges are of one day: who wants another day selects its edges. Methods: `docs/relations.md`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from scipy.sparse import csr_array, eye_array
from scipy.sparse.csgraph import connected_components

from portrait.capabilities.relations.components import groups
from portrait.capabilities.relations.holdings import Holdings, Places, holdings_of
from portrait.capabilities.relations.policy import Ownership, RelationsPolicy
from portrait.errors import ConfigurationError, PortraitError

__all__ = ["control", "groups", "integrated_ownership"]

_NOTHING = 1e-17  # a share that changes no double
_UNITS = 10**12  # of votes: whole numbers, so that 0.1 + 0.2 + 0.2 is a half whatever the order


def integrated_ownership(
    edges: DataFrame, *, owner: str, owned: str, share: str, policy: RelationsPolicy | None = None
) -> DataFrame:
    """(owner, owned, share): what each owner has of each company, directly and through others, cross-holdings included.

    One row per pair with a share above 0; a company has a share of itself where a cycle leads back to it.
    `edges`: one row per holding, its share a fraction; several of the same pair are summed. O = diag(V)^-1 V W with
    V = (I - W)^-1: o_ij = w_ij + sum over k != i of o_ik w_kj.
    Raises ConfigurationError for shares that cannot be (see `holdings_of`) and for companies that own each other
    entirely, PortraitError when edges or result exceed the bounds of the policy.
    """
    bounds = (policy or RelationsPolicy()).ownership
    held = holdings_of(edges, owner=owner, owned=owned, share=share, parameter="share", policy=bounds)
    _refuse_closed_cycle(held)
    pairs = integrated_shares(held, policy=bounds)
    return held.frame(edges, pairs.indptr[1:], pairs.indices, pairs.data)


def integrated_shares(held: Holdings, *, policy: Ownership) -> csr_array:
    """The matrix O of the holdings, which have no closed cycle: what each owner has of each company."""
    direct = _direct(held)
    through = _inverse(direct, policy=policy)
    own = through.diagonal()
    pairs = (through - eye_array(len(held.names), format="csr")).tocsr()
    pairs.data /= np.repeat(own, np.diff(pairs.indptr))
    pairs.eliminate_zeros()
    return pairs


def _direct(held: Holdings) -> csr_array:
    size = len(held.names)
    return csr_array((held.share, (held.owner, held.owned)), shape=(size, size))


def _inverse(direct: csr_array, *, policy: Ownership) -> csr_array:
    """(I - W)^-1 = (I + W)(I + W^2)(I + W^4)...: nothing is subtracted, so small shares keep their digits.

    Without cycles a power becomes empty; with them it falls below what a double can tell.
    """
    inverse, power = eye_array(direct.shape[0], format="csr") + direct, direct
    while power.nnz and power.data.max() > _NOTHING:
        power = _product(power, power, policy=policy)
        inverse = inverse + _product(inverse, power, policy=policy)
        if inverse.nnz - direct.shape[0] > policy.most_pairs:  # everybody's 1 of itself is no pair
            raise _too_many(policy)
    return inverse


def _product(left: csr_array, right: csr_array, *, policy: Ownership) -> csr_array:
    """left @ right, refused before it is computed when it may have more entries than the driver may hold."""
    entries = int(np.bincount(left.indices, minlength=left.shape[1]) @ np.diff(right.indptr))
    if entries > policy.most_pairs and entries > _entries(left, right):
        entries = _entries(left, right)
    if entries > policy.most_pairs:
        raise _too_many(policy)
    return left @ right


def _entries(left: csr_array, right: csr_array) -> int:
    """A closer upper bound: no row of a product is longer than the number of columns that are not empty."""
    longest = len(np.unique(right.indices))
    steps = np.diff(right.indptr).astype(np.int64)
    by_row = np.add.reduceat(np.append(steps[left.indices], 0), left.indptr[:-1]) * (np.diff(left.indptr) > 0)
    return int(np.minimum(by_row, longest).sum())


def _too_many(policy: Ownership) -> PortraitError:
    return PortraitError(
        f"more than {policy.most_pairs:,} pairs of owner and company",
        where="conf/relations.yml ownership.most_pairs",
        remedy="raise it together with spark.driver.memory, or pass fewer companies",
    )


def closed_parts(held: Holdings) -> NDArray[np.bool_]:
    """For each holding whether it is between companies that together own all of each other."""
    part, closed = _parts(held)
    inside: NDArray[np.bool_] = np.isin(part[held.owner], closed) & (part[held.owner] == part[held.owned])
    return inside


def _parts(held: Holdings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The strongly connected part of each name, and the parts of which nobody outside owns anything."""
    _, part = connected_components(_direct(held), directed=True, connection="strong")
    inside = part[held.owner] == part[held.owned]
    within = np.bincount(held.owned[inside], weights=held.share[inside], minlength=len(part))
    least = np.full(len(part), np.inf)
    np.minimum.at(least, part, within)
    closed = np.flatnonzero(least >= 1 - 1e-12)  # positions of parts; those that do not exist have infinity
    return part, closed[closed <= part.max(initial=-1)]


def _refuse_closed_cycle(held: Holdings) -> None:
    """Raise ConfigurationError for companies that together own all of each other: nobody else owns anything of them."""
    part, closed = _parts(held)
    if len(closed):
        members = set(np.flatnonzero(part == closed[0]).tolist())
        path = _cycle(_direct(held), members)
        chain = " owns ".join(f"'{held.names[place]}'" for place in path[:11]) + (" ..." if len(path) > 11 else "")
        raise ConfigurationError(
            f"companies own each other entirely: {chain}",
            where="share",
            remedy="correct the shares: at least one of them must belong in part to somebody outside",
        )


def _cycle(direct: csr_array, members: set[int]) -> list[int]:
    """A way through a closed part that ends where it began."""
    place, way = min(members), list[int]()
    while place not in way:
        way.append(place)
        after = direct.indices[direct.indptr[place] : direct.indptr[place + 1]].tolist()
        place = min(item for item in after if item in members)
    return [*way[way.index(place) :], place]


def control(
    edges: DataFrame, *, owner: str, owned: str, votes: str, policy: RelationsPolicy | None = None
) -> DataFrame:
    """(owner, owned): who controls which company, one row per pair, nobody paired with itself.

    x controls y if x and the companies that x controls together hold more than half of the votes of y: the least such
    relation, reached from nothing, so companies that hold only each other are controlled by nobody. Exactly half is no
    control. Votes are fractions, counted in units of 1e-12.
    Raises as `integrated_ownership`.
    """
    bounds = (policy or RelationsPolicy()).ownership
    held = holdings_of(edges, owner=owner, owned=owned, share=votes, parameter="votes", policy=bounds)
    ends, controlled = controlled_companies(held, policy=bounds)
    return held.frame(edges, ends, controlled, None)


def controlled_companies(held: Holdings, *, policy: Ownership) -> tuple[Places, Places]:
    """Companies that each name controls, in its order, and where those of each name end; shares are votes."""
    units = np.rint(held.share * _UNITS).astype(np.int64)
    bar = round(policy.control_above * _UNITS)
    starts = np.searchsorted(held.owner, np.arange(len(held.names) + 1)).tolist()
    # Before x controls anything only its own votes count: who has no majority anywhere controls nobody.
    first = np.unique(held.owner[(units > bar) & (held.owner != held.owned)]).tolist()
    owned_by, votes_of = held.owned.tolist(), units.tolist()
    ends, controlled = np.zeros(len(held.names), dtype=np.int64), list[int]()
    for x in first:
        counted: dict[int, int] = {}
        reached, waiting = {x}, [x]
        while waiting:
            holder = waiting.pop()
            for place in range(starts[holder], starts[holder + 1]):
                company = owned_by[place]
                total = counted[company] = counted.get(company, 0) + votes_of[place]
                if total > bar and company not in reached:
                    reached.add(company)
                    waiting.append(company)
        reached.remove(x)
        if len(controlled) + len(reached) > policy.most_pairs:
            raise _too_many(policy)
        controlled += sorted(reached)
        ends[x] = len(controlled)
    # An owner that controls nothing ends where the one before it does.
    return np.maximum.accumulate(ends), np.array(controlled, dtype=np.int64)
