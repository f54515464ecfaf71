"""What a campaign caused: moments of many campaigns at once, the look rule, the stop, heterogeneity."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.effect import cuped, effects_of, intention_to_treat
from portrait.capabilities.campaigns.policy import CampaignPolicy, load_campaign_policy
from portrait.capabilities.campaigns.readout import Judged, heterogeneity, moments, of_feed, read_out
from portrait.capabilities.campaigns.saved import load_uplift, save_uplift

START, END = date(2026, 1, 1), date(2026, 1, 31)
HALF = Judged("one", "One", 0.5, START, END, ("bought",), "plan")


def drawn(seed: int = 1, rows: int = 4_000) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    before, treated = draw.gamma(2, 100, rows), draw.integers(0, 2, rows)
    took = (draw.random(rows) < 0.1 + 0.0008 * before * 0.5 + 0.05 * treated).astype(int)
    return pd.DataFrame({"campaign": "one", "treated": treated, "took": took, "before": before})


def test_campaigns_asked_for_at_once_have_the_effects_that_each_has_alone(spark: SparkSession) -> None:
    both = pd.concat([drawn(), drawn(2).assign(campaign="two")])
    arms: dict[str, dict[int, dict[str, float]]] = {}
    for row in moments(spark.createDataFrame(both)).collect():
        arms.setdefault(row.campaign, {})[row.treated] = row.asDict()
    for name in ("one", "two"):
        alone = spark.createDataFrame(both[both["campaign"] == name])
        plain, adjusted = effects_of(arms[name])
        expected = intention_to_treat(alone, treatment="treated", outcome="took")
        assert (plain.effect, plain.low, plain.p) == pytest.approx((expected.effect, expected.low, expected.p))
        with_before = cuped(alone, treatment="treated", outcome="took", before="before")
        assert adjusted is not None
        assert (adjusted.effect, adjusted.high, adjusted.variance_factor) == pytest.approx(
            (with_before.effect, with_before.high, with_before.variance_factor)
        )


def rows_of(treated: int, control: int) -> dict[int, object]:
    from pyspark.sql import Row

    def arm(n: int, rate: float) -> Row:
        return Row(n=float(n), my=rate, mx=0.0, vy=rate * (1 - rate), vx=0.0, cxy=0.0)

    return {1: arm(treated, 0.05), 0: arm(control, 0.02)}


@pytest.mark.parametrize(
    ("treated", "control", "day", "state", "says"),
    [
        (5_000, 5_000, date(2026, 1, 30), "interim", "interim: nothing is called significant before 2026-01-31"),
        (5_000, 5_000, END, "final", "the contacts caused 3.00% more takers (p 0.000)"),
        (60, 60, END, "final", "no effect can be told from chance"),
        (5_000, 4_000, END, "stopped", "stopped: 4000 of 9000 customers are in the control, not the planned 50.0%"),
        (5_000, 1, END, "too_few", "an arm has fewer than two customers"),
    ],
)
def test_looks_and_stops(treated: int, control: int, day: date, state: str, says: str) -> None:
    found = read_out(HALF, rows_of(treated, control), policy=CampaignPolicy(), as_of=day)  # type: ignore[arg-type]
    assert found["state"] == state
    assert found["verdict"].startswith(says)
    assert ("effect" in found) == (state in ("interim", "final"))
    assert (found.get("p") is not None) == (state == "final")


def test_planted_heterogeneity_is_found_and_its_absence_is_said(
    spark: SparkSession, conf_dir: Path, tmp_path: Path
) -> None:
    draw = np.random.default_rng(3)
    rows = 6_000
    frame = pd.DataFrame(
        {"treated": draw.integers(0, 2, rows), "x": draw.normal(0, 1, rows), "z": draw.normal(0, 1, rows)}
    )
    moved = np.where(frame["x"] > 0, 0.25, 0.0)
    policy = load_campaign_policy(conf_dir)
    light = policy.model_copy(update={"uplift": policy.uplift.model_copy(update={"resamples": 60, "folds": 2})})
    for effect, verdict in ((moved, "usable"), (0.1, "no usable heterogeneity")):
        frame["took"] = (draw.random(rows) < 0.1 + effect * frame["treated"]).astype(int)
        found, model = heterogeneity(spark.createDataFrame(frame), ["x", "z"], policy=light)
        assert found["uplift_verdict"] == verdict
        assert (model is not None) == (verdict == "usable")
        if model is not None:  # kept for a later campaign, it scores as it did
            save_uplift(model, tmp_path)
            asked = spark.createDataFrame(frame)
            assert model.score(asked).exceptAll(load_uplift(tmp_path).score(asked)).count() == 0
            scored = load_uplift(tmp_path).score(asked).groupBy((F.col("x") > 0).alias("moved")).agg(F.avg("uplift"))
            by = {row[0]: row[1] for row in scored.collect()}
            assert by[True] - by[False] > 0.15  # planted: .25
        assert (found["qini_phi"][-1], len(found["qini_phi"])) == (1.0, 40)
        assert found["qini_gain"][-1] == pytest.approx(found["qini_random"][-1])
    few, _ = heterogeneity(spark.createDataFrame(frame.head(300)), ["x"], policy=light)
    assert few["uplift_verdict"] == "not judged"


def test_of_the_bank_s_campaigns_the_newest_record_counts(spark: SparkSession) -> None:
    rows = [
        (1, "P1", "I", "2025-12-01", "Old name", "2026-01-01", "2026-01-31", 0.1),
        (2, "P1", "U", "2025-12-05", "New name", "2026-01-01", "2026-02-15", 0.2),
        (1, "P2", "I", "2025-12-01", "Gone", "2026-01-01", "2026-01-31", 0.1),
        (1, "P2", "D", "2025-12-02", "Gone", "2026-01-01", "2026-01-31", 0.1),
        (1, "P3", "I", "2025-12-01", "To come", "2026-03-01", "2026-03-31", 0.1),
        (1, "P4", "I", "2025-01-01", "Long over", "2025-01-01", "2025-03-31", 0.1),
    ]
    schema = "_run int, campaign_id string, op string, c string, name string, s string, e string, control_share double"
    frame = spark.createDataFrame(rows, schema)
    frame = frame.selectExpr("*", "timestamp(c) as changed_at", "date(s) as starts_on", "date(e) as ends_on")
    (found,) = of_feed(frame, as_of=date(2026, 1, 20), kept_days=120, zone="UTC")
    assert (found.campaign, found.title, found.ends_on, found.control_share) == (
        "P1",
        "New name",
        date(2026, 2, 15),
        0.2,
    )
