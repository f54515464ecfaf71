"""Names and descriptions of groups in words, from what sets them apart."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, count

from portrait.capabilities.groups.policy import GroupPolicy, VectorFeature
from portrait.capabilities.groups.profiles import FeatureProfile, GroupProfile

_SAID = 4  # features that a description mentions on each side


def group_names(
    profiles: list[GroupProfile], *, policy: GroupPolicy, kept: Mapping[int, str] | None = None
) -> dict[int, str]:
    """group_id -> a name no other group has; groups that are in `kept` have their name of before.

    A name is made of the phrases of the strongest deviations, at most one a family. Groups that would share a name take
    one more phrase each, while they have any; then a number tells them apart.
    """
    made, kept = _made_up(profiles, policy=policy), kept or {}
    names: dict[int, str] = {}
    for group, name in made.items():
        taken = {*kept.values(), *names.values()}
        free = (text for text in chain([name], (f"{name} {number}" for number in count(2))) if text not in taken)
        names[group] = kept[group] if group in kept else next(free)
    return names


def _made_up(profiles: list[GroupProfile], *, policy: GroupPolicy) -> dict[int, str]:
    phrases = {profile.group_id: _phrases(profile, policy=policy) for profile in profiles}
    length = dict.fromkeys(phrases, policy.naming.phrases)
    while True:
        names = {group: _joined(words[: length[group]], policy=policy) for group, words in phrases.items()}
        shared = [group for group, name in names.items() if list(names.values()).count(name) > 1]
        longer = [group for group in shared if length[group] < len(phrases[group])]
        if not longer:
            break
        for group in longer:
            length[group] += 1
    for group in shared:
        twins = [other for other in shared if names[other] == names[group]]
        if len(twins) > 1:
            names |= {other: f"{names[other]} {number}" for number, other in enumerate(sorted(twins), start=1)}
    return names


def _phrases(profile: GroupProfile, *, policy: GroupPolicy) -> list[str]:
    """What the group is called by, strongest first: high phrases above the mean, low ones below, one a family."""
    said: list[str] = []
    families: set[str] = set()
    declared = {feature.id: feature for feature in policy.features}
    for entry in sorted(profile.features, key=lambda entry: -abs(entry.z)):
        feature = declared[entry.feature]
        phrase = feature.high if entry.z > 0 else feature.low
        if abs(entry.z) < policy.naming.least_z or phrase is None or feature.family in families:
            continue
        said.append(phrase)
        families.add(feature.family)
    return said


def _joined(words: list[str], *, policy: GroupPolicy) -> str:
    text = ", ".join(words) or policy.naming.middle
    return text[0].upper() + text[1:]


def group_description(profile: GroupProfile, *, policy: GroupPolicy) -> str:
    """A few sentences with figures: size, what stands above the average, what below."""
    declared = {feature.id: feature for feature in policy.features}
    strong = [entry for entry in profile.features if abs(entry.z) >= policy.naming.least_z]
    parts = [f"{profile.customers:,} customers, {profile.share:.1%} of those grouped."]
    for words, side in (
        ("Above average", sorted((entry for entry in strong if entry.z > 0), key=lambda entry: -entry.z)),
        ("Below average", sorted((entry for entry in strong if entry.z < 0), key=lambda entry: entry.z)),
    ):
        if side:
            said = "; ".join(_against(entry, declared[entry.feature]) for entry in side[:_SAID])
            parts.append(f"{words}: {said}.")
    if not strong:
        parts.append("No feature stands out from the average.")
    return " ".join(parts)


def _against(entry: FeatureProfile, feature: VectorFeature) -> str:
    if feature.kind == "share":
        return f"{feature.title} {entry.mean:.1%} against {entry.overall_mean:.1%}"
    decimals = 0 if max(entry.mean, entry.overall_mean) >= 100 else 1
    return f"{feature.title} {entry.mean:,.{decimals}f} against {entry.overall_mean:,.{decimals}f}"
