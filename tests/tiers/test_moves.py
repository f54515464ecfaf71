"""Policies A and B over hand-written months, and random policies over random months against plain Python."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType
from tests.tiers.tier_machine import Customer

from portrait.capabilities.tiers.levels import tier_levels
from portrait.capabilities.tiers.policy import TIERS, Policy, TierPolicy, load_tier_policy
from portrait.capabilities.tiers.simulate import month_ends, replay, simulated_moves
from portrait.capabilities.tiers.tiers import assign_tiers
from portrait.contracts import load_catalogue

VALUE = "as_of date, customer_id string, assets decimal(18,2), score double"
LEVELS = [
    {"id": "diamond", "title": "Diamond", "assets": {"amount": 6_000_000}},
    {"id": "vip", "title": "VIP", "assets": {"amount": 500_000}, "score": {"amount": 90}},
    {"id": "growing", "title": "Growing", "assets": {"amount": 50_000}, "score": {"amount": 60}},
    {"id": "ordinary", "title": "Ordinary"},
]
# What a month holds: D, V, G are exactly at a level; e, w, h a cent below it; ? is unknown.
ASSETS = {
    **{"d": "8000000", "D": "6000000.00", "e": "5999999.99", "v": "700000", "V": "500000.00", "w": "499999.99"},
    **{"g": "100000", "G": "50000.00", "h": "49999.99", "o": "10", "?": None},
}
LETTER = {"diamond": "d", "vip": "v", "growing": "g", "ordinary": "o"}

# Months (- the customer is not there, . nobody is: the bank made no slice), tier in force, misses in a row.
# A: up next month; three misses (diamond: six), then down to what the last of them opened.
POLICY_A = """
vvv          vvv          000            at the level, all the time
VVV          vvv          000            exactly at the level
ooo          ooo          000            the last tier cannot be missed
ovv          oov          000            up next month
ovo          oov          001            up next month, though the month itself falls short
ogvdd        oogvd        00000          a step a month
odd          ood          000            from the last to the first
vgv          vvv          010            one miss
vggv         vvvv         0120           two misses, then a hit
vggV         vvvv         0120           ... exactly at the level
vggggg       vvvvgg       012300         three misses: in month four the level of month three
vwwwww       vvvvgg       012300         ... a cent below the level
vggoo        vvvvo        01230          the last of three counts
voogg        vvvvg        01230          the last of three counts, also when it is the best
vgggvv       vvvvgv       012300         month four is at the level again: down all the same, then up
vggogg       vvvvog       012300         down two, up one
vvvvwwwVV    vvvvvvvgv    000012300      the level is met in the month of the fall
gooooo       ggggoo       012300         from growing to the last
Ghhhh        ggggo        01230          ... a cent below the level
googoooo     gggggggo     01201230       a hit in between clears what was missed
goovv        ggggv        01200          a better month clears what was missed
ovoooo       oovvvo       001230         risen once and fallen
dvvvvvvvv    dddddddvv    012345600      six misses of the top tier, down in month seven
Deeeeeeee    dddddddvv    012345600      ... a cent below the level
dvvvvvdv     dddddddd     01234501       five misses of the top tier, then a hit
doooo        ddddd        01234          three misses are not enough for the top tier
dvvvvvoo     dddddddo     01234560       the top tier, too, falls to what the last month opened
dooooovv     dddddddv     01234560       ... also when it is the best
doooooooo    dddddddoo    012345600      from the first to the last
dvvvvvvdd    dddddddvd    012345600      back at the top a month later
vgggoooo     vvvvgggo     01231230       fallen, and misses begin anew
vggvgggg     vvvvvvvg     01201230       two misses, a hit, three misses
vgvgvg       vvvvvv       010101         every other month
vddvvvvvvv   vvdddddddv   0001234560     risen to the top: six misses there
vgggdd       vvvvgd       012300         down, then up by two
--vv         --vv         --00           a new customer starts at the level
--ov         --oo         --00           ... and rises like everybody
vv-gg        vv-gg        00-00          an account closed and opened again: a new customer
vgg-v        vvv-v        012-0          closed with misses
vgg-gg       vvv-gg       012-00         ... which are forgotten
ov-o         oo-o         00-0           closed with a better tier coming
vgg.gg       vvv.vg       012.30         a month without a slice is no miss
ovv.v        oov.v        000.0          ... and takes nothing away
vvg.vg       vvv.vv       001.01         ... and clears nothing by itself
vgv..v       vvv..v       010..0         two months without a slice
v????        vvvvo        01230          unknown assets are a miss
vg?vv        vvvvv        01200          ... that a hit clears
"""
# B: up at once; six misses, on watch from the fourth; in month seven down to the best of the six.
POLICY_B = """
vvv             vvv             000              at the level, all the time
VVV             vvv             000              exactly at the level
ooo             ooo             000              the last tier cannot be missed
ovv             ovv             000              up at once
ovo             ovv             001              up at once, and kept
ogvd            ogvd            0000             a step a month
odo             odd             001              from the last to the first
vgv             vvv             010              one miss
vggv            vvvv            0120             two misses, then a hit
vgggv           vvvvv           01230            three misses, then a hit
vggggv          vvvvvv          012340           on watch, cleared by a hit
vggggV          vvvvvv          012340           ... exactly at the level
vgggggv         vvvvvvv         0123450          cleared in the second month of watch
vgggggggg       vvvvvvvgg       012345600        six misses
vwwwwwwww       vvvvvvvgg       012345600        ... a cent below the level
vgoooooo        vvvvvvvg        01234561         down to the best of six, the first
voooooggg       vvvvvvvgg       012345600        ... the last of six
voogoooo        vvvvvvvg        01234561         ... one in the middle
vooooooo        vvvvvvvo        01234560         none of them better than the last tier
Ghhhhhhh        gggggggo        01234560         from growing to the last, a cent below the level
dvvvvvvv        dddddddv        01234560         the top tier like the others
Deeeeeee        dddddddv        01234560         ... a cent below the level
dvoooooo        dddddddv        01234561         the top tier to its best month
dgvggggg        dddddddv        01234561         ... to its second best
doooooog        dddddddg        01234560         month seven opens more than the fall led to
vggggggv        vvvvvvvv        01234560         month seven is at the level again
vwwwwwwV        vvvvvvvv        01234560         ... exactly
vggggggd        vvvvvvvd        01234560         month seven is above it
vggggggoo       vvvvvvvgg       012345612        fallen, and misses begin anew
goov            gggv            0120             a better month clears what was missed
goovo           gggvv           01201            ... and is kept
googo           ggggg           01201            a hit clears what was missed
vgvgvg          vvvvvv          010101           every other month
vggggvggggv     vvvvvvvvvvv     01234012340      on watch twice
odvvvvvvv       odddddddv       001234560        risen to the top, six misses there
dvvvvvvggggggg  dddddddvvvvvvg  01234561234560   two falls
vgovg           vvvvv           01201            misses of several depths
--vv            --vv            --00             a new customer starts at the level
--ov            --ov            --00             ... and rises like everybody
vv-gg           vv-gg           00-00            an account closed and opened again: a new customer
vgggg-v         vvvvv-v         01234-0          closed on watch
vgggg-g         vvvvv-g         01234-0          ... which is forgotten
vgg.ggggg       vvv.vvvvg       012.34560        a month without a slice is no miss
vggg.ggv        vvvv.vvv        0123.450         ... and clears nothing by itself
vgg..gv         vvv..vv         012..30          two months without a slice
v????????       vvvvvvvoo       012345600        unknown assets are a miss
vg?gg?v         vvvvvvv         0123450          ... that a hit clears
"""


def months_of(count: int) -> list[date]:
    """Month ends, from January 2024 on."""
    firsts = [date(2024 + (n + 1) // 12, (n + 1) % 12 + 1, 1) for n in range(count)]
    return [date.fromordinal(first.toordinal() - 1) for first in firsts]


def cases(table: str) -> list[tuple[str, str, str]]:
    return [tuple(line.split()[:3]) for line in table.strip().splitlines()]


def policies() -> TierPolicy:
    shipped = load_tier_policy(Path(__file__).parents[2] / "conf" / "tiers.yml")
    return TierPolicy.model_validate({**shipped.model_dump(), "tiers": LEVELS})


def live_through(spark: SparkSession, paths: dict[str, str], schema: StructType) -> dict[str, list[Row | None]]:
    """The slices of gold.customer_tier month by month, each from the one before; rows by customer, None: not there."""
    policy, days = policies(), months_of(max(map(len, paths.values())))
    lived: dict[str, list[Row | None]] = {name: [] for name in paths}
    last: dict[str, Row] = {}
    for number, day in enumerate(days):
        here = {name: path[number] for name, path in paths.items() if number < len(path)}
        rows = [
            (day, name, None if (amount := ASSETS[letter]) is None else Decimal(amount), 0.0)
            for name, letter in here.items()
            if letter in ASSETS
        ]
        value = spark.createDataFrame(rows, VALUE)
        before = spark.createDataFrame(list(last.values()), schema)
        levels = tier_levels(value, policy=policy)
        slice_ = assign_tiers(value, before, before, levels=levels, overrides=None, policy=policy, as_of=day)
        found = {row.customer_id: row for row in slice_.select(schema.fieldNames()).collect()}
        for name, letter in here.items():
            lived[name].append(found.get(name))
            if letter != ".":
                last.pop(name, None)
        last |= found
    return lived


@pytest.fixture(scope="module")
def lived(spark: SparkSession, schemas_dir: Path) -> dict[str, list[Row | None]]:
    paths = {f"A {months}": months for months, *_ in cases(POLICY_A)}
    paths |= {f"B {months}": months for months, *_ in cases(POLICY_B)}
    return live_through(spark, paths, load_catalogue(schemas_dir).table("gold.customer_tier").struct_type)


def told(months: str, rows: list[Row | None], tier: str, misses: str) -> tuple[str, str]:
    """Tier and misses of a path, written as the tables above write them."""
    pairs = list(zip(months, rows, strict=True))
    tiers = "".join(LETTER[row[tier]] if row else letter for letter, row in pairs)
    return tiers, "".join(str(row[misses]) if row else letter for letter, row in pairs)


def test_the_tables_are_long_enough() -> None:
    assert min(len(set(cases(POLICY_A))), len(set(cases(POLICY_B)))) >= 40


@pytest.mark.parametrize(("months", "tiers", "misses"), cases(POLICY_A))
def test_policy_a(lived: dict[str, list[Row | None]], months: str, tiers: str, misses: str) -> None:
    assert told(months, lived[f"A {months}"], "tier", "misses") == (tiers, misses)


@pytest.mark.parametrize(("months", "tiers", "misses"), cases(POLICY_B))
def test_policy_b(lived: dict[str, list[Row | None]], months: str, tiers: str, misses: str) -> None:
    assert told(months, lived[f"B {months}"], "shadow_tier", "shadow_misses") == (tiers, misses)


def test_what_is_coming_is_said_the_month_before(lived: dict[str, list[Row | None]]) -> None:
    assert [row.coming_tier for row in lived["A ogvdd"]] == [None, "growing", "vip", "diamond", None]
    assert [row.coming_tier for row in lived["A vggoo"]] == [None, None, None, "ordinary", None]
    assert [row.shadow_coming_tier for row in lived["B vgoooooo"]] == [*[None] * 6, "growing", None]


def test_watch_begins_with_the_first_miss_under_a(lived: dict[str, list[Row | None]]) -> None:
    assert [row.watch_state for row in lived["A vgggvv"]] == [
        "settled",
        "watch",
        "watch",
        "falling",
        "rising",
        "settled",
    ]


def test_a_tier_holds_since_the_first_of_its_month(lived: dict[str, list[Row | None]]) -> None:
    since = [row.since for row in lived["A ogvdd"]]
    assert since == [date(2024, month, 1) for month in (1, 1, 3, 4, 5)]
    since = [row.since for row in lived["A vgggvv"]]
    assert since == [date(2024, month, 1) for month in (1, 1, 1, 1, 5, 6)]


def test_the_sentence_of_each_month(lived: dict[str, list[Row | None]]) -> None:
    reasons = [(row.reason_code, row.reason) for row in lived["A vgggvv"]]
    short = "Assets of 100,000.00 reach the growing level of 50,000.00."
    enough = "Assets of 700,000.00 reach the vip level of 500,000.00."
    assert reasons == [
        ("assets_level", enough),
        ("kept_below", f"{short} The tier is vip: month 1 of 3 below it. Unchanged."),
        ("kept_below", f"{short} The tier is vip: month 2 of 3 below it. Unchanged."),
        (
            "kept_below",
            f"{short} The tier is vip: month 3 of 3 below it. It falls to growing on 2024-05-01. Unchanged.",
        ),
        ("rising", f"{enough} The tier is growing, and vip from 2024-06-01 on. Down from vip."),
        ("assets_level", f"{enough} Up from growing."),
    ]


def test_what_is_missing_to_keep_the_tier(lived: dict[str, list[Row | None]]) -> None:
    assert [row.keep_assets for row in lived["A vwwwww"]] == [None, *[Decimal("0.01")] * 3, None, None]
    assert [row.gap_assets for row in lived["A ovv"]] == [Decimal("49990.00"), Decimal("0.00"), Decimal(5_300_000)]


def test_a_replay_ends_where_the_slices_did(spark: SparkSession, lived: dict[str, list[Row | None]]) -> None:
    whole = {name: rows for name, rows in lived.items() if "." not in name}
    days = months_of(14)
    value = [
        (days[number], name, None if (amount := ASSETS[letter]) is None else Decimal(amount), 0.0)
        for name in whole
        for number, letter in enumerate(name[2:], start=14 - len(name[2:]))
        if letter in ASSETS
    ]
    policy = policies()
    frame = spark.createDataFrame(value, VALUE)
    ends = [
        replay(frame, days, rules=policy.policies[name], policy=policy).select(F.lit(by).alias("by"), "*")
        for by, name in (("A", "policy_a"), ("B", "policy_b"))
    ]
    found = {(row.by, row.customer_id): row.standing for row in ends[0].unionByName(ends[1]).collect()}
    for name, rows in whole.items():
        a, b = found["A", name], found["B", name]
        assert (TIERS[a.tier_rank - 1], a.misses) == (rows[-1].tier, rows[-1].misses), name
        assert (TIERS[b.tier_rank - 1], b.misses) == (rows[-1].shadow_tier, rows[-1].shadow_misses), name


def drawn_policy(dice: random.Random, number: int) -> dict[str, Any]:
    upgrade = dice.choice(["at_once", "next_month"])
    each = {tier: dice.randint(0, 6) for tier in TIERS[:-1]}
    rules = {
        "title": f"Policy {number}",
        "newcomers": dice.choice(["at_level", "lowest"]),
        "upgrade": upgrade,
        "drop_after_misses": dice.choice([dice.randint(0, 6), each]),
        "drop_to": dice.choice(["last_month", "best_month"]),
        "grace_months": dice.choice([0, 0, 2, 5]),
        "floors": dice.choice([{}, {"diamond": "vip"}, {"diamond": "growing", "vip": "growing"}]),
        "unknown_assets": dice.choice(["miss", "hold"]),
    }
    return rules | ({"fast_track": 2.0} if upgrade == "next_month" and dice.random() < 0.5 else {})


def reference(rules: dict[str, Any], path: list[str | None]) -> tuple[int, int, int | None]:
    """Tier, misses and coming tier at the end of a path, by the machine in plain Python."""
    levels, customer, last = (6_000_000, 500_000, 50_000), Customer(rules), (0, 0, None)
    for amount in path:
        if amount is None:
            customer.gone()
            continue
        known = amount != "?"
        assets = Decimal(amount) if known else Decimal(0)
        opened = next((rank for rank, level in enumerate(levels, 1) if assets >= level), 4)
        fast = next((rank for rank, level in enumerate(levels, 1) if assets >= 2 * level), 4)
        last = customer.month(opened, fast=fast, known=known)
    return last


def test_random_months_under_random_policies_end_as_in_plain_python(spark: SparkSession) -> None:
    dice = random.Random(20240131)
    days = months_of(16)
    amounts = ["13000000", *[text or "?" for text in ASSETS.values()], "1000000.00", "999999.99", None]
    drawn = {f"c{n}": [dice.choice(amounts) for _ in days] for n in range(250)}
    for path in drawn.values():  # most customers are there most of the time, and all at the end
        path[:] = [item if item or dice.random() < 0.3 else "10" for item in path[:-1]] + [path[-1] or "100000"]
    rows = [
        (day, name, None if amount == "?" else Decimal(amount), 0.0)
        for name, path in drawn.items()
        for day, amount in zip(days, path, strict=True)
        if amount
    ]
    frame = spark.createDataFrame(rows, VALUE).coalesce(1).cache()
    each = {f"p{n}": drawn_policy(dice, n) for n in range(10)}
    policy = TierPolicy.model_validate({"tiers": LEVELS, "policy": "p0", "policies": each})
    ends = [
        replay(frame, days, rules=rules, policy=policy).select(F.lit(name).alias("by"), "*")
        for name, rules in policy.policies.items()
    ]
    found = {(r.by, r.customer_id): r.standing for r in reduce(lambda a, b: a.unionByName(b), ends).collect()}
    frame.unpersist()
    assert len(found) == len(each) * len(drawn)
    for name, rules in each.items():
        for customer, path in drawn.items():
            end = found[name, customer]
            told = (end.tier_rank, end.misses, end.coming_rank)
            assert told == reference(rules, path), f"{rules}: {path}"


def test_month_ends_are_the_last_slices_of_their_months() -> None:
    slices = [date(2024, 2, 29), date(2024, 1, 31), date(2024, 3, 5), date(2024, 1, 15), date(2024, 3, 9)]
    assert month_ends(slices, until=date(2024, 3, 6)) == [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 5)]


def test_simulated_moves_count_customers_and_money(spark: SparkSession) -> None:
    days = months_of(2)
    rows = [(days[0], "a", Decimal(700_000), 0.0), (days[1], "a", Decimal(100_000), 0.0)]
    rows += [(day, "b", Decimal(700_000), 0.0) for day in days]
    policy = policies()
    published = spark.createDataFrame([("a", "vip"), ("b", "vip")], "customer_id string, earned_tier string")
    replayed = replay(spark.createDataFrame(rows, VALUE), days, rules=policy.policies["immediate"], policy=policy)
    moved = {
        (r.tier, r.simulated_tier): (r.customers, r.assets) for r in simulated_moves(published, replayed).collect()
    }
    assert moved == {("vip", "growing"): (1, Decimal(100_000)), ("vip", "vip"): (1, Decimal(700_000))}


def test_the_shipped_policies_say_what_they_are_called(conf_dir: Path) -> None:
    shipped = load_tier_policy(conf_dir / "tiers.yml")
    a, b = shipped.policies["policy_a"], shipped.policies["policy_b"]
    assert [a.misses_of(rank) for rank in (1, 2, 3, 4)] == [6, 3, 3, 0]
    assert [b.misses_of(rank) for rank in (1, 2, 3, 4)] == [6, 6, 6, 0]
    assert isinstance(shipped.deciding, Policy)
