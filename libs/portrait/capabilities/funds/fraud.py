"""How good a fraud score is: cards known by then, precision at the capacity of those who check."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def without_known_cards(
    payments: DataFrame, *, train_from: str, train_until: str, test_from: str, test_until: str, delay_days: int = 7
) -> DataFrame:
    """The payments of the test days (both ends included) of cards that were not known as compromised by then.

    One row per payment with `card`, `day` (a date) and `fraud` (0 or 1), kept as they are. Known on a test day: cards
    with a fraud from the first day of training to the day before, less the delay - frauds that have been reported.
    """
    frauds = payments.where((F.col("fraud") == 1) & (F.col("day") >= F.lit(train_from).cast("date")))
    first = frauds.groupBy("card").agg(F.min("day").alias("first_fraud"))
    tested = payments.where(F.col("day").between(F.lit(test_from).cast("date"), F.lit(test_until).cast("date")))
    # Labels of the training days are all known when the model is fitted; later ones arrive day by day.
    reported = F.greatest(F.lit(train_until).cast("date"), F.date_sub("day", delay_days + 1))
    joined = tested.join(first, on="card", how="left")
    return joined.where(F.coalesce(F.col("first_fraud") > reported, F.lit(True))).drop("first_fraud")


def card_precision(scored: DataFrame, *, k: int = 100) -> float:
    """Mean over days of the share of compromised cards among the k cards with the highest scores.

    `scored`: one row per payment with `card`, `day`, `fraud` and `score`. The score of a card is its highest of the
    day, ties go to the smaller card. A compromised card among the k is blocked: it is not looked at on later days.
    """
    cards = scored.groupBy("day", "card").agg(F.max("score").alias("score"), F.max("fraud").alias("fraud")).persist()
    try:
        days = [row["day"] for row in cards.select("day").distinct().orderBy("day").collect()]
        blocked = list[object]()
        shares = []
        ranked = Window.partitionBy("day").orderBy(F.desc("score"), "card")
        for day in days:
            left = cards.where(F.col("day") == F.lit(day))
            if blocked:
                left = left.where(~F.col("card").isin(blocked))
            top = left.withColumn("rank", F.row_number().over(ranked)).where(F.col("rank") <= k)
            caught = [row["card"] for row in top.where("fraud = 1").select("card").collect()]  # at most k
            blocked += caught
            shares.append(len(caught) / k)
    finally:
        cards.unpersist()
    return sum(shares) / len(shares)
