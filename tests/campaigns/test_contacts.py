"""The ledger and the plan of a day on frames: rules that refuse, retries, caps over days with crashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.campaigns.declaration import Campaign
from portrait.capabilities.campaigns.eligibility import assigned, history
from portrait.capabilities.campaigns.ledger import COLUMNS, contacts_of, delivered_events, new_events
from portrait.capabilities.campaigns.planning import Plan, plan_day
from portrait.capabilities.campaigns.policy import CampaignPolicy
from portrait.spark.frames import frame_of

DAY = date(2026, 3, 2)
LEDGER = (
    "customer_id string, campaign string, channel string, slot date, attempt int, state string, day date, "
    "contact_id string, offer string, cost decimal(18,2), not_before timestamp, not_after timestamp, source string, "
    "reason string"
)
FACTS = (
    "customer_id string, consent boolean, agreed array<string>, early_warning boolean, unsubscribed array<string>, "
    "complained boolean"
)
ALL = ["mobile", "online", "sms", "phone", "branch"]


def campaign(name: str = "one", **changes: Any) -> Campaign:
    given: dict[str, Any] = {
        "id": name, "title": "A campaign", "audience": "any", "arms": {"treated": 0.8, "control": 0.2}, "salt": "s",
        "offers": [{"product": "card", "margin": 100.0, "credit": True}],
        "channels": [{"channel": "mobile", "cost": 0.1, "uplift": 0.02}], "budget": 1e6,
        "starts_on": DAY - timedelta(days=1), "ends_on": DAY + timedelta(days=200), "contacts_each": 20,
        "expected": {"base": 0.02, "effect": 0.01}, "owner": "cards", "description": "For a test only.",
    }  # fmt: skip
    return Campaign.model_validate(given | changes)


def policy(**changes: Any) -> CampaignPolicy:
    contacts = {"universal_control": 0.1, "fatigue": {"contacts": 100, "days": 90}, "cool_off_days": 0}
    return CampaignPolicy.model_validate({"contacts": contacts | changes})


@dataclass
class World:
    """What the bank knows; a ledger that grows."""

    spark: SparkSession
    campaigns: list[Campaign]
    policy: CampaignPolicy
    customers: list[str]
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[tuple[Any, ...]] = field(default_factory=list)

    def ledger(self) -> DataFrame:
        return frame_of(self.spark, self.events, LEDGER)

    def plan(self, day: date = DAY) -> Plan:
        facts = [
            tuple(({"consent": True, "agreed": ALL, "early_warning": False, "unsubscribed": [], "complained": False}
                   | self.facts.get(name, {}) | {"customer_id": name})[column.split(" ")[0]]
                  for column in FACTS.split(", "))
            for name in self.customers
        ]  # fmt: skip
        rules = self.policy.contacts
        members = [(item.id, name) for item in self.campaigns for name in self.customers]
        contacts = contacts_of(self.ledger().where(f"day <= date'{day}'"))
        return plan_day(
            assigned(
                frame_of(self.spark, members, "campaign string, customer_id string"), None, self.campaigns,
                policy=rules, as_of=day,
            ),
            contacts,
            frame_of(self.spark, facts, FACTS),
            history(contacts, None, policy=rules, as_of=day, zone="UTC"),
            campaigns=self.campaigns, running=self.campaigns, spent={}, policy=self.policy, as_of=day, zone="UTC",
        )  # fmt: skip

    def commit(self, plan: Plan) -> list[tuple[Any, ...]]:
        """Append what is new; it is returned."""
        new = [tuple(row) for row in new_events(plan.events, self.ledger()).collect()]
        self.events += new
        self.spark.catalog.clearCache()
        return new

    def tell(self, row: tuple[Any, ...], state: str, day: date) -> None:
        """What the sending system says of a planned event."""
        event = dict(zip(COLUMNS, row, strict=True)) | {"state": state, "day": day, "source": "feed"}
        self.events.append(tuple(event[name] for name in COLUMNS))

    def decisions(self, plan: Plan) -> dict[str, Any]:
        found = {(row.campaign, row.customer_id): row for row in plan.decisions.collect()}
        return {name: found[self.campaigns[0].id, name] for name in self.customers}


def treated(spark: SparkSession, item: Campaign, rules: CampaignPolicy, count: int) -> list[str]:
    """Customers whom the lot makes treated, by asking it."""
    names = spark.createDataFrame([(item.id, f"c{n}") for n in range(count * 3)], "campaign string, customer_id string")
    rows = assigned(names, None, [item], policy=rules.contacts, as_of=DAY).where(
        "arm <> 'control' and not is_universal"
    )
    return sorted(row.customer_id for row in rows.collect())[:count]


@pytest.fixture
def world(spark: SparkSession) -> Iterator[World]:
    item, rules = campaign(), policy()
    yield World(spark, [item], rules, treated(spark, item, rules, 16))
    spark.catalog.clearCache()


def test_every_rule_refuses_and_is_named(world: World) -> None:
    names = iter(world.customers)
    facts: dict[str, tuple[str | None, dict[str, Any]]] = {
        next(names): (None, {}),
        next(names): ("consent_missing", {"consent": None}),
        next(names): ("consent_refused", {"consent": False}),
        next(names): ("channel_not_agreed", {"agreed": ["sms"]}),
        next(names): ("channel_not_agreed", {"agreed": None}),
        next(names): ("unsubscribed", {"unsubscribed": ["mobile"]}),
        next(names): ("unsubscribed", {"unsubscribed": ["*"]}),
        next(names): (None, {"unsubscribed": ["sms"]}),
        next(names): ("complaint", {"complained": True}),
        next(names): ("early_warning", {"early_warning": True}),
        next(names): ("early_warning_unknown", {"early_warning": None}),
    }
    before = {
        next(names): ("cap_7d_channel", [("other", "mobile", DAY - timedelta(days=6), None)]),
        next(names): (None, [("other", "mobile", DAY - timedelta(days=7), None)]),
        next(names): ("contacted_today", [("other", "sms", DAY, None)]),
        next(names): ("cap_30d_all", [("other", "sms", DAY - timedelta(days=n), None) for n in (2, 5, 9, 29)]),
        next(names): (None, [("other", "sms", DAY - timedelta(days=n), None) for n in (2, 5, 9, 30)]),
    }
    world.facts = {name: known for name, (_, known) in facts.items()}
    for name, (_, contacts) in before.items():
        for other, channel, day, offer in contacts:
            world.events.append(
                (name, other, channel, day, 1, "sent", day, f"k{day}{name}", offer, None, None, None, "feed", None)
            )
    found = world.decisions(world.plan())
    assert {name: row.rule for name, row in found.items()} == {
        name: rule for name, (rule, _) in (facts | before).items()
    }
    assert all((row.decision == "planned") == (row.rule is None) for row in found.values())
    assert found[world.customers[3]].channels == {"mobile": "channel_not_agreed"}


def test_control_and_universal_control_are_never_contacted(spark: SparkSession) -> None:
    item, rules = campaign(), policy()
    world = World(spark, [item], rules, [f"x{n}" for n in range(400)])
    rows = world.decisions(world.plan()).values()
    by = Counter((row.arm == "control", row.is_universal, row.decision, row.rule) for row in rows)
    assert {key[2:] for key in by if key[0]} == {("refused", "control")}
    assert {key[2:] for key in by if key[1] and not key[0]} == {("refused", "universal_control")}
    assert {key[2:] for key in by if not key[0] and not key[1]} == {("planned", None)}
    assert 50 < sum(count for key, count in by.items() if key[0]) < 110  # a fifth of 400


def test_no_limit_increase_is_offered_to_a_customer_in_early_warning_but_a_deposit_is(spark: SparkSession) -> None:
    """The conflict of two outputs: early warning against marketing, by offer; what was planned before is taken back."""
    offers = [{"product": "limit_increase", "margin": 90.0, "credit": True}, {"product": "deposit", "margin": 20.0}]
    item, rules = campaign(offers=offers), policy()
    names = treated(spark, item, rules, 4)
    world = World(spark, [item], rules, names)
    world.facts = {names[0]: {"early_warning": True}, names[1]: {"early_warning": None}}
    planned = {event[0]: event[8] for event in world.commit(world.plan())}
    assert planned == {names[0]: "deposit", names[1]: "deposit", names[2]: "limit_increase", names[3]: "limit_increase"}
    world.facts |= {names[2]: {"early_warning": True}}
    later = world.commit(world.plan(DAY + timedelta(days=1)))
    assert [(event[0], event[5], event[8], event[-1]) for event in later] == [
        (names[2], "withdrawn", "limit_increase", "early_warning")
    ]


def test_planning_a_day_again_adds_nothing_and_what_is_no_longer_allowed_is_taken_back(world: World) -> None:
    first = world.commit(world.plan())
    assert [event[5] for event in first] == ["planned"] * 16
    assert world.commit(world.plan()) == []
    gone, late = world.customers[:2]
    world.facts[gone] = {"consent": False}
    again = world.commit(world.plan())
    assert [(event[0], event[5], event[-1]) for event in again] == [(gone, "withdrawn", "planned anew")]
    # With consent again the same day plans it as a further attempt, because the first was taken back.
    world.facts[gone] = {}
    back = world.commit(world.plan())
    assert [(event[0], event[3], event[4], event[5]) for event in back] == [(gone, DAY, 2, "planned")]
    assert world.commit(world.plan()) == []
    # A day later another customer unsubscribes: the open contact of yesterday is taken back, with the reason.
    world.facts[late] = {"unsubscribed": ["mobile"]}
    next_day = world.commit(world.plan(DAY + timedelta(days=1)))
    assert [(event[0], event[5], event[-1]) for event in next_day] == [(late, "withdrawn", "unsubscribed")]
    assert contacts_of(world.ledger()).where("counts").count() == 15


def test_a_contact_that_failed_is_tried_again_in_its_slot_and_counts_for_the_caps(world: World) -> None:
    name = world.customers[0]
    (planned,) = [event for event in world.commit(world.plan()) if event[0] == name]
    world.tell(planned, "sent", DAY)
    world.tell(planned, "failed", DAY)
    assert world.decisions(world.plan(DAY + timedelta(days=3)))[name].rule == "cap_7d_channel"
    later = DAY + timedelta(days=7)
    (again,) = [event for event in world.commit(world.plan(later)) if event[0] == name]
    assert (again[3], again[4], again[5], again[6]) == (DAY, 2, "planned", later)
    world.tell(again, "failed", later)
    third = world.decisions(world.plan(DAY + timedelta(days=14)))[name]
    assert (third.slot, third.attempt) == (DAY + timedelta(days=14), 1)  # two attempts are all: a new contact


def test_hours_of_the_bank_bound_when_a_contact_may_be_sent(world: World) -> None:
    event = dict(zip(COLUMNS, world.commit(world.plan())[0], strict=True))
    assert (event["not_before"], event["not_after"]) == (datetime(2026, 3, 2, 9), datetime(2026, 3, 2, 21))


def test_a_budget_and_a_capacity_bind_and_their_prices_are_told(spark: SparkSession) -> None:
    channels = [{"channel": "phone", "cost": 2.0, "minutes": 30, "uplift": 0.5}]
    item = campaign(channels=channels, budget=1_000.0, arms={"treated": 0.9999, "control": 0.0001})
    rules = policy(capacity={"phone": 7}, universal_control=0.0, manager_hours=100)
    world = World(spark, [item], rules, [f"y{n}" for n in range(40)])
    plan = world.plan()
    found = {one.name: one for one in plan.constraints}
    assert (found["contacts by phone"].used, found["manager hours"].used, found["budget of one"].used) == (7, 3.5, 14)
    # One more call would bring uplift x margin - cost = .5 x 100 - 2.
    assert found["contacts by phone"].price == pytest.approx(48, rel=0.01)
    assert found["budget of one"].price == pytest.approx(0, abs=1e-6)
    rules_of = Counter(row.rule for row in world.decisions(plan).values() if row.arm != "control")
    assert rules_of["no_capacity"] == 40 - 7 - sum(row.arm == "control" for row in world.decisions(plan).values())


def feeds(spark: SparkSession, contacts: list[Any], outcomes: list[Any]) -> Mapping[str, DataFrame]:
    schema = "_run bigint, contact_id string, campaign_id string, customer_id string, arm string, channel string, "
    return {
        "contacts": spark.createDataFrame(contacts, schema + "sent_at timestamp"),
        "contact_outcomes": spark.createDataFrame(outcomes, "contact_id string, state string, at timestamp"),
    }


def test_feeds_in_any_order_late_and_twice_make_the_same_ledger(spark: SparkSession, world: World) -> None:
    planned = dict(zip(COLUMNS, world.commit(world.plan())[0], strict=True))
    noon = datetime(2026, 3, 2, 12)
    own = (1, planned["contact_id"], "one", planned["customer_id"], "treated", "mobile", noon)
    other = (1, "B7", "P001", "zoe", "treated", "sms", noon)
    held = (1, "B8", "P001", "max", "control", None, noon)
    outcomes = [("B7", "delivered", noon), (planned["contact_id"], "failed", noon), ("B9", "delivered", noon)]
    whole = [own, other, (2, *other[1:]), held]

    def told(day: date, contacts: list[Any], known: list[Any], ledger: DataFrame) -> list[tuple[Any, ...]]:
        found = delivered_events(ledger, feeds(spark, contacts, known), as_of=day, zone="UTC")
        assert found is not None
        return sorted((tuple(row) for row in new_events(found, ledger).collect()), key=str)

    at_once = told(DAY, whole, outcomes, world.ledger())
    assert [(row[0], row[1], row[5]) for row in at_once] == [
        (planned["customer_id"], "one", "failed"), (planned["customer_id"], "one", "sent"),
        ("zoe", "P001", "delivered"), ("zoe", "P001", "sent"),
    ]  # fmt: skip
    # The outcomes first, then the contacts, the late one last: each time only what is new, and the same in the end.
    steps: list[tuple[list[Any], list[Any]]] = [([own], outcomes), ([own], outcomes + outcomes), (whole, outcomes)]
    grown = list(world.events)
    for contacts, known in steps:
        grown += told(DAY, contacts, known, frame_of(spark, grown, LEDGER))
    assert sorted(grown[len(world.events) :], key=str) == at_once
    assert told(DAY, whole, outcomes, frame_of(spark, grown, LEDGER)) == []
    assert told(DAY - timedelta(days=1), whole, outcomes, world.ledger()) == []  # nothing of later days


CAPS = [{"days": 7, "contacts": 1, "per": "channel"}, {"days": 30, "contacts": 4, "per": "all"}]


def simulated(spark: SparkSession, *, days: int, customers: int, seed: int) -> None:
    """Four campaigns, random sends, failures and crashes: after each day caps and controls are what they must be."""
    draw = np.random.default_rng(seed)
    ways = [{"channel": name, "cost": 0.1, "minutes": 1, "uplift": 0.02 + 0.01 * n} for n, name in enumerate(ALL[1:])]
    four = [
        campaign(
            f"c{n}", salt=f"s{n}", channels=[*ways[n : n + 2], *(ways[:1] if n > 1 else [])],
            offers=[{"product": f"p{n}", "margin": 50.0 + n}], attempts=3, ends_on=DAY + timedelta(days=365),
        )
        for n in range(4)
    ]  # fmt: skip
    rules = policy(universal_control=0.1, cool_off_days=5, fatigue={"contacts": 60, "days": 90}, capacity={"sms": 60})
    world = World(spark, four, rules, [f"z{n}" for n in range(customers)])
    members = frame_of(
        spark, [(item.id, name) for item in four for name in world.customers], "campaign string, customer_id string"
    )
    rows = assigned(members, None, four, policy=rules.contacts, as_of=DAY).collect()
    untouched = {(row.campaign, row.customer_id) for row in rows if row.arm == "control"}
    universal = {row.customer_id for row in rows if row.is_universal}
    for number in range(days):
        day = DAY + timedelta(days=number)
        for name in draw.choice(world.customers, 2):
            world.facts[str(name)] = {"consent": bool(draw.random() < 0.7)}
        # Killed before the ledger nothing is left of an attempt on frames: the fault test of the lake kills there.
        new = world.commit(world.plan(day))
        if draw.random() < 0.3:  # killed after the ledger, and run again
            assert world.commit(world.plan(day)) == []
        for event in new:
            if event[5] == "planned" and draw.random() < 0.8:
                world.tell(event, "sent", day)
                if draw.random() < 0.3:
                    world.tell(event, "failed", day + timedelta(days=int(draw.integers(0, 3))))
    states: dict[tuple[Any, ...], set[str]] = {}
    for event in world.events:
        states.setdefault(event[:5], set()).add(event[5])
    keys = [(*event[:5], event[5]) for event in world.events]
    assert len(set(keys)) == len(keys)
    planned = {event[:5]: event[6] for event in world.events if event[5] == "planned"}
    counted = [(key, when) for key, when in planned.items() if "withdrawn" not in states[key] or "sent" in states[key]]
    assert len(counted) > days
    assert any(key[4] > 1 for key, _ in counted)  # retries
    assert not any((key[1], key[0]) in untouched or key[0] in universal for key, _ in counted)
    for (customer, _, channel, _, _), when in counted:
        near = [(key, on) for key, on in counted if key[0] == customer]
        for cap in CAPS:
            window = [
                key for key, on in near
                if 0 <= (when - on).days < cap["days"] and (cap["per"] == "all" or key[2] == channel)
            ]  # fmt: skip
            assert len(window) <= cap["contacts"], (customer, when, cap, window)


@pytest.fixture
def small(spark: SparkSession) -> Iterator[SparkSession]:
    """The session with one partition and plans that are not changed while they run: a day takes half as long."""
    settings = {"spark.sql.shuffle.partitions": "1", "spark.sql.adaptive.enabled": "false"}
    before = {name: spark.conf.get(name) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    yield spark
    for name, known in before.items():
        spark.conf.set(name, str(known))


@pytest.mark.process
def test_caps_hold_over_days_with_retries_and_crashes(small: SparkSession) -> None:
    simulated(small, days=9, customers=25, seed=1)


@pytest.mark.fault
def test_caps_hold_in_ninety_days_of_four_campaigns(small: SparkSession) -> None:
    simulated(small, days=90, customers=40, seed=2)
