"""Rings of accounts that pass money on together: AMLSim's typologies beyond fans, as joins of transfers within hours.

Each function takes `transfers` (`from`, `to`, `at` in seconds, `booked_on`, `amount_minor`) and gives one row per
account: account_id, first_on, last_on, minor, events, evidence.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.funds.policy import Rings

_HOUR = 3600


def transfers_within(moved: DataFrame, policy: Rings) -> DataFrame:
    """Transfers that rings are looked for in: large enough, and not of an account that pays or is paid by very many."""
    step = moved.where(
        (F.col("direction") == "debit")
        & (F.col("type") == "transfer_out")
        & F.col("other").isNotNull()
        & (F.col("amount_minor") >= policy.least * 100)
    ).select(F.col("account_id").alias("from"), F.col("other").alias("to"), "at", "booked_on", "amount_minor")
    paid, got = (F.count("*").over(Window.partitionBy(side)) for side in ("from", "to"))
    usual = step.withColumns({"paid": paid, "got": got}).where(
        (F.col("paid") <= policy.hub_most) & (F.col("got") <= policy.hub_most)
    )
    return usual.drop("paid", "got")


def scatter_gather(transfers: DataFrame, policy: Rings) -> DataFrame:
    """Somebody pays several accounts, and each of these passes it on to the same account."""
    hops = _two_hops(transfers, policy).where(F.col("giver") != F.col("taker"))
    ends = hops.groupBy("giver", "taker").agg(
        F.collect_set("middle").alias("middles"), *_span(), F.countDistinct("middle").alias("events")
    )
    found = ends.where(F.col("events") >= policy.width)
    evidence = F.concat(F.col("giver"), F.lit(" > "), F.col("events"), F.lit(" accounts > "), F.col("taker"))
    return _members(found, F.array_union("middles", F.array("giver", "taker")), evidence)


def stack(transfers: DataFrame, policy: Rings) -> DataFrame:
    """Two accounts get money of the same givers, and both pass it on to the same takers: layer by layer."""
    hops = _two_hops(transfers, policy)
    one, other = (hops.withColumnRenamed("middle", name) for name in ("one", "another"))
    ends = ["giver", "taker"]
    other = other.select(*ends, "another", F.col("first_at").alias("other_at"))
    pairs = one.join(other, on=ends, how="inner").where(
        (F.col("one") < F.col("another")) & (F.abs(F.col("first_at") - F.col("other_at")) <= policy.hours * _HOUR)
    )
    layers = pairs.groupBy("one", "another").agg(
        F.collect_set("giver").alias("givers"),
        F.collect_set("taker").alias("takers"),
        *_span(),
        F.countDistinct(*ends).alias("events"),
    )
    found = layers.where(
        (F.size("givers") >= policy.layer) & (F.size("takers") >= policy.layer)
        & (F.size(F.array_intersect("givers", "takers")) == 0)
    )  # fmt: skip
    evidence = F.concat(
        F.size("givers"), F.lit(" accounts > "), F.col("one"), F.lit(" and "), F.col("another"), F.lit(" > "),
        F.size("takers"), F.lit(" accounts"),
    )  # fmt: skip
    return _members(found, F.array_union(F.array_union("givers", "takers"), F.array("one", "another")), evidence)


def bipartite(transfers: DataFrame, policy: Rings) -> DataFrame:
    """Several accounts pay each of the same several accounts."""
    one = transfers.withColumnRenamed("from", "one")
    other = transfers.select(F.col("from").alias("another"), "to", F.col("at").alias("other_at"))
    shared = one.join(other, on="to", how="inner").where(
        (F.col("one") != F.col("another")) & (F.abs(F.col("at") - F.col("other_at")) <= policy.hours * _HOUR)
    )
    pairs = shared.groupBy("one", "another").agg(
        F.collect_set("to").alias("takers"),
        F.min("booked_on").alias("first_on"),
        F.max("booked_on").alias("last_on"),
        F.sum(F.col("amount_minor").cast("decimal(38,0)")).alias("minor"),
    )
    pairs = pairs.where(F.size("takers") >= policy.width)
    # `one` and the others that share takers with it are as many as the takers must be.
    sides = pairs.groupBy("one").agg(
        F.collect_set("another").alias("givers"),
        F.array_distinct(F.flatten(F.collect_list("takers"))).alias("takers"),
        F.min("first_on").alias("first_on"),
        F.max("last_on").alias("last_on"),
        F.sum("minor").alias("minor"),
    )
    found = sides.where(F.size("givers") >= policy.width - 1).withColumn("events", F.size("takers").cast("bigint"))
    evidence = F.concat(F.size("givers") + 1, F.lit(" accounts > the same "), F.col("events"), F.lit(" accounts"))
    return _members(found, F.array_union(F.array("one"), F.array_union("givers", "takers")), evidence)


def gather_scatter(transfers: DataFrame, policy: Rings) -> DataFrame:
    """An account gets money of several accounts, and passes most of it on to several others."""
    sides = transfers.select(
        *("booked_on", "at", "amount_minor"),
        F.inline(
            F.array(
                F.struct(
                    F.col("to").alias("centre"), F.col("from").alias("giver"), F.lit(None).cast("string").alias("taker")
                ),
                F.struct(
                    F.col("from").alias("centre"), F.lit(None).cast("string").alias("giver"), F.col("to").alias("taker")
                ),
            )
        ),
    )
    at_centre = Window.partitionBy("centre").orderBy("at")
    before = at_centre.rangeBetween(-policy.hours * _HOUR, 0)
    after = at_centre.rangeBetween(1, policy.hours * _HOUR)
    came = F.when(F.col("giver").isNotNull(), F.col("amount_minor"))
    went = F.when(F.col("taker").isNotNull(), F.col("amount_minor"))
    seen = sides.withColumns(
        {
            "givers": F.collect_set("giver").over(before),
            "takers": F.collect_set("taker").over(after),
            "came": F.sum(came.cast("decimal(38,0)")).over(before),
            "went": F.sum(went.cast("decimal(38,0)")).over(after),
            "last_on": F.max("booked_on").over(after),
            "first_on": F.min("booked_on").over(before),
        }
    ).where(F.col("giver").isNotNull())
    enough = seen.where(
        (F.size("givers") >= policy.width) & (F.size("takers") >= policy.width)
        & (F.size(F.array_intersect("givers", "takers")) == 0)
        & F.col("went").between(F.col("came") * F.lit(1 - policy.loss), F.col("came") * F.lit(1 + policy.loss))
    )  # fmt: skip
    found = enough.select(
        *("centre", "givers", "takers", "first_on", "last_on"),
        F.col("came").alias("minor"),
        (F.size("givers") + F.size("takers")).cast("bigint").alias("events"),
    )
    evidence = F.concat(
        F.size("givers"), F.lit(" accounts > "), F.col("centre"), F.lit(" > "), F.size("takers"), F.lit(" accounts")
    )
    return _members(found, F.array_union(F.array_union("givers", "takers"), F.array("centre")), evidence)


def walks(transfers: DataFrame, policy: Rings) -> DataFrame:
    """Money that wanders from account to account, nearly whole, to none of them twice: AMLSim's `random`."""
    nxt = transfers.select(
        F.col("from").alias("to"), F.col("to").alias("n_to"), F.col("at").alias("n_at"),
        F.col("booked_on").alias("n_on"), F.col("amount_minor").alias("n_minor"),
    )  # fmt: skip
    path = transfers.select(
        "to", "at", F.col("amount_minor").alias("last_minor"), F.array("from", "to").alias("path"),
        F.col("booked_on").alias("first_on"), F.col("booked_on").alias("last_on"),
        F.col("amount_minor").cast("decimal(38,0)").alias("minor"),
    )  # fmt: skip
    for _ in range(policy.walk_hops - 1):
        gap = F.col("n_at") - F.col("at")
        path = path.join(nxt, on="to", how="inner").where(
            (gap > 0) & (gap <= policy.hours * _HOUR) & _alike("n_minor", "last_minor", policy.loss)
            & ~F.array_contains("path", F.col("n_to"))
        ).select(
            F.col("n_to").alias("to"), F.col("n_at").alias("at"), F.col("n_minor").alias("last_minor"),
            F.array_append("path", F.col("n_to")).alias("path"), "first_on", F.col("n_on").alias("last_on"),
            (F.col("minor") + F.col("n_minor")).cast("decimal(38,0)").alias("minor"),
        )  # fmt: skip
    whole = path.withColumn("events", F.lit(policy.walk_hops).cast("bigint"))
    return _members(whole, F.col("path"), F.array_join("path", " > "))


