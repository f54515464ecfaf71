"""`conf/funds.yml`: windows of card features, leakage, alerts, tracing. The models' defaults are the shipped values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from portrait.settings import Strict, load_yaml

Days = Annotated[int, Field(ge=1, le=3650)]


OPENING: Final = "opening"
"""Stands in gold.fund_flows for the money that was there before the window."""
NOTHING: Final = "nothing"
"""Stands for the credit of what a debit took although nothing was there."""
LEFT: Final = "left"
"""Stands for the debit of what is left of a credit."""


class CardFeatures(Strict):
    """What the columns of `card_features` measure."""

    windows: Annotated[tuple[Days, ...], Field(min_length=1)] = (1, 7, 30)
    """Days of the windows; each gives four columns."""
    night_until: Annotated[int, Field(ge=0, le=23)] = 6
    """The last hour of the night, which begins at midnight."""


class Leakage(Strict):
    """Money that goes to other institutions."""

    own_banks: tuple[str, ...] = ("SYNB",)
    """What bookings call this bank; transfers to it are no leakage."""
    least_transfers: Annotated[int, Field(ge=1)] = 2
    """Transfers within 90 days from which an institution counts."""


Hours = Annotated[int, Field(ge=1, le=720)]
Share = Annotated[float, Field(gt=0, le=1)]
Amount = Annotated[int, Field(ge=0)]


class Rings(Strict):
    """Patterns over several accounts that pass money on."""

    least: Amount = 500
    """Least transfer that rings are looked for in."""
    hours: Hours = 72
    """Hours within which one transfer of a ring follows another."""
    loss: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share by which what is passed on may differ from what came."""
    width: Annotated[int, Field(ge=2, le=50)] = 3
    """Accounts between, before or after the others of a scatter-gather, gather-scatter or bipartite pattern."""
    layer: Annotated[int, Field(ge=2, le=50)] = 2
    """Accounts of each layer of a stack."""
    walk_hops: Annotated[int, Field(ge=3, le=6)] = 5
    """Transfers of a walk."""
    hub_most: Annotated[int, Field(ge=2)] = 100
    """Transfers in or out within the window above which an account is a shop: no ring is sought in it."""


class Alerts(Strict):
    """Patterns of transfers; amounts in account currency."""

    window_days: Days = 30
    """Days in which patterns are looked for."""
    pass_hours: Hours = 48
    """Hours within which what came in goes out."""
    pass_share: Share = 0.9
    """Share of it that goes out."""
    pass_least: Amount = 1000
    """Least transfer that came in."""
    pass_times: Annotated[int, Field(ge=1)] = 2
    """Times within the window from which it is an alert."""
    fan_hours: Hours = 24
    fan_least: Annotated[int, Field(ge=2)] = 5
    """Different counterparties within `fan_hours`."""
    cycle_hops: Annotated[int, Field(ge=2, le=6)] = 5
    """Most transfers of a circle."""
    cycle_hours: Hours = 72
    """Hours between two transfers of a circle, at most."""
    cycle_loss: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share by which the amounts of two neighbouring transfers may differ."""
    cycle_least: Amount = 1000
    """Least transfer of a circle."""
    threshold: Annotated[int, Field(ge=1)] = 10_000
    """Amount of cash from which the bank reports."""
    just_below: Share = 0.9
    """Share of it from which a deposit is just below."""
    structuring_days: Annotated[int, Field(ge=1, le=90)] = 7
    structuring_times: Annotated[int, Field(ge=2)] = 3
    """Such deposits within `structuring_days`."""
    rings: Rings = Rings()


class Tracing(Strict):
    """Which credit paid for which debit."""

    window_days: Days = 30
    """Days whose bookings are traced; what was there before them is one credit, the first."""
    method: Literal["fifo", "lifo", "pro_rata"] = "fifo"
    """What a debit takes: the oldest money, the newest, or of all its share."""


class FundsPolicy(Strict):
    """Everything in `conf/funds.yml`."""

    card_features: CardFeatures = CardFeatures()
    leakage: Leakage = Leakage()
    alerts: Alerts = Alerts()
    tracing: Tracing = Tracing()


def load_funds_policy(conf: Path) -> FundsPolicy:
    """`conf/funds.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "funds.yml", FundsPolicy)


POLICIES: Mapping[str, Callable[[Path], object]] = {"funds.yml": load_funds_policy}
