"""The lifetime model judged by what came: fitted on an earlier day, its forecast beside the purchases since."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.lifetime.lifetime import fit_models, purchase_histories, score_histories
from portrait.capabilities.lifetime.policy import LifetimePolicy
from portrait.errors import PortraitError
from portrait.spark.quantiles import on_grid, quantiles

_DIGITS = 4
_CUTS = [tenth / 10 for tenth in range(1, 10)]


def calibration(daily: DataFrame, *, counts: Column, policy: LifetimePolicy, as_of: date, held_out: int) -> DataFrame:
    """One row per tenth of the customers by expected purchases: tenth, customers, expected, came (means a customer).

    The models are fitted on bookings up to `held_out` units before `as_of`; `came` are the purchases since. Customers
    with the same forecast stay together, so the tenths may differ in size. Raises PortraitError when the data up to
    then do not determine a model. The histories stay cached in the session: fits, forecast and tenths all read them.
    """
    cut = as_of - timedelta(days=policy.unit_days * held_out)
    ahead = policy.model_copy(update={"horizon_units": held_out})
    histories = purchase_histories(daily, counts=counts, policy=ahead, as_of=cut, exact=True).persist()
    models = fit_models(histories, earlier={}, policy=ahead, as_of=cut)
    if "bgnbd" not in models:
        raise PortraitError(
            f"the bookings up to {cut} do not determine a model of purchases",
            where="silver.customer_daily",
            remedy="take a later --as-of or a shorter --held-out; conf/lifetime.yml says what a purchase is",
        )
    since = policy.model_copy(update={"window_units": held_out})
    came = purchase_histories(daily, counts=counts, policy=since, as_of=as_of, exact=True)
    told = score_histories(histories, models, policy=ahead).select("customer_id", "expected_purchases")
    both = told.join(came.select("customer_id", (F.col("x") + 1).alias("came")), on="customer_id", how="left").fillna(
        0, ["came"]
    )
    cuts = told.agg(quantiles(F.col("expected_purchases"), _CUTS, digits=_DIGITS).alias("cuts"))
    expected = on_grid(F.col("expected_purchases"), digits=_DIGITS)
    tenth = F.size(F.filter("cuts", lambda level: expected > level)) + 1
    return (
        both.join(F.broadcast(cuts), how="cross")
        .groupBy(tenth.alias("tenth"))
        .agg(
            F.count("*").alias("customers"),
            F.avg("expected_purchases").alias("expected"),
            F.avg("came").alias("came"),
        )
        .orderBy("tenth")
    )
