"""The planted groups can be found, and are not handed out: sklearn's KMeans on standardised shares of a year."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from tests.sources.landed import Landed

from portrait.sources import land_synthetic
from portrait.sources.synthetic.plan import CATEGORIES

OWN_DOING = (
    *("card_payment", "card_withdrawal", "cash_withdrawal", "cash_deposit"),
    *("transfer_out", "investment_buy", "investment_sell"),
)


@pytest.fixture(scope="module")
def habits(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.Series, pd.DataFrame]:
    """Planted group, and standardised shares of spending and channels, activity and assets, by customer.

    Customers who left during the year are not asked: they are in no slice of its last day.
    """
    landing = tmp_path_factory.mktemp("year") / "landing"
    year = Landed(landing, land_synthetic(spark, customers=2_000, months=12, seed=7, landing=landing))
    booked = pd.DataFrame(
        year.ask(f"""
            select account_id[2:10], category, channel, amount::double, balance_after::double, account_id,
                booked_at || transaction_id, type in {OWN_DOING} from {{transactions}} where booked_at >= '2025'
                and account_id not in (select account_id from {{accounts}} where closed_on is not null)
        """),
        columns=["customer", "category", "channel", "amount", "balance", "account", "place", "own"],
    )
    spent = booked[booked.category.isin(CATEGORIES)].pivot_table(
        index="customer", columns="category", values="amount", aggfunc="sum", fill_value=0.0
    )
    used = booked.dropna(subset="channel").pivot_table(
        index="customer", columns="channel", values="amount", aggfunc="count", fill_value=0
    )
    last = booked.sort_values("place").groupby(["customer", "account"]).balance.last().groupby("customer").sum()
    funds = pd.Series(
        dict(
            year.ask("""
                select customer_id[2:], sum(amount::double) from {holdings}
                where op = 'I' and (product_id like '%_fund' or product_id = 'structured_note') group by 1
            """)
        )
    )
    rows = pd.concat(
        [
            spent.div(spent.sum(axis=1), axis=0),
            used.div(used.sum(axis=1), axis=0),
            np.log1p(booked[booked.own].groupby("customer").size()).rename("activity"),
            np.log(last.add(funds, fill_value=0).clip(lower=100)).rename("assets"),
        ],
        axis=1,
    ).loc[spent.index]
    rows = rows.fillna(0.0)
    planted = pd.Series(dict(year.ask('select customer_id[2:], "group" from {groups}'))).loc[rows.index]
    return planted, (rows - rows.mean()) / rows.std()


@pytest.mark.scale
def test_six_groups_are_found_but_not_trivially(habits: tuple[pd.Series, pd.DataFrame]):
    planted, rows = habits
    found = KMeans(6, n_init=10, random_state=0).fit_predict(rows)
    assert 0.80 <= adjusted_rand_score(planted, found) <= 0.95


@pytest.mark.scale
def test_six_is_the_best_number_of_groups(habits: tuple[pd.Series, pd.DataFrame]):
    _, rows = habits
    widths = {
        number: silhouette_score(rows, KMeans(number, n_init=10, random_state=0).fit_predict(rows))
        for number in range(3, 10)
    }
    assert max(widths, key=widths.__getitem__) == 6
