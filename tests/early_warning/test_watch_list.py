"""An entry of the watch list from its opening to its end: state, deadline, escalation, exit; days seen twice."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from tests.early_warning.test_warnings import signal

from portrait.capabilities.early_warning.policy import Signals, Watch
from portrait.capabilities.early_warning.watch_list import open_entries, watch_events

START = date(2025, 1, 31)
SIGNALS = Signals(
    (
        signal("late", 2, owner="desk", deadline_days=10, exit_days=20),
        signal("unpaid", 3, owner="collections", deadline_days=5, exit_days=40),
        signal("hint", 1, owner="desk", deadline_days=30, exit_days=10),
    ),
    {},
    "false",
    frozenset(),
)
WATCH = Watch(levels=("lead", "head"), level_days=7)
EVENTS = (
    "entry_id string, day date, event string, loan_id string, customer_id string, state string, severity int, "
    "level int, responsible string, deadline date, clear_since date, signals array<string>, reason string"
)
SEVERITY = {"late": 2, "unpaid": 3, "hint": 1}


def slice_of(spark: SparkSession, **loans: str) -> DataFrame:
    """A loan to its signals, `late unpaid`; empty: none."""
    rows = [
        (loan, "c", max((SEVERITY[one] for one in on.split()), default=0), on.split()) for loan, on in loans.items()
    ]
    return spark.createDataFrame(rows, "loan_id string, customer_id string, severity int, signals array<string>")


class List:
    """A watch list that days are played on."""

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark
        self.rows: list[Any] = []

    def play(self, day: int, **loans: str) -> list[Any]:
        """The events of a day, counted from START."""
        today = START + timedelta(day)
        known = self.spark.createDataFrame(self.rows, EVENTS)
        found = watch_events(
            slice_of(self.spark, **loans), open_entries(known, before=today), signals=SIGNALS, watch=WATCH, as_of=today
        )
        events = found.select(*known.columns).collect()
        self.rows += [tuple(event) for event in events]
        return events


@pytest.fixture
def watched(spark: SparkSession) -> List:
    return List(spark)


def test_a_light_signal_opens_nothing(watched: List) -> None:
    assert watched.play(0, l="hint") == []


def test_an_entry_is_opened_with_owner_and_deadline(watched: List) -> None:
    (opened,) = watched.play(0, l="hint late")
    assert (opened.entry_id, opened.event, opened.state) == ("l 2025-01-31", "opened", "watched")
    assert (opened.responsible, opened.level) == ("desk", 0)
    assert opened.deadline == START + timedelta(10)
    assert watched.play(1, l="hint late") == []  # nothing has changed


def test_what_gets_worse_is_raised_and_its_deadline_moves_forward_only(watched: List) -> None:
    watched.play(0, l="late")
    (raised,) = watched.play(2, l="late unpaid")
    assert (raised.event, raised.state, raised.deadline) == ("raised", "intensive", START + timedelta(7))
    (lowered,) = watched.play(3, l="late")
    assert (lowered.event, lowered.state, lowered.deadline) == ("lowered", "watched", START + timedelta(7))


def test_a_passed_deadline_goes_up_the_levels(watched: List) -> None:
    watched.play(0, l="late")
    assert watched.play(10, l="late") == []  # the last day is still in time
    (first,) = watched.play(11, l="late")
    assert (first.event, first.level, first.responsible) == ("escalated", 1, "lead")
    assert first.deadline == START + timedelta(18)
    assert "desk did not close it by 2025-02-10" in first.reason
    (second,) = watched.play(19, l="late")
    assert (second.level, second.responsible) == (2, "head")
    assert watched.play(60, l="late") == []  # there is nobody above


def test_an_entry_closes_when_its_longest_exit_has_passed_without_a_signal(watched: List) -> None:
    watched.play(0, l="late unpaid")
    (clear,) = watched.play(4, l="")
    assert (clear.event, clear.severity, clear.clear_since) == ("lowered", 0, START + timedelta(4))
    assert "closed" not in {event.event for event in watched.play(43, l="")}
    (closed,) = watched.play(44, l="")
    assert (closed.event, closed.state, closed.deadline) == ("closed", "closed", None)
    (again,) = watched.play(50, l="late")
    assert (again.event, again.entry_id) == ("opened", "l 2025-03-22")


def test_a_signal_that_returns_starts_the_exit_anew(watched: List) -> None:
    watched.play(0, l="late")
    watched.play(2, l="")
    watched.play(5, l="late")
    watched.play(8, l="")
    assert "closed" not in {event.event for event in watched.play(27, l="")}
    assert [event.event for event in watched.play(28, l="")] == ["closed"]


def test_a_loan_that_is_no_more_leaves_the_list(watched: List) -> None:
    watched.play(0, l="late", m="late")
    (closed,) = watched.play(1, m="late")
    assert (closed.loan_id, closed.event, closed.reason) == ("l", "closed", "the loan is repaid or no more")
