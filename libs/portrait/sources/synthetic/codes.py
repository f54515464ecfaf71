"""The kinds of bookings by number. Bookings of one second are ordered by these numbers, and by their texts: the same.

What customers do of their own accord has the numbers 1 to 999, counted within a month, and the text `E001` to `E999`.
"""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.sources.synthetic.patterns import MOST_LEGS
from portrait.sources.synthetic.product_holdings import OWED
from portrait.sources.synthetic.texts import looked_up, padded

MOST_EVENTS: Final = 999
CLOSING: Final = 0
(FEE, HOUSEHOLD, INCOME, INTEREST, OPENING, PENSION, RING_IN, RING_OUT, SALARY, SAVED_IN, SAVED_OUT, UTILITIES) = range(
    1000, 1012
)
FIRST_OWED: Final = 1012
OPENING_SAVINGS: Final = FIRST_OWED + len(OWED)
CLOSING_SAVINGS: Final = OPENING_SAVINGS + 1
FIRST_LEG: Final = CLOSING_SAVINGS + 1  # of a ring of seven
PLANTED_BAD: Final = 2000
TEXTS: Final = (
    *("FEE", "HOU", "INC", "INT", "OPN", "PEN", "RIN", "ROU", "SAL", "SVI", "SVO", "UTI"),
    *(f"Z{product.product_id}" for product in OWED),
    *("OPN", "CLO"),
    *(f"Y{leg:02d}" for leg in range(MOST_LEGS)),
)

# Once in the life of an account, and once a month at most.
OF_A_LIFE: Final = (OPENING, OPENING_SAVINGS, CLOSING, CLOSING_SAVINGS)
OF_A_PATTERN: Final = tuple(range(FIRST_LEG, FIRST_LEG + MOST_LEGS))  # of members of a ring of seven alone
OF_A_MONTH: Final = (
    *(FEE, HOUSEHOLD, INCOME, INTEREST, PENSION, RING_IN, RING_OUT, SALARY, SAVED_IN, SAVED_OUT, UTILITIES),
    *range(FIRST_OWED, FIRST_OWED + len(OWED)),
    PLANTED_BAD,
)

TYPES: Final = (
    *("card_payment", "card_withdrawal", "cash_withdrawal", "cash_deposit", "transfer_out", "transfer_in"),
    *("investment_buy", "investment_sell", "salary", "pension", "direct_debit", "interest", "fee", "loan_payment"),
)  # the first eight are plan.EVENT_KINDS
CHANNELS: Final = ("pos", "online", "mobile", "branch", "phone", "atm")


def type_number(name: str) -> Column:
    """The place of a type in TYPES."""
    return F.lit(TYPES.index(name))


def is_event(code: Column) -> Column:
    """Whether the customer did it of their own accord."""
    return (code > 0) & (code <= MOST_EVENTS)


def code_text(code: Column) -> Column:
    """What stands for the code at the end of a transaction_id."""
    return (
        F.when(is_event(code), F.concat(F.lit("E"), padded(code, 3)))
        .when(code == CLOSING, "CLO")
        .otherwise(looked_up(TEXTS, code - 1000))
    )
