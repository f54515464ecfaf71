"""What is planted: six behaviour groups, and how much their customers differ among themselves.

Shares of spending are over the twelve merchant categories in the order of `CATEGORIES`; money is in EUR a month.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as F

CATEGORIES: Final = (
    *("grocery", "restaurant", "transport", "fuel", "health", "clothing"),
    *("electronics", "home", "travel", "education", "entertainment", "utilities"),
)
# Mean ticket of a category against the customer's mean ticket: a flight costs more than a bus ride.
TICKET: Final = (0.8, 0.7, 0.5, 1.0, 0.8, 1.2, 1.6, 1.4, 1.8, 1.2, 0.8, 1.2)
PAYMENT_CHANNELS: Final = ("pos", "online", "mobile")
BANK_CHANNELS: Final = ("mobile", "online", "branch", "phone")

# Spread of the customers around their group (sigma of the logarithm), and of one payment around its mean.
SHARE_SPREAD: Final = 0.22
CHANNEL_SPREAD: Final = 0.35
ACTIVITY_SPREAD: Final = 0.25
ASSETS_SPREAD: Final = 0.60
INCOME_SPREAD: Final = 0.30
TICKET_SPREAD: Final = 0.31  # log-logistic: the tail of amounts has index 1 / 0.31
BUSY_SHARE: Final = 0.01  # customers who do many times as much, with a tail of this index and this end
BUSY_INDEX: Final = 1.5
BUSY_MOST: Final = 8.0
# A customer takes up to BLEND_MOST of the habits of another group; the power keeps most of them near their own.
BLEND_MOST: Final = 0.60
BLEND_POWER: Final = 6.0

DORMANT_SHARE: Final = 0.03  # silent since before the first day
SILENT_SHARE: Final = 0.03  # fall silent on some day
LEAVING_SHARE: Final = 0.015  # close everything on some day
NEW_SHARE: Final = 0.05  # join on some day
JOINT_SHARE: Final = 0.12  # accounts that another customer may use
# Of what customers do of their own accord: delivered some days after booking; delivered wrong and then right.
ARRIVES_LATE_SHARE: Final = 0.02
CORRECTED_SHARE: Final = 0.004
LATEST_DAYS: Final = 5
# How likely a payment stays on the day that was drawn first, Monday to Sunday; otherwise any day of the month.
WEEKDAY: Final = (0.75, 0.70, 0.75, 0.85, 1.0, 1.0, 0.45)
SEASON: Final = (0.95, 0.92, 1.0, 1.0, 1.02, 1.02, 1.06, 1.04, 0.98, 1.0, 1.02, 1.2)  # events by calendar month

MARRIES_SHARE: Final = 0.05  # a year, of the unmarried from 20 to 45
CHILD_SHARE: Final = 0.06  # a year, of those from 22 to 42
RETIRES_SHARE: Final = 0.25  # a year, of the employed from 60
PENSION_OF_INCOME: Final = 0.7
CARDLESS_SHARE: Final = 0.20  # customers without any card on the first day
FIRST_CARD_A_YEAR: Final = 0.35  # rate of the first card of a 40-year-old with EUR 2000 a month
# From how much in the month's average, EUR, a customer is in a tier of the planted tier path.
TIER_LEVELS: Final = {"diamond": 300_000, "vip": 80_000, "growing": 20_000, "ordinary": 0}
RING_SHARE: Final = 0.25  # of the blocks of 500 customers: five of the block pass money in a circle
RING_BLOCK: Final = 500
RING_SIZE: Final = 5

BAD_SHARE: Final = 0.002  # planted bad rows, of all rows of a feed that gets some


@dataclass(frozen=True)
class BehaviourGroup:
    """A planted group. `events` are the customer's own doings a month: payments, cash, transfers, trades."""

    name: str
    share: float
    ages: tuple[int, int]
    income: int  # EUR a month, mean
    spending: float  # card payments as a share of income
    events: float
    spends_on: tuple[float, ...]  # by CATEGORIES, percent
    pays_by: tuple[float, ...]  # by PAYMENT_CHANNELS
    banks_by: tuple[float, ...]  # by BANK_CHANNELS
    kinds: tuple[float, ...]  # of events, by EVENT_KINDS
    savings_months: float  # money in the current and savings account, months of income
    salaried: float
    rural: float
    saving: float  # shares of customers: with a savings account,
    household: float  # with a standing order for the household,
    utilities: float  # with a direct debit for utilities,
    married: float
    arrears: float  # and of loans that stop being paid
    risk: tuple[int, int]  # C levels usual in the group
    job: str


