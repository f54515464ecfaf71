"""The cards about what comes and about RFM segments, from figures made by hand."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from pyspark.sql import SparkSession
from tests.report.figures import figures

from portrait.capabilities.tiers.figures import by_segment, outlook
from portrait.capabilities.tiers.outlook import outlook_card, segments_card, worth_card
from portrait.contracts import load_catalogue


def text(html: str | None) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html or "").split())


def state(tier: str, rank: int, name: str, customers: int, elsewhere: int | None) -> dict[str, object]:
    return {"tier": tier, "tier_rank": rank, "watch_state": name, "customers": customers, "elsewhere": elsewhere}


def test_what_comes_is_added_up_by_tier() -> None:
    rows = [state("ordinary", 4, "rising", 7, 7), state("vip", 2, "settled", 20, 1), state("vip", 2, "falling", 2, 0)]
    rows += [state("vip", 2, "watch", 3, 0), state("ordinary", 4, "settled", 90, 0)]
    said = text(outlook_card(figures(outlook=rows)))
    assert "Vip 20 0 3 2 0 Ordinary 90 0 0 0 7" in said.replace("VIP", "Vip")
    assert "Next month 7 rise and 2 fall; 3 more are on watch." in said
    assert "8 customers would be in another tier" in said.replace("\u00a0", " ")


def test_without_a_shadow_nothing_is_said_of_it_and_without_policies_nothing_at_all() -> None:
    assert "computed beside" not in text(outlook_card(figures(outlook=[state("vip", 2, "settled", 20, None)])))
    assert outlook_card(figures(outlook=[])) is None
    assert segments_card(figures()) is None


def test_what_tiers_are_worth_best_first_and_all_last() -> None:
    money = {"margin": Decimal("1.50"), "value": Decimal(70), "value_low": Decimal(60), "value_high": Decimal(81)}
    rows = [{"tier": tier, "previous_as_of": "2024-01-31", **money} for tier in ("all", "ordinary", "vip")]
    said = text(worth_card(figures(worth=rows))).replace("VIP", "Vip")
    assert "Vip 1.50 70 60 81 Ordinary 1.50 70 60 81 All 1.50 70 60 81" in said
    assert "since 31 January 2024" in said.replace("\u00a0", " ")
    assert worth_card(figures(worth=[])) is None


def test_segments_are_in_order_of_size() -> None:
    rows = [
        {"rfm_segment": "at_risk", "customers": 25, "assets": Decimal(1000), "alive": 0.5},
        {"rfm_segment": "champions", "customers": 75, "assets": Decimal(75000), "alive": 0.987},
    ]
    said = text(segments_card(figures(rfm=rows))).replace("\u00a0", " ")
    assert re.search(r"Champions 75 75.0 % 1,000.* 98.7 % At risk 25 25.0 % 40.* 50.0 %", said)


def test_the_figures_behind_them(spark: SparkSession, schemas_dir: Path) -> None:
    rows = [("vip", 2, "vip", "vip", "watch"), ("vip", 2, "vip", "growing", "watch"), ("vip", 2, None, None, None)]
    tiers = spark.createDataFrame(
        rows, "tier string, tier_rank int, earned_tier string, shadow_tier string, watch_state string"
    )
    assert [tuple(row) for row in outlook(tiers).collect()] == [("vip", 2, "watch", 2, 1)]
    value = load_catalogue(schemas_dir).table("gold.customer_value").struct_type
    assert {"rfm_segment", "assets", "p_alive"} <= set(value.names)
    made = [("loyal", Decimal("5.50"), 0.5), ("loyal", None, None), (None, Decimal(9), None)]
    frame = spark.createDataFrame(made, "rfm_segment string, assets decimal(18,2), p_alive double")
    assert [tuple(row) for row in by_segment(frame).collect()] == [("loyal", 2, Decimal("5.50"), 0.5)]
