"""The regions and the products of the synthetic bank: short lists, the same for every seed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, cast

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

# name, urban share percent, inhabitants, average salary EUR, unemployment percent
REGIONS: Final = (
    ("Capital", 99.0, 1_310_000, 2950, 2.1), ("Harbour", 91.0, 640_000, 2600, 4.0),
    ("University Hills", 88.0, 310_000, 2480, 3.2), ("Old Works", 84.0, 520_000, 2150, 7.9),
    ("Lakes", 72.0, 260_000, 2300, 3.9), ("Spa Valley", 69.0, 190_000, 2240, 4.4),
    ("North Plain", 48.0, 230_000, 2050, 5.6), ("South Plain", 46.0, 250_000, 2080, 5.1),
    ("Vineyards", 41.0, 170_000, 2120, 4.2), ("Upper Forest", 33.0, 110_000, 1960, 6.3),
    ("Border Hills", 31.0, 95_000, 1900, 7.2), ("Marshes", 27.0, 80_000, 1880, 6.8),
    ("High Pastures", 24.0, 70_000, 1930, 5.0), ("Islands", 22.0, 60_000, 2010, 5.9),
)  # fmt: skip
URBAN_REGIONS: Final = 6  # the first six; the others are rural


PRODUCT_SCHEMA: Final = """
    product_id string, kind string, held array<double>, incomes double, least_minor bigint, rate double,
    age_from int, age_to int, sold_to_day int