EVENT_KINDS: Final = (
    *("card_payment", "card_withdrawal", "cash_withdrawal", "cash_deposit"),
    *("transfer_out", "transfer_in", "investment_buy", "investment_sell"),
)

GROUPS: Final = (
    BehaviourGroup(
        name="salary_families", share=0.25, ages=(28, 55), income=2700, spending=0.36, events=7.0,
        spends_on=(20, 5, 5, 7, 5, 14, 4, 15, 4, 17, 3, 1), pays_by=(0.64, 0.20, 0.16),
        banks_by=(0.58, 0.36, 0.05, 0.01), kinds=(0.80, 0.07, 0.01, 0.01, 0.08, 0.03, 0.0, 0.0),
        savings_months=2.5, salaried=1.0, rural=0.25, saving=0.50, household=0.85, utilities=0.55,
        married=0.80, arrears=0.03, risk=(2, 3), job="employee",
    ),
    BehaviourGroup(
        name="students", share=0.16, ages=(18, 26), income=750, spending=0.56, events=8.5,
        spends_on=(12, 21, 20, 1, 2, 8, 7, 1, 3, 6, 18, 1), pays_by=(0.22, 0.20, 0.58),
        banks_by=(0.85, 0.13, 0.01, 0.01), kinds=(0.80, 0.05, 0.0, 0.01, 0.08, 0.06, 0.0, 0.0),
        savings_months=1.0, salaried=0.3, rural=0.10, saving=0.22, household=0.25, utilities=0.10,
        married=0.03, arrears=0.10, risk=(2, 3), job="student",
    ),
    BehaviourGroup(
        name="retired", share=0.19, ages=(62, 88), income=1500, spending=0.40, events=4.6,
        spends_on=(34, 4, 5, 3, 30, 4, 1, 8, 3, 0.5, 2.5, 5), pays_by=(0.92, 0.06, 0.02),
        banks_by=(0.04, 0.12, 0.56, 0.28), kinds=(0.62, 0.08, 0.16, 0.02, 0.10, 0.02, 0.0, 0.0),
        savings_months=8.0, salaried=0.0, rural=0.35, saving=0.55, household=0.80, utilities=0.65,
        married=0.55, arrears=0.02, risk=(1, 2), job="pensioner",
    ),
    BehaviourGroup(
        name="traders", share=0.12, ages=(24, 52), income=3400, spending=0.28, events=9.5,
        spends_on=(11, 10, 6, 5, 4, 5, 32, 4, 6, 3, 12, 2), pays_by=(0.25, 0.58, 0.17),
        banks_by=(0.55, 0.43, 0.01, 0.01), kinds=(0.60, 0.03, 0.0, 0.0, 0.05, 0.04, 0.16, 0.12),
        savings_months=5.0, salaried=0.9, rural=0.08, saving=0.30, household=0.75, utilities=0.35,
        married=0.45, arrears=0.07, risk=(4, 5), job="specialist",
    ),
    BehaviourGroup(
        name="affluent", share=0.11, ages=(38, 68), income=7200, spending=0.33, events=7.5,
        spends_on=(10, 20, 3, 5, 8, 16, 4, 8, 22, 2, 1.5, 0.5), pays_by=(0.52, 0.35, 0.13),
        banks_by=(0.12, 0.28, 0.10, 0.50), kinds=(0.77, 0.03, 0.01, 0.0, 0.12, 0.03, 0.02, 0.02),
        savings_months=12.0, salaried=0.9, rural=0.15, saving=0.60, household=0.80, utilities=0.35,
        married=0.75, arrears=0.01, risk=(3, 4), job="executive",
    ),
    BehaviourGroup(
        name="rural", share=0.17, ages=(22, 66), income=1900, spending=0.36, events=5.0,
        spends_on=(24, 3, 2, 33, 6, 4, 3, 17, 1, 1, 2, 4), pays_by=(0.85, 0.10, 0.05),
        banks_by=(0.18, 0.22, 0.58, 0.02), kinds=(0.64, 0.18, 0.08, 0.04, 0.04, 0.02, 0.0, 0.0),
        savings_months=3.5, salaried=0.75, rural=0.88, saving=0.40, household=0.70, utilities=0.55,
        married=0.65, arrears=0.05, risk=(1, 2), job="farmer",
    ),
)  # fmt: skip


def by_group(value: Callable[[BehaviourGroup], object], index: str = "group_index") -> Column:
    """What the plan says of the group that stands in a column, 0.. in the order of GROUPS."""
    return F.element_at(F.array(*(F.lit(value(group)) for group in GROUPS)), F.col(index) + 1)
