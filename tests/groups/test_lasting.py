"""Groups that last: numbers kept whatever clusters are called, births, ends, merges and splits by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait.capabilities.groups.lasting import (
    KeptGroup,
    KeptModel,
    KeptScale,
    common_centres,
    jaccard_table,
    keep_ids,
    vectors_of,
)
from portrait.capabilities.groups.lloyd import nearest
from portrait.capabilities.groups.transitions import Moved, transition_rows

NOW, BEFORE = date(2025, 12, 31), date(2025, 11, 30)


def kept(points: np.ndarray, before: np.ndarray, centres: np.ndarray, numbers: list[int], next_id: int) -> list[int]:
    """The number that each point gets by the new centres."""
    overlap = jaccard_table(nearest(points, before), nearest(points, centres), rows=len(before), columns=len(centres))
    sizes = np.bincount(nearest(points, centres), minlength=len(centres))
    order = sorted(range(len(centres)), key=lambda cluster: (-sizes[cluster], tuple(centres[cluster])))
    lasting = keep_ids(
        before, centres, numbers=numbers, overlap=overlap, least_overlap=0.3, order=order, next_id=next_id
    )
    assert sorted(lasting.ids) == list(range(len(centres)))
    assert len(set(lasting.ids.values())) == len(centres)
    return [lasting.ids[cluster] for cluster in nearest(points, centres)]


def cloud(places: list[list[float]], seed: int = 1) -> np.ndarray:
    draws = np.random.default_rng(seed)
    return np.concatenate([draws.normal(place, 1.0, (60, len(place))) for place in places])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), data=st.data())
def test_renumbering_clusters_never_changes_the_number_of_a_customer(seed: int, data: st.DataObject) -> None:
    draws = np.random.default_rng(seed)
    k, again = int(draws.integers(2, 6)), int(draws.integers(2, 6))
    points, before, centres = draws.normal(size=(80, 3)), draws.normal(size=(k, 3)), draws.normal(size=(again, 3))
    numbers = [int(number) for number in draws.permutation(20)[:k] + 1]
    plain = kept(points, before, centres, numbers, 21)
    new, old = data.draw(st.permutations(range(again))), data.draw(st.permutations(range(k)))
    renamed = kept(points, before[old], centres[new], [numbers[place] for place in old], 21)
    assert renamed == plain


def test_every_order_of_equal_groups_gives_the_same_numbers() -> None:
    # Two old centres as far from two new ones as from each other: the matching is a tie.
    points = cloud([[0, 0], [6, 0], [0, 6], [6, 6]])
    before, centres = np.array([[0.0, 0.0], [6.0, 6.0]]), np.array([[6.0, 0.0], [0.0, 6.0]])
    found = {
        tuple(kept(points, before[list(old)], centres[list(new)], [[4, 9][place] for place in old], 10))
        for old in permutations(range(2))
        for new in permutations(range(2))
    }
    assert len(found) == 1


def test_a_group_that_moved_keeps_its_number_and_a_new_one_gets_one_that_none_ever_had() -> None:
    before = np.array([[0.0, 0.0], [9.0, 0.0]])
    points = cloud([[1, 1], [10, 1], [4, 30]])
    numbers = kept(points, before, np.array([[4.0, 30.0], [10.0, 1.0], [1.0, 1.0]]), [3, 5], next_id=7)
    assert (numbers[0], numbers[60], numbers[120]) == (3, 5, 7)


def test_the_larger_part_of_a_split_group_keeps_the_number() -> None:
    points = np.concatenate([cloud([[0, 0], [0, 0], [20, 0]], seed=2), cloud([[4, 0]], seed=3)])
    before = np.array([[1.3, 0.0], [20.0, 0.0]])
    numbers = kept(points, before, np.array([[4.0, 0.0], [0.0, 0.0], [20.0, 0.0]]), [1, 2], next_id=3)
    assert (numbers[0], numbers[-1], numbers[130]) == (1, 3, 2)


def model(scales: tuple[KeptScale, ...], centres: list[tuple[float, ...]]) -> KeptModel:
    return KeptModel("v", scales, 3.0, tuple(KeptGroup(n, f"g{n}", c) for n, c in enumerate(centres, 1)), 9)


def test_centres_are_compared_on_one_scale() -> None:
    # income: log(1 + x) had mean 2 and spread 1, now mean 3, spread 2, weight 2. age is new, pension is gone.
    income, pension = (
        KeptScale("income", "level", 2.0, 1.0, 1.0, 9.0),
        KeptScale("pension", "share", 0.5, 0.5, 1.0, 0.2),
    )
    earlier = model((pension, income), [(7.0, 1.0)])
    later = model(
        (replace(income, centre=3.0, spread=2.0, weight=2.0), KeptScale("age", "level", 0.0, 1.0, 1.0, 1.0)),
        [(0.0, 5.0)],
    )
    before, after = common_centres(earlier, later)
    assert before.tolist() == [[0.0]]  # log(1 + x) = 3 is the mean now
    assert after.tolist() == [[0.0]]


def test_vectors_of_a_kept_model_by_hand() -> None:
    scales = (KeptScale("a", "share", 0.5, 0.25, 2.0, 0.2), KeptScale("b", "level", 0.0, 0.1, 1.0, 5.0))
    raw = {"a": np.array([0.25, 1.0, np.nan]), "b": np.array([0.0, np.expm1(1.0), np.expm1(0.2)])}
    assert vectors_of(model(scales, [(0, 0)]), raw) == pytest.approx(np.array([[0, 0], [4, 3], [0, 2]]))
    assert vectors_of(model(scales, [(0, 0)]), {"a": raw["a"]})[:, 1].tolist() == [0, 0, 0]


def test_transitions_by_hand() -> None:
    # 1 lasts; 2 ended, 60 of its 80 grouped customers are in 1 now; 4 is new, 30 of 40 come from 3, which lasts.
    counts = {
        (1, 1): 90,
        (2, 1): 60,
        (2, 3): 20,
        (3, 3): 50,
        (3, 4): 30,
        (1, 4): 10,
        (2, 0): 5,
        (0, 4): 2,
        (0, 1): 7,
        (3, 0): 1,
    }
    flows = {pair: Moved(n, *(f"g{g}" if g else None for g in pair)) for pair, n in counts.items()}
    rows = transition_rows(flows, as_of=NOW, previous_as_of=BEFORE, majority=0.5)
    assert {row[0] for row in rows} == {NOW}
    assert {row[3] for row in rows} == {BEFORE}
    assert {row[1:3]: row[4] for row in rows} == {
        (1, 1): "kept", (2, 1): "merged", (2, 3): "moved", (3, 3): "kept", (3, 4): "split", (1, 4): "moved",
        (2, 0): "ended", (0, 4): "born", (0, 1): "entered", (3, 0): "left",
    }  # fmt: skip
    by_pair = {row[1:3]: row[5:] for row in rows}
    assert by_pair[2, 1] == ("g2", "g1", 60, pytest.approx(60 / 85), pytest.approx(60 / 157))
    assert by_pair[0, 4] == (None, "g4", 2, None, pytest.approx(2 / 42))
    assert by_pair[2, 0] == ("g2", None, 5, pytest.approx(5 / 85), None)


def test_a_group_that_lost_everybody_is_told_all_the_same() -> None:
    flows = {(1, 2): Moved(5, "a", "b"), (2, 2): Moved(1, "b", "b")}
    rows = {
        row[1:3]: (row[4], row[7]) for row in transition_rows(flows, as_of=NOW, previous_as_of=BEFORE, majority=0.5)
    }
    assert rows == {(1, 2): ("merged", 5), (2, 2): ("kept", 1), (1, 0): ("ended", 0)}
