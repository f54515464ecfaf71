"""When a label is to be trusted, and what an audience does that reads one which is not: all by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from portrait.capabilities.audiences.clauses import Clause, Comparison, Joined
from portrait.capabilities.audiences.doubts import AudienceStatus, AudienceTrust, react_to_doubts
from portrait.errors import ConfigurationError, GateRefused
from portrait.labels import LabelSet
from portrait.labels.trust import Evidence, LabelTrust, TrustStatus, assess_labels, drift, stability_index
from portrait.labels.trust_policy import OwnReactions, Reactions, TrustPolicy, load_trust_policy

LabelsOf = Callable[..., LabelSet]
D = date(2024, 2, 29)
PLAIN = {"unknown_when": None, "theme": "value"}


@pytest.fixture(scope="module")
def policy(conf_dir: Path) -> TrustPolicy:
    return load_trust_policy(conf_dir)


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        # -0.1 ln(0.5 / 0.6) + 0.1 ln(0.5 / 0.4)
        ({"a": 50, "b": 50}, {"a": 600, "b": 400}, 0.0405465),
        ({"a": 7, "b": 3}, {"a": 70, "b": 30}, 0.0),
        # Unknown is a value, and no share is less than 0.0001: -0.5 ln(0.5) + 0.4999 ln(0.5 / 0.0001)
        ({"a": 50, None: 50}, {"a": 100, None: 0}, 4.6043185),
        # What only one side names counts among the rest: 0.6 and 0.4 against 0.5 and 0.5.
        ({"a": 60, "rare": 10, "other values": 30}, {"a": 50, "seldom": 20, "other values": 30}, 0.0405465),
        ({}, {"a": 1}, None),
        ({"a": 1}, {None: 0}, None),
    ],
)
def test_the_stability_index_by_hand(
    now: dict[str | None, int], before: dict[str | None, int], expected: float | None
) -> None:
    found = stability_index(now, before, least_share=0.0001)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-6))


@pytest.mark.parametrize(
    ("psi", "word"), [(None, None), (0.0999, "none"), (0.10, "minor"), (0.25, "minor"), (0.2501, "major")]
)
def test_the_published_thresholds_of_drift(
    policy: TrustPolicy, labels_of: LabelsOf, psi: float | None, word: str | None
) -> None:
    assert drift(psi, policy, labels_of({}).labels[0]) == word


@pytest.mark.parametrize(
    ("measured", "own", "status", "reasons"),
    [
        ({}, {}, "trusted", ()),
        ({"flip_rate": 0.5, "psi": 0.25, "facts_age_days": 1}, {}, "trusted", ()),
        ({"flip_rate": 0.51}, {}, "suspect", ("another value for 51.0 % of customers, more than 50.0 %",)),
        ({"flip_rate": 0.51}, {"most_flips": 0.6}, "trusted", ()),
        ({"psi": 0.3, "reference": D}, {}, "suspect", ("stability index 0.30 against 2024-02-29, above 0.25",)),
        ({"psi": 0.2, "reference": D}, {"most_psi": 0.15}, "suspect",
         ("stability index 0.20 against 2024-02-29, above 0.15",)),
        ({"known": 0}, {}, "trusted", ()),
        ({"known": 79}, {"least_coverage": 0.8}, "suspect", ("known of 79.0 % of customers, less than 80.0 %",)),
        ({"facts_age_days": 2, "flip_rate": 0.9}, {}, "stale",
         ("its newest facts are 2 days old, more than 1", "another value for 90.0 % of customers, more than 50.0 %")),
        ({"failure": "X", "flip_rate": 0.9}, {}, "failed", ("could not be computed: X",)),
    ],
)  # fmt: skip
def test_a_label_past_a_threshold_says_which(
    policy: TrustPolicy,
    labels_of: LabelsOf,
    measured: dict[str, Any],
    own: dict[str, float],
    status: str,
    reasons: tuple[str, ...],
) -> None:
    labels = labels_of({"trust": own} if own else {})
    evidence = Evidence(**{"label": labels.labels[0], "customers": 100, "known": 90} | measured)
    assert assess_labels({"salary_customer": evidence}, labels, policy, as_of=D) == {
        "salary_customer": LabelTrust(status, reasons)
    }


def test_flips_of_numbers_are_judged_where_the_file_says_so(policy: TrustPolicy, labels_of: LabelsOf) -> None:
    number = PLAIN | {"type": "integer", "value": "tenure_days"}
    labels = labels_of(number | {"id": "free"}, number | {"id": "bound", "trust": {"most_flips": 0.2}})
    evidence = {label.id: Evidence(label, 10, 10, flip_rate=0.9) for label in labels.labels}
    assert {name: v.status for name, v in assess_labels(evidence, labels, policy, as_of=D).items()} == {
        "free": "trusted", "bound": "suspect",
    }  # fmt: skip


@pytest.mark.parametrize(("sunset", "status"), [("2024-02-28", "stale"), ("2024-02-29", "trusted")])
def test_a_label_past_its_sunset_is_stale(policy: TrustPolicy, labels_of: LabelsOf, sunset: str, status: str) -> None:
    ending = {"id": "old", "status": "deprecated", "sunset": sunset, "replaced_by": "salary_customer"}
    labels = labels_of({}, ending)
    evidence = {label.id: Evidence(label, 10, 10) for label in labels.labels}
    found = assess_labels(evidence, labels, policy, as_of=D)
    assert (found["old"].status, found["salary_customer"].status) == (status, "trusted")
    assert found["old"].reasons == (
        ("its sunset was 2024-02-28: salary_customer comes instead",) if status == "stale" else ()
    )


def test_what_is_made_from_a_label_in_doubt_is_in_doubt(policy: TrustPolicy, labels_of: LabelsOf) -> None:
    made = PLAIN | {"from": "portrait"}
    both = made | {"id": "b", "value": "salary_customer and other"}
    labels = labels_of({}, {"id": "other"}, both, made | {"id": "a", "value": "not b"})
    measured = {"salary_customer": {"flip_rate": 0.9}, "other": {"failure": "X"}, "b": {"facts_age_days": 9}}
    evidence = {label.id: Evidence(label, 10, 10, **measured.get(label.id, {})) for label in labels.labels}
    found = assess_labels(evidence, labels, policy, as_of=D)
    assert found["a"] == LabelTrust(TrustStatus.FAILED, ("made from b, which is failed",))
    assert found["b"].status == "failed"
    assert found["b"].reasons[1:] == ("made from other, which is failed", "made from salary_customer, which is suspect")


@pytest.mark.parametrize(
    ("change", "line", "named"),
    [
        ({"colour": 1}, "", "colour"),
        ({"minor_psi": 0.3}, "", "less than thresholds.most_psi"),
        ({"thresholds": {"least_coverage": 2, "most_flips": 1, "most_psi": 1}}, ":2", "least_coverage"),
        ({"audiences": {"suspect": "shrug", "stale": "warn", "failed": "warn"}}, "", "suspect"),
    ],
)
def test_a_broken_policy_is_refused(
    conf_dir: Path, tmp_path: Path, change: dict[str, object], line: str, named: str
) -> None:
    shipped = yaml.safe_load((conf_dir / "trust.yml").read_text())
    rest = {key: value for key, value in shipped.items() if key not in change}
    (tmp_path / "trust.yml").write_text(yaml.safe_dump(change | rest, sort_keys=False))
    with pytest.raises(ConfigurationError, match=named) as refused:
        load_trust_policy(tmp_path)
    assert f"trust.yml{line}" in refused.value.where


CLAUSE: Clause = Joined("and", (Comparison("paid", "true"), Comparison("rich", "true")))
DOUBTS = {
    "paid": LabelTrust(TrustStatus.SUSPECT, ("why",)),
    "rich": LabelTrust(TrustStatus.FAILED, ("X", "Y")),
    "free": LabelTrust(TrustStatus.STALE, ("z",)),
}


@pytest.mark.parametrize(
    ("reactions", "expected"),
    [
        (
            ("warn", "warn", "refuse"),
            AudienceTrust(AudienceStatus.REFUSED, ("paid is suspect (why)", "rich is failed (X; Y)")),
        ),
        (
            ("warn", "refuse", "warn"),
            AudienceTrust(AudienceStatus.WARNED, ("paid is suspect (why)", "rich is failed (X; Y)")),
        ),
        (("ignore", "warn", "warn"), AudienceTrust(AudienceStatus.WARNED, ("rich is failed (X; Y)",))),
        (("ignore", "refuse", "ignore"), AudienceTrust(AudienceStatus.TRUSTED, ())),
    ],
)
def test_an_audience_reacts_to_the_labels_that_it_reads(reactions: tuple[str, ...], expected: AudienceTrust) -> None:
    suspect, stale, failed = reactions
    policy = Reactions.model_validate({"suspect": suspect, "stale": stale, "failed": failed})
    found = react_to_doubts(CLAUSE, DOUBTS, policy)
    assert found == expected
    if found.status == "refused":
        with pytest.raises(GateRefused, match="rich is failed"):
            found.check(where="x")
    else:
        found.check(where="x")


def test_an_audience_of_its_own_mind(policy: TrustPolicy) -> None:
    own = policy.reactions(OwnReactions(suspect="refuse"))
    assert (own.suspect, own.stale, own.failed) == ("refuse", "warn", "refuse")
    assert policy.reactions(None) == policy.audiences
