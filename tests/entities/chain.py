"""The chain rule of closing balances, read once more in plain Python: one booking after the other, no Spark."""

from __future__ import annotations

from collections import Counter, defaultdict

Booking = tuple[int, int, int | None]
"""Number of the day, signed minor units, balance after in minor units."""


def nearest(balances: set[int], expected: int) -> int:
    """The balance nearest to the expected one, the smaller of two equally near."""
    return min(balances, key=lambda balance: (abs(balance - expected), balance))


def close_account(bookings: list[Booking]) -> list[tuple[int, int, int]]:
    """(day, expected, closing) by the rules of the data model, one booking after the other."""
    by_day: dict[int, list[Booking]] = defaultdict(list)
    for booking in bookings:
        by_day[booking[0]].append(booking)
    rows: list[tuple[int, int, int]] = []
    for number in sorted(by_day):
        movement = sum(signed for _, signed, _ in by_day[number])
        reported = {after for _, _, after in by_day[number] if after is not None}
        expected = (rows[-1][2] if rows else 0) + movement
        closing = expected
        if reported and not rows:
            ends = Counter(after for _, _, after in by_day[number] if after is not None)
            ends.subtract(after - signed for _, signed, after in by_day[number] if after is not None)
            candidates = [balance for balance, surplus in ends.items() if surplus == 1 and balance in reported]
            closing = candidates[0] if len(candidates) == 1 else nearest(reported, expected)
        elif reported:
            closing = nearest(reported, expected)
        rows.append((number, expected if rows else closing, closing))
    return rows