"""


@dataclass(frozen=True)
class Product:
    """A product on sale. `held` is the share of holders by group; `incomes` the mean amount in months of income."""

    product_id: str
    name: str
    kind: str
    held: tuple[float, ...]
    incomes: float = 0.0
    risk_level: str | None = None
    minimum_amount: int | None = None
    holding_days: int | None = None
    annual_rate: float | None = None
    transfer_price: float | None = None
    margin: float | None = None
    minimum_tier: str | None = None
    age_from: int | None = 18
    age_to: int | None = None
    sold_from_day: int | None = None  # days after the first day of the bank's bookings; None: always
    sold_to_day: int | None = None


PRODUCTS: Final = (
    Product("debit_card", "Debit card", "card", (0.95, 0.85, 0.78, 0.95, 0.90, 0.86), age_from=15),
    Product("student_card", "Student card", "card", (0.0, 0.45, 0.0, 0.0, 0.0, 0.0), age_to=27),
    Product("gold_card", "Gold credit card", "card", (0.22, 0.02, 0.07, 0.25, 0.50, 0.06),
            annual_rate=0.189, margin=0.11, minimum_tier="growing"),
    Product("platinum_card", "Platinum credit card", "card", (0.01, 0.0, 0.01, 0.06, 0.35, 0.0),
            annual_rate=0.169, margin=0.12, minimum_tier="vip", age_from=21),
    Product("consumer_loan", "Consumer loan", "loan", (0.20, 0.05, 0.06, 0.10, 0.05, 0.18), 4.0,
            minimum_amount=1_000, annual_rate=0.069, transfer_price=0.026, margin=0.043, age_to=70),
    Product("mortgage", "Mortgage", "loan", (0.26, 0.0, 0.02, 0.12, 0.20, 0.12), 32.0,
            minimum_amount=40_000, annual_rate=0.034, transfer_price=0.024, margin=0.010, age_from=21, age_to=65),
    Product("home_insurance", "Home insurance", "insurance", (0.45, 0.04, 0.42, 0.20, 0.55, 0.40), 0.012),
    Product("life_insurance", "Life insurance", "insurance", (0.30, 0.03, 0.06, 0.15, 0.40, 0.15), 0.03, age_to=60),
    Product("savings_account", "Savings account", "savings", (0.50, 0.22, 0.55, 0.30, 0.60, 0.40),
            annual_rate=0.015, transfer_price=0.022, margin=0.007, age_from=None),
    Product("term_deposit", "Term deposit, one year", "term_deposit", (0.08, 0.01, 0.34, 0.07, 0.28, 0.18), 7.0,
            risk_level="R1", minimum_amount=1_000, holding_days=365, annual_rate=0.024, transfer_price=0.028,
            margin=0.004),
    Product("bond_fund", "Bond fund", "investment", (0.06, 0.01, 0.12, 0.18, 0.38, 0.04), 6.0,
            risk_level="R2", minimum_amount=500, annual_rate=0.031, margin=0.006),
    Product("balanced_fund", "Balanced fund", "investment", (0.10, 0.02, 0.05, 0.35, 0.48, 0.03), 6.0,
            risk_level="R3", minimum_amount=500, annual_rate=0.045, margin=0.010),
    Product("equity_fund", "Equity fund", "investment", (0.04, 0.03, 0.01, 0.68, 0.42, 0.01), 7.0,
            risk_level="R4", minimum_amount=1_000, annual_rate=0.068, margin=0.013),
    Product("structured_note", "Structured note", "investment", (0.0, 0.0, 0.0, 0.25, 0.10, 0.0), 4.0,
            risk_level="R5", minimum_amount=10_000, holding_days=730, annual_rate=0.090, margin=0.020,
            minimum_tier="vip"),
    Product("green_fund", "Green fund", "investment", (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
            risk_level="R3", minimum_amount=100, annual_rate=0.048, margin=0.012, sold_from_day=181),
    Product("saving_bond", "Saving bond", "term_deposit", (0.01, 0.0, 0.05, 0.0, 0.02, 0.03), 4.0,
            risk_level="R1", minimum_amount=1_000, holding_days=1_095, annual_rate=0.018, sold_to_day=-200),
)  # fmt: skip
LISTED_ON: Final = date(2010, 1, 1)
ANNOUNCED_DAYS: Final = 30  # a new product is known so many days before its first sale
RATE_CHANGE_DAY: Final = 90  # the savings account pays less from this day on


def product_table(spark: SparkSession) -> DataFrame:
    """One row per product, with what decides who holds it and how much; `held` by group in the order of GROUPS."""
    return spark.createDataFrame([_traits(product) for product in PRODUCTS], PRODUCT_SCHEMA)


def product_columns(product: Product) -> dict[str, Column]:
    """The columns of `product_table` of one product."""
    traits = _traits(product)
    schema = cast("StructType", StructType.fromDDL(PRODUCT_SCHEMA))
    kinds = {field.name: field.dataType for field in schema.fields}
    return {name: F.lit(traits[name]).cast(kind) for name, kind in kinds.items()}


def _traits(product: Product) -> dict[str, object]:
    return {
        "product_id": product.product_id,
        "kind": product.kind,
        "held": list(product.held),
        "incomes": product.incomes,
        "least_minor": (product.minimum_amount or 1) * 100,
        "rate": product.annual_rate,
        "age_from": product.age_from or 0,
        "age_to": product.age_to or 200,
        "sold_to_day": product.sold_to_day,
    }


def region_rows(start: date) -> list[dict[str, object]]:
    """Feed rows of the regions, valid from a month before the first booking."""
    return [
        {
            "region_id": f"R{number:02d}",
            "name": name,
            "urban_share": urban,
            "population": people,
            "average_salary": salary,
            "unemployment": unemployment,
            "snapshot_on": start - timedelta(days=31),
        }
        for number, (name, urban, people, salary, unemployment) in enumerate(REGIONS, start=1)
    ]


def product_rows(start: date, until: date) -> list[dict[str, object]]:
    """Feed rows of the products as known at the end of `until`: one a product, and one rate change."""
    rows: list[dict[str, object]] = []
    for product in PRODUCTS:
        sold_from = _day(start, product.sold_from_day)
        listed_on = LISTED_ON if sold_from is None else sold_from - timedelta(days=ANNOUNCED_DAYS)
        row: dict[str, object] = {
            "product_id": product.product_id,
            "op": "I",
            "changed_at": f"{listed_on} 00:00:00",
            "name": product.name,
            "kind": product.kind,
            "risk_level": product.risk_level,
            "minimum_amount": product.minimum_amount,
            "holding_days": product.holding_days,
            "annual_rate": product.annual_rate,
            "transfer_price": product.transfer_price,
            "margin": product.margin,
            "available_from": sold_from,
            "available_to": _day(start, product.sold_to_day),
            "minimum_tier": product.minimum_tier,
            "age_from": product.age_from,
            "age_to": product.age_to,
        }
        if listed_on <= until:
            rows.append(row)
        changed_on = start + timedelta(days=RATE_CHANGE_DAY)
        if product.product_id == "savings_account" and changed_on <= until:
            rows.append({**row, "op": "U", "changed_at": f"{changed_on} 00:00:00", "annual_rate": 0.0125})
    return rows


def _day(start: date, offset: int | None) -> date | None:
    return None if offset is None else start + timedelta(days=offset)
