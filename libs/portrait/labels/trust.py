"""Whether a label is to be trusted at a slice: coverage, flips, stability and age of its facts against the policy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from portrait.labels.declaration import Label, LabelSet
from portrait.labels.trust_policy import Thresholds, TrustPolicy


class TrustStatus(StrEnum):
    """Whether a label is trusted, best first."""

    TRUSTED = "trusted"
    SUSPECT = "suspect"
    STALE = "stale"
    FAILED = "failed"


_BEST_FIRST = list(TrustStatus)
OTHER_VALUES = "other values"
"""What rare values are added up as in a distribution."""

Distribution = Mapping[str | None, int]
"""Customers by value; None is unknown."""


@dataclass(frozen=True)
class Evidence:
    """What was measured of a label at a slice; None where there was nothing to measure it by."""

    label: Label
    customers: int
    known: int
    flip_rate: float | None = None
    psi: float | None = None
    reference: date | None = None
    facts_age_days: int | None = None
    failure: str | None = None

    @property
    def coverage(self) -> float | None:
        """known / customers."""
        return self.known / self.customers if self.customers else None


@dataclass(frozen=True)
class LabelTrust:
    """Whether a label is trusted, and why not, the worst status first."""

    status: TrustStatus
    reasons: tuple[str, ...] = ()


def stability_index(now: Distribution, before: Distribution, *, least_share: float) -> float | None:
    """PSI = sum (A - E) ln(A / E) over values, A and E their shares now and before; None where there are no customers.

    Unknown is a value here. Rare values that only one of the two distributions names count among the rest. A share
    below `least_share` counts as that.
    """
    if OTHER_VALUES in now or OTHER_VALUES in before:
        shared = (now.keys() & before.keys()) | {None}
        now, before = _with_rest(now, shared), _with_rest(before, shared)
    customers, earlier = sum(now.values()), sum(before.values())
    if not customers or not earlier:
        return None
    total = 0.0
    for value in sorted(now.keys() | before.keys(), key=lambda item: (item is None, item or "")):
        actual = max(now.get(value, 0) / customers, least_share)
        expected = max(before.get(value, 0) / earlier, least_share)
        total += (actual - expected) * math.log(actual / expected)
    return total


def _with_rest(found: Distribution, named: set[str | None]) -> dict[str | None, int]:
    kept = {value: count for value, count in found.items() if value in named and value != OTHER_VALUES}
    return kept | {OTHER_VALUES: sum(found.values()) - sum(kept.values())}


def drift(psi: float | None, policy: TrustPolicy, label: Label) -> str | None:
    """none, minor or major; None where there is no index."""
    if psi is None:
        return None
    major = thresholds(label, policy).most_psi
    return "major" if psi > major else "minor" if psi >= policy.minor_psi else "none"


def thresholds(label: Label, policy: TrustPolicy) -> Thresholds:
    """The bounds of a label: its own, and for what it does not state those of all."""
    shared = policy.thresholds
    if label.type not in ("boolean", "string"):
        shared = shared.model_copy(update={"most_flips": 1.0})
    return shared.model_copy(update=label.trust.model_dump(exclude_none=True) if label.trust else {})


def assess_labels(
    evidence: Mapping[str, Evidence], labels: LabelSet, policy: TrustPolicy, *, as_of: date
) -> dict[str, LabelTrust]:
    """Label to its trust, for every label that is computed; what is made from a label in doubt is in doubt as well."""
    trust = {name: _assess(found, policy, as_of) for name, found in evidence.items() if found.label.is_computed}
    for step in labels.levels():
        for item in step:
            name = item.label.id
            for source in sorted(item.reads & trust.keys()):
                status = trust[source].status
                if status != TrustStatus.TRUSTED:
                    reason = f"made from {source}, which is {status}"
                    worst = max(trust[name].status, status, key=_BEST_FIRST.index)
                    trust[name] = replace(trust[name], status=worst, reasons=(*trust[name].reasons, reason))
    return trust


def _assess(found: Evidence, policy: TrustPolicy, as_of: date) -> LabelTrust:
    if found.failure is not None:
        return LabelTrust(TrustStatus.FAILED, (f"could not be computed: {found.failure}",))
    bounds, coverage = thresholds(found.label, policy), found.coverage
    suspect = []
    if coverage is not None and coverage < bounds.least_coverage:
        suspect.append(f"known of {_share(coverage)} of customers, less than {_share(bounds.least_coverage)}")
    if found.flip_rate is not None and found.flip_rate > bounds.most_flips:
        suspect.append(
            f"another value for {_share(found.flip_rate)} of customers, more than {_share(bounds.most_flips)}"
        )
    if found.psi is not None and found.psi > bounds.most_psi:
        suspect.append(f"stability index {found.psi:.2f} against {found.reference}, above {bounds.most_psi:g}")
    stale, label = [], found.label
    if label.status == "deprecated" and label.sunset is not None and as_of > label.sunset:
        stale.append(f"its sunset was {label.sunset}: {label.replaced_by} comes instead")
    if found.facts_age_days is not None and found.facts_age_days > label.freshness_days:
        stale.append(f"its newest facts are {found.facts_age_days} days old, more than {label.freshness_days}")
    status = TrustStatus.STALE if stale else TrustStatus.SUSPECT if suspect else TrustStatus.TRUSTED
    return LabelTrust(status, (*stale, *suspect))


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"