def _two_hops(transfers: DataFrame, policy: Rings) -> DataFrame:
    """giver, middle, taker: nearly the same amount is passed on within hours."""
    out = transfers.select(
        F.col("from").alias("middle"), F.col("to").alias("taker"), F.col("at").alias("out_at"),
        F.col("booked_on").alias("out_on"), F.col("amount_minor").alias("out_minor"),
    )  # fmt: skip
    came = transfers.withColumnsRenamed({"from": "giver", "to": "middle"})
    gap = F.col("out_at") - F.col("at")
    return came.join(out, on="middle", how="inner").where(
        (gap > 0) & (gap <= policy.hours * _HOUR) & _alike("out_minor", "amount_minor", policy.loss)
    ).select(
        "giver", "middle", "taker", F.col("at").alias("first_at"), F.col("booked_on").alias("first_on"),
        F.col("out_on").alias("last_on"), F.col("amount_minor").cast("decimal(38,0)").alias("minor"),
    )  # fmt: skip


def _alike(later: str, earlier: str, loss: float) -> Column:
    return F.col(later).between(F.col(earlier) * F.lit(1 - loss), F.col(earlier) * F.lit(1 + loss))


def _span() -> list[Column]:
    return [F.min("first_on").alias("first_on"), F.max("last_on").alias("last_on"), F.sum("minor").alias("minor")]


def _members(found: DataFrame, accounts: Column, evidence: Column) -> DataFrame:
    """One row per account of what was found; of an account in several, the days and sum of all and one evidence."""
    each = found.select(
        F.explode(accounts).alias("account_id"), *("first_on", "last_on", "minor", "events"), evidence.alias("evidence")
    )
    return each.groupBy("account_id").agg(
        *_span(), F.max("events").cast("bigint").alias("events"), F.min("evidence").alias("evidence")
    )
