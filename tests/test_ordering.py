"""The one order in which jobs, capabilities, data products and labels come after what they need."""

from __future__ import annotations

import pytest

from portrait.ordering import in_order


class Refused(Exception):
    """What a caller makes of a circle."""


def test_each_comes_after_what_it_needs_and_ties_go_by_name() -> None:
    needs = {"z": ["m", "k"], "m": ["a"], "k": ["a"], "b": []}
    assert in_order(needs, circle=Refused) == ["a", "b", "k", "m", "z"]


@pytest.mark.parametrize(
    ("needs", "path"),
    [
        ({"a": ["a"]}, "a -> a"),
        ({"b": ["a"], "a": ["b"]}, "a -> b -> a"),
        ({"c": ["a"], "b": ["c"], "a": ["b"], "out": ["a"], "far": ["out"]}, "a -> b -> c -> a"),
        ({"x": ["b"], "c": ["b"], "b": ["d"], "d": ["c"]}, "b -> d -> c -> b"),
    ],
)
def test_a_circle_names_its_members_in_the_direction_of_need(needs: dict[str, list[str]], path: str) -> None:
    with pytest.raises(Refused) as refused:
        in_order(needs, circle=Refused)
    assert str(refused.value) == path
    with pytest.raises(Refused) as again:  # the same path, in whichever order the names are given
        in_order(dict(reversed(needs.items())), circle=Refused)
    assert str(again.value) == path
