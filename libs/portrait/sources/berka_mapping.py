"""The Czech words of the PKDD'99 files and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class BookingKind:
    """Type, channel and category of a booking; None where the files do not say."""

    type: str
    channel: str | None = None
    category: str | None = None


# What a booking is for says more than how it was made: the symbol is looked up first, then the operation.
_BY_SYMBOL: Final = {
    "SIPO": BookingKind("transfer_out", category="household"),  # collective household payment
    "POJISTNE": BookingKind("transfer_out", category="insurance"),
    "UROK": BookingKind("interest"),
    "SLUZBY": BookingKind("fee"),  # for statements
    "SANKC. UROK": BookingKind("fee"),  # penalty interest for a negative balance
    "DUCHOD": BookingKind("pension"),
    "UVER": BookingKind("loan_payment"),
}
_BY_OPERATION: Final = {
    "VKLAD": BookingKind("cash_deposit", channel="branch"),
    "VYBER": BookingKind("cash_withdrawal", channel="branch"),
    "VYBER KARTOU": BookingKind("card_withdrawal", channel="atm"),
    "PREVOD NA UCET": BookingKind("transfer_out"),
    "PREVOD Z UCTU": BookingKind("transfer_in"),
}
DIRECTIONS: Final = {
    "PRIJEM": "credit",
    "VYDAJ": "debit",
    "VYBER": "debit",
}  # VYBER: a withdrawal, in some rows
PURPOSES: Final = {
    "SIPO": "household",
    "POJISTNE": "insurance",
    "LEASING": "leasing",
    "UVER": "loan_payment",
    "": "other",
}
# product_id: name, kind, highest age. No junior card was issued to anybody older than 20.
PRODUCTS: Final[dict[str, tuple[str, str, int | None]]] = {
    "card_junior": ("Junior card", "card", 20),
    "card_classic": ("Classic card", "card", None),
    "card_gold": ("Gold card", "card", None),
    "loan": ("Loan", "loan", None),
    "leasing": ("Leasing", "loan", None),
    "insurance": ("Insurance", "insurance", None),
    "household_order": ("Standing order for household payments", "standing_order", None),
    "other_order": ("Standing order for other payments", "standing_order", None),
}


def booking_kind(operation: str, symbol: str) -> BookingKind | None:
    """What a booking of the bank-wide transactions is; None for words that the files never use."""
    return _BY_SYMBOL[symbol] if symbol in _BY_SYMBOL else None if symbol else _BY_OPERATION.get(operation)
