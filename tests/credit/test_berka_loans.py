"""Berka's loans: who does not repay (status B or D), by what was known before the granting, on later loans."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from sklearn.metrics import roc_auc_score

from portrait.capabilities.credit.scorecard import fit_scorecard

pytestmark = pytest.mark.scale

SIGNS = {"payments": 1, "least_balance": -1, "burden": 1, "sanctions": 1}
FEATURES = (
    "amount",
    "duration",
    "payments",
    "months_known",
    "balance",
    "least_balance",
    "came_in",
    "burden",
    "sanctions",
)
DRAWS = 2000


def loans(folder: Path) -> pd.DataFrame:
    """One row per loan: facts of the account's bookings before the granting, `year`, `bad`."""
    found = duckdb.sql(f"""
        with loans as (
            select account_id, strptime(date::varchar, '%y%m%d')::date as granted_on, amount, duration, payments,
                (status in ('B', 'D'))::int as bad
            from read_csv('{folder}/loan.asc', delim = ';', header = true)),
        bookings as (
            select account_id::int as account_id, date::date as day, type, amount::double as amount,
                balance::double as balance, k_symbol,
                row_number() over (partition by account_id order by date, trans_id::int) as n
            from read_csv('{folder}/trans_preloan_682accts.csv', all_varchar = true))
        select year(granted_on) as year, bad, loans.amount::double amount, duration, payments::double payments,
            date_diff('month', min(day), granted_on) as months_known, arg_max(balance, n) as balance,
            min(balance) as least_balance,
            sum(bookings.amount) filter (type = 'PRIJEM' and day >= granted_on - 90) / 3 as came_in,
            payments / nullif(came_in, 0) as burden,
            count(*) filter (k_symbol = 'SANKC. UROK') as sanctions,
            max(day) < granted_on as is_before
        from loans join bookings using (account_id)
        group by loans.account_id, granted_on, bad, loans.amount, duration, payments
    """).df()
    assert len(found) == 682
    assert found["is_before"].all()  # nothing that a score reads is of the day of granting or later
    return found


def interval(bad: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """Of 95 %, by drawing loans with replacement."""
    draws, found = np.random.default_rng(24), []
    while len(found) < DRAWS:
        rows = draws.integers(0, len(bad), len(bad))
        if 0 < bad[rows].sum() < len(bad):
            found.append(roc_auc_score(bad[rows], score[rows]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def test_later_loans_are_ranked_by_what_was_known_before(spark: SparkSession, berka_dir: Path) -> None:
    """Bins and line of the loans of 1993 to 1996; those of 1997 are ranked: their status is known for a year at least.

    Of the loans of 1998 hardly one had time to turn bad (4 of 158): they are told, not judged.
    """
    every = loans(berka_dir)
    early = every[every["year"] <= 1996]
    assert (len(early), int(early["bad"].sum())) == (328, 46)
    card = fit_scorecard(spark.createDataFrame(early[["bad", *FEATURES]]), target="bad", signs=SIGNS)
    scored = card.score(spark.createDataFrame(every)).toPandas()
    lows = {}
    for name, of in (("1997", scored["year"] == 1997), ("1997 and 1998", scored["year"] >= 1997)):
        bad, score = scored.loc[of, "bad"].to_numpy(), scored.loc[of, "probability"].to_numpy()
        low, high = interval(bad, score)
        lows[name] = low
        auc = roc_auc_score(bad, score)
        print(f"{name}: AUC {auc:.3f}, 95 % from {low:.3f} to {high:.3f}; {bad.sum()} of {len(bad)} bad")
    print(card.table.to_string(), card.left_out)
    assert lows["1997"] > 0.5
