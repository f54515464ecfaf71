"""What customers do on the bank's channels beside booking: visits, calls, log-ins with their waiting, and feedback."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.sources.synthetic import plan
from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.draws import place
from portrait.sources.synthetic.plan import BANK_CHANNELS
from portrait.sources.synthetic.texts import instant_text, looked_up, padded

VISITS: Final = 3.0  # events a customer and month, in the mean
OTHER_SHARE: Final = 0.12  # events on a channel on which nobody banks
# Seconds in the queue, in the mean; on Mondays and on the days of the pension so many times as long.
WAITS: Final = {"branch": 420.0, "phone": 180.0}
WAIT_SPREAD: Final = 0.8
CROWDED_TIMES: Final = 1.8
PENSION_DAYS: Final = (6, 9)  # of a month, counted from 0
PATIENCE: Final = 2_400.0  # seconds: who waits so long has given up with probability 1 - 1/e
FAILS: Final = 0.015  # of the events on machines

FEEDBACK_SHARE: Final = 0.012  # a customer and month
TOPICS: Final = {"waiting": 5, "staff": 4, "app": 5, "fees": 3, "card": 2, "loan": 1, "product": 2, "other": 2}
PRAISE: Final = (
    "Quick and friendly, thank you.",
    "The {topic} is better than at my old bank",
    "No complaints at all.",
    "Solved at once, very pleased with the {topic}",
)
BLAME: Final = (
    "I had to ask three times about the {topic}.",
    'They said "tomorrow" and nothing happened, about the {topic}',
    "Too slow, too dear, and nobody answers",
    "The {topic} made me think of leaving.",
)


def channel_events(people: DataFrame, bank: Bank) -> DataFrame:
    """One row per event; `seconds_waited` is null on channels without a queue."""
    draws, offset = bank.draws, F.col("offset")
    number = F.floor(VISITS * draws.lognormal(0.5, "visits", "k") + draws.uniform("visit", "k", "month")).cast("int")
    months = _months(people, bank).withColumn("number", F.least(number, F.lit(99))).where("number > 0")
    slots = months.withColumn("slot", F.explode(F.sequence(F.lit(1), F.col("number")))).withColumn(
        "event", draws.bits("visit event", "k", "month", "slot")
    )
    other = draws.choice({"wechat": 4, "sms": 3, "atm": 4, "tv": 1}, "visit other", "event")
    own = looked_up(BANK_CHANNELS, place("banks", len(BANK_CHANNELS), draws.uniform("visit channel", "event")))
    placed = slots.withColumns(
        {
            "channel": F.when(draws.happens(OTHER_SHARE, "visit elsewhere", "event"), other).otherwise(own),
            "day": offset + draws.whole(F.col("length"), "visit day", "event"),
            "second": 28_800 + draws.whole(36_000, "visit second", "event"),
        }
    )
    queues, crowded = F.col("channel").isin(*WAITS), _crowded(bank)
    mean = F.when(F.col("channel") == "branch", WAITS["branch"]).otherwise(WAITS["phone"])
    wait = mean * F.when(crowded, CROWDED_TIMES).otherwise(1.0) * draws.lognormal(WAIT_SPREAD, "wait", "event")
    waited = placed.where(_present(bank)).withColumn("waited", F.when(queues, F.floor(wait).cast("int")))
    gave_up = draws.uniform("patience", "event") < F.lit(1.0) - F.exp(-F.col("waited") / PATIENCE)
    failed = ~queues & draws.happens(FAILS, "fails", "event")
    number_in_month = F.concat(F.lit("-"), padded(F.col("month"), 3), padded(F.col("slot"), 2))
    return waited.select(
        *("day", "k"),
        F.concat(F.lit("V"), padded(F.col("k"), 9), number_in_month).alias("event_id"),
        "customer_id",
        instant_text(bank.calendar, F.col("day"), F.col("second")).alias("at"),
        "channel",
        _action(bank).alias("action"),
        F.col("waited").alias("seconds_waited"),
        F.when(gave_up, "abandoned").when(failed, "failed").otherwise("done").alias("outcome"),
    )


def _months(people: DataFrame, bank: Bank) -> DataFrame:
    """People by month, with its first day from the start and its length."""
    offsets = [bank.first_of(month) for month in range(bank.months + 1)]
    lengths = [after - before for before, after in pairwise(offsets)]
    return people.withColumn("month", F.explode(F.array(*map(F.lit, range(bank.months))))).withColumns(
        {"offset": looked_up(offsets, F.col("month")), "length": looked_up(lengths, F.col("month"))}
    )


def _present(bank: Bank) -> Column:
    """Whether the customer is there on `day`: has come, has not left or fallen silent."""
    gone = bank.day_of(F.least("left_on", "silent_from"))  # `least` skips null
    return (F.col("day") > bank.day_of("joined_on")) & (gone.isNull() | (F.col("day") < gone))


def _crowded(bank: Bank) -> Column:
    pensions = (F.col("day") - F.col("offset")).between(*PENSION_DAYS)
    return pensions | (bank.weekday(F.col("day")) == 0)


def _action(bank: Bank) -> Column:
    """What the customer wanted; machines give no advice."""
    choice = bank.draws.choice
    talk = choice({"advice": 4, "cash": 3, "complaint": 1, "card_service": 2}, "talk", "event")
    click = choice({"login": 6, "balance": 5, "transfer": 3, "card_service": 1}, "click", "event")
    channel = F.col("channel")
    return (
        F.when(channel.isin(*WAITS), talk)
        .when(channel == "atm", F.when(bank.draws.happens(0.7, "atm cash", "event"), "cash").otherwise("balance"))
        .when(channel.isin("sms", "wechat"), "message")
        .otherwise(click)
    )


def feedback(people: DataFrame, bank: Bank) -> DataFrame:
    """One row per message. Who complains of waiting is less pleased, and the affluent are asked more."""
    draws = bank.draws
    rate = F.lit(FEEDBACK_SHARE) * plan.by_group(lambda group: 2.0 if group.name == "affluent" else 1.0)
    written = _months(people, bank).where(draws.happens(rate, "feedback", "k", "month"))
    drawn = written.withColumns(
        {
            "day": F.col("offset") + draws.whole(F.col("length"), "feedback day", "k", "month"),
            "topic": draws.choice(TOPICS, "topic", "k", "month"),
            "channel": looked_up(
                BANK_CHANNELS, place("banks", len(BANK_CHANNELS), draws.uniform("feedback channel", "k", "month"))
            ),
        }
    ).where(_present(bank))
    mood = draws.normal("mood", "k", "month") - F.when(F.col("topic").isin("waiting", "fees"), 0.8).otherwise(0.0)
    score = F.greatest(F.lit(1), F.least(F.lit(5), F.round(F.lit(3.6) + 1.2 * mood).cast("int")))
    scored = drawn.withColumn("score", score)
    pick = draws.whole(len(PRAISE), "words", "k", "month")
    words = F.when(F.col("score") >= 4, looked_up(PRAISE, pick)).otherwise(looked_up(BLAME, pick))
    text = F.replace(words, F.lit("{topic}"), F.col("topic"))
    votes = F.floor(draws.pareto(1.2, 500.0, "votes", "k", "month") - 1).cast("int")
    return scored.select(
        *("day", "k"),
        F.concat(F.lit("T"), padded(F.col("k"), 9), F.lit("-"), padded(F.col("month"), 3)).alias("feedback_id"),
        "customer_id",
        instant_text(bank.calendar, F.col("day"), 28_800 + draws.whole(50_400, "feedback second", "k", "month")).alias(
            "at"
        ),
        "channel",
        F.when(draws.happens(0.9, "topic given", "k", "month"), F.col("topic")).alias("topic"),
        F.when(draws.happens(0.95, "scored", "k", "month"), F.col("score")).alias("score"),
        F.when(draws.happens(0.8, "worded", "k", "month"), text).alias("text"),
        votes.alias("votes"),
    )
