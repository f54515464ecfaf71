"""Names and descriptions from profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from portrait.capabilities.groups.naming import group_description, group_names
from portrait.capabilities.groups.policy import GroupPolicy, load_group_policy
from portrait.capabilities.groups.profiles import FeatureProfile, GroupProfile
from portrait.spark.target_group import target_group_index


@pytest.fixture
def policy(conf_dir: Path) -> GroupPolicy:
    return load_group_policy(conf_dir)


def group(number: int, **z: float) -> GroupProfile:
    features = tuple(FeatureProfile(name, 0.2, 0.1, value, 150.0) for name, value in z.items())
    return GroupProfile(cluster=number, group_id=number, customers=1_250, share=0.125, features=features)


def test_the_strongest_deviations_name_a_group(policy: GroupPolicy) -> None:
    names = group_names([group(1, spend_travel=0.9, channel_mobile=1.4, deposits=0.6)], policy=policy)
    assert names == {1: "Mobile users, travellers"}


def test_a_family_speaks_once(policy: GroupPolicy) -> None:
    names = group_names([group(1, spend_travel=1.9, spend_fuel=1.8, activity=0.7)], policy=policy)
    assert names == {1: "Travellers, very active"}


def test_below_the_mean_a_low_phrase_speaks_and_without_one_nothing(policy: GroupPolicy) -> None:
    names = group_names([group(1, income_level=-0.8, spend_fuel=-2.0)], policy=policy)
    assert names == {1: "Low income"}


def test_who_deviates_in_nothing_is_the_middle(policy: GroupPolicy) -> None:
    assert group_names([group(1, activity=0.49)], policy=policy) == {1: policy.naming.middle}


def test_equal_names_take_one_more_phrase(policy: GroupPolicy) -> None:
    one = group(1, channel_mobile=2.0, spend_travel=1.5, activity=1.0)
    other = group(2, channel_mobile=2.0, spend_travel=1.5, deposits=-1.0)
    assert group_names([one, other], policy=policy) == {
        1: "Mobile users, travellers, very active",
        2: "Mobile users, travellers, small deposits",
    }


def test_names_that_stay_equal_are_numbered(policy: GroupPolicy) -> None:
    names = group_names([group(1, activity=1.0), group(2, activity=2.0), group(3)], policy=policy)
    assert names == {1: "Very active 1", 2: "Very active 2", 3: policy.naming.middle}


def test_a_description_gives_figures_on_both_sides(policy: GroupPolicy) -> None:
    profile = GroupProfile(
        1,
        1,
        1_250,
        0.125,
        (
            FeatureProfile("spend_travel", 0.18, 0.06, 1.4, 180.0),
            FeatureProfile("deposits", 1234.5, 9876.5, -0.9, 40.0),
            FeatureProfile("activity", 5.0, 5.1, -0.1, 99.0),
        ),
    )
    assert group_description(profile, policy=policy) == (
        "1,250 customers, 12.5% of those grouped. Above average: share of spending on travel 18.0% against 6.0%. "
        "Below average: deposits 1,234 against 9,876."
    )


def test_target_group_index_of_the_literature() -> None:
    assert target_group_index(89, 1_000, overall=0.066, smoothing=0) == pytest.approx(134.8, abs=0.05)


def test_smoothing_draws_small_groups_to_the_overall_rate() -> None:
    # 3 of 4 have it, 30 % overall, k = 20: 100 x (3 + 6) / (24 x 0.3) = 125.
    assert target_group_index(3, 4, overall=0.3, smoothing=20) == pytest.approx(125.0)
    assert target_group_index(0, 4, overall=0.0, smoothing=20) is None
