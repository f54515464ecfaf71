"""A small lake written by hand: 200 customers, two slices, every table that the report reads."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from portrait.contracts import Catalogue, Contract

RUN = 3
BEFORE, NOW = date(1993, 12, 31), date(1994, 3, 31)
TIERS = {"diamond": (2, 900_000), "vip": (18, 200_000), "growing": (60, 50_000), "ordinary": (120, 4_000)}
GROUPS = {
    1: ("Affluent savers", 40, "High balances, few payments; 3.1 times the assets of everyone."),
    2: ("Salary families", 90, "A monthly salary, groceries and household bills."),
    3: ("Card students", 50, "Young, small and frequent card payments, restaurants."),
}
GROUPED = 180  # of 200
_FEATURES = {
    "debit_amount_category_grocery_90d": (-0.6, 1.4, -0.9),
    "txn_count_channel_mobile_30d": (-0.4, 0.2, 1.1),
    "balance_avg_90d": (2.3, -0.1, -0.8),
    "salary_amount_90d": (0.3, 1.2, -1.5),
    "debit_amount_category_restaurant_90d": (0.1, -0.3, 1.8),
    "days_since_customer_txn": (0.9, -0.2, -0.4),
}
_DEFAULTS: dict[str, Any] = {
    "STRING": "x",
    "INT": 1,
    "BIGINT": 1,
    "DOUBLE": 0.5,
    "BOOLEAN": True,
    "DATE": NOW,
    "TIMESTAMP": datetime(2026, 11, 22, 1, 12),
}
SECRET = "C-secret-731"
"""A customer's id, which must not show anywhere."""


def values(contract: Contract, row: dict[str, Any]) -> tuple[Any, ...]:
    """A row of a contract: what is not given is NULL, or some value of its type where NULL is forbidden."""
    unknown = set(row) - set(contract.column_names)
    assert not unknown, f"{contract.id} has no {unknown}"
    return tuple(row.get(c.name, _default(c.physical_type, c.enum) if c.required else None) for c in contract.columns)


def _default(kind: str, enum: tuple[str, ...]) -> Any:
    if enum:
        return enum[0]
    if kind.startswith(("ARRAY", "MAP")):
        return [] if kind.startswith("ARRAY") else {}
    return Decimal("1.00") if kind.startswith("DECIMAL") else _DEFAULTS[kind]


Tables = dict[str, list[dict[str, Any]]]


class Writer:
    """Writes what jobs would have written, as plain Delta tables: constraints and leases are tested elsewhere."""

    def __init__(self, spark: SparkSession, root: Path, catalogue: Catalogue) -> None:
        self.spark, self.root, self.catalogue = spark, root, catalogue
        self.written: list[dict[str, Any]] = []
        self.versions: dict[str, int] = {}

    def job(self, seconds: float, as_of: date | None, tables: Tables) -> None:
        """A slice of each table (or rows of a whole one), and the record that the job succeeded."""
        for table, rows in tables.items():
            day = {"as_of": as_of} if as_of else {}
            self._append(table, [day | row for row in rows])
            record = {"run": RUN, "job": self.catalogue.table(table).job, "job_as_of": as_of, "seconds": seconds}
            self.written.append({**record, "table_name": table, "as_of": as_of, "version": self.versions[table]})

    def publish(self, as_of: date) -> None:
        """The records of all jobs, and the pointer to the slices of a day."""
        self._append("ops.table_versions", self.written)
        gold = [row for row in self.written if row["as_of"] == as_of and row["table_name"].startswith("gold.")]
        versions = {row["table_name"]: row["version"] for row in gold}
        pointer = {"sequence": 1, "run": RUN, "as_of": as_of, "action": "publish", "versions": versions}
        self._append("ops.publication", [pointer])

    def _append(self, table: str, rows: list[dict[str, Any]]) -> None:
        contract = self.catalogue.table(table)
        frame = self.spark.createDataFrame([values(contract, row) for row in rows], contract.struct_type)
        path = self.root / contract.layer / contract.name
        frame.coalesce(1).write.format("delta").mode("append").partitionBy(contract.partitioned_by).save(str(path))
        self.versions[table] = self.versions.get(table, -1) + 1


def tiers(counts: dict[str, int]) -> list[dict[str, Any]]:
    """Customers of gold.customer_tier; the first carries the id that must not show."""
    names = list(TIERS)
    rows: list[dict[str, Any]] = []
    for tier, customers in counts.items():
        for _ in range(customers):
            row = {
                "customer_id": SECRET if not rows else f"C{len(rows)}",
                "tier": tier,
                "tier_rank": names.index(tier) + 1,
                "next_tier": None if tier == "diamond" else names[names.index(tier) - 1],
                "reason_code": "below_levels" if tier == "ordinary" else "assets_level",
                "assets": Decimal(TIERS[tier][1]),
                "score": 80.0 - 20 * names.index(tier),
            }
            rows.append(row)
    return rows


def migration() -> list[dict[str, Any]]:
    """Of 190 earlier customers 3 rose from growing to vip, 1 fell from vip, 2 left; 12 are new."""
    stayed = {
        ("diamond", "diamond"): 2,
        ("vip", "vip"): 15,
        ("vip", "growing"): 1,
        ("growing", "vip"): 3,
        ("growing", "growing"): 57,
        ("ordinary", "ordinary"): 110,
        ("ordinary", "outside"): 2,
        ("outside", "ordinary"): 10,
        ("outside", "growing"): 2,
    }
    totals = {"diamond": 2, "vip": 16, "growing": 60, "ordinary": 110}
    rows = []
    for source in (*TIERS, "outside"):
        for target in (*TIERS, "outside"):
            if source == target == "outside":
                continue
            moved = stayed.get((source, target), 0)
            inside = "outside" not in (source, target)
            share = moved / totals[source] if inside else None
            row = {"from_tier": source, "to_tier": target, "customers": moved, "probability": share}
            rows.append({**row, "previous_as_of": BEFORE, "mobility_index": 0.0375})
    return rows


def write_tiers(bank: Writer) -> None:
    """Two slices of tiers; the earlier one has a vip less."""
    before, now = {"diamond": 2, "vip": 16, "growing": 62, "ordinary": 110}, {t: n for t, (n, _) in TIERS.items()}
    bank.job(3.1, BEFORE, {"gold.customer_tier": tiers(before)})
    bank.job(3.4, NOW, {"gold.customer_tier": tiers(now), "gold.tier_migration": migration()})
    worth = {"previous_as_of": BEFORE, "margin": Decimal(7), "value": Decimal(70), "value_high": Decimal(81)}
    bank.job(0.6, NOW, {"gold.tier_value": [{"tier": tier, **worth} for tier in (*TIERS, "all")]})


def write_groups(bank: Writer) -> None:
    """Three groups of 180 customers; 20 have none."""
    summary = [
        {"group_id": g, "group_name": n, "description": d, "customers": c, "share": c / GROUPED}
        for g, (n, c, d) in GROUPS.items()
    ]
    profile = [
        {
            "group_id": g,
            "feature": f,
            "mean": 100.0 + 50 * zs[g - 1],
            "overall_mean": 100.0,
            "z": zs[g - 1],
            "tgi": 100.0,
        }
        for f, zs in _FEATURES.items()
        for g in GROUPS
    ]
    members = [
        {"customer_id": f"C{n}", "group_id": g, "group_name": GROUPS[g][0], "distance": 1.0, "margin": 0.4}
        | {"model_version": "1"}
        for n, g in enumerate(g for g, (_, customers, _) in GROUPS.items() for _ in range(customers))
    ]
    alone = [{"customer_id": f"D{n}", "not_grouped_reason": "no_transaction_in_window"} for n in range(20)]
    tables = {"gold.customer_group": members + alone, "gold.group_summary": summary, "gold.group_profile": profile}
    bank.job(9.8, NOW, tables)


def write_labels(bank: Writer) -> None:
    """The labels of conf/, with a rare region (3 customers) in a personal one."""
    spreads: dict[str, dict[str, int]] = {
        "value_tier": {t: n for t, (n, _) in TIERS.items()},
        "age_band": {"under 25": 50, "25 to 39": 70, "40 to 59": 60, "60 and over": 17, "ninety": 3},
        "gender": {"F": 104, "M": 96},
        "activity_level": {"high": 40, "medium": 90, "low": 50},
        "salary_customer": {"true": 90, "false": 100},
        "prefers_mobile": {"true": 65, "false": 135},
        "early_warning": {},
    }
    rows = []
    for label in bank.catalogue.table("gold.customer_portrait").column_names[2:]:
        spread = spreads.get(label, {"true": 30, "false": 140})
        known = sum(spread.values())
        theme = {"gender": "attributes", "age_band": "attributes", "early_warning": "risk"}.get(label, "behaviour")
        row = {"label": label, "theme": theme, "kind": "rule", "customers": 200, "known": known}
        rows.append({**row, "coverage": known / 200, "distribution": spread})
    earlier = {"label": "salary_customer", "theme": "behaviour", "kind": "rule", "customers": 160, "known": 120}
    bank.job(6.0, BEFORE, {"gold.label_statistics": [earlier | {"distribution": {"true": 40, "false": 80}}]})
    bank.job(6.1, NOW, {"gold.label_statistics": rows})


def write_offers(bank: Writer) -> None:
    """Two products: 150 first choices of the card, 30 of the loan, 100 seconds of the loan."""
    card = {"product_id": "P1", "product_name": "Gold card <b>plus</b>", "product_kind": "card", "score": 0.8}
    loan = {"product_id": "P2", "product_name": "Home loan", "product_kind": "loan", "score": 0.4}
    chosen = [{"customer_id": f"C{n}", "rank": 1, **(card if n < 150 else loan)} for n in range(180)]
    chosen += [{"customer_id": f"C{n}", "rank": 2, **loan} for n in range(100)]
    kept = [
        {"rule": "already_held", "product_id": "P1", "customers": 40},
        {"rule": "already_held", "product_id": "P2", "customers": 25},
        {"rule": "suitability", "product_id": "P3", "customers": 7},
    ]
    bank.job(5.2, NOW, {"gold.recommendations": chosen, "gold.recommendation_rejections": kept})
    held_out = {
        "customers": 90,
        "items": 40,
        "k": 10,
        "used": True,
        "fitted_on": NOW,
        "held_out_from": date(1994, 3, 2),
    }
    measured = [
        {
            "method": "als",
            "recall": 0.3,
            "ndcg": 0.2,
            "difference": 0.05,
            "difference_low": 0.02,
            "difference_high": 0.08,
        },
        {"method": "popularity", "recall": 0.2, "ndcg": 0.15},
    ]
    quality = [held_out | row for row in measured]
    shops = [
        {"customer_id": f"C{n}", "kind": "merchant", "rank": 1, "item": "S1", "title": "merchant S1", "affinity": 0.2}
        for n in range(60)
    ]
    bank.job(4.1, NOW, {"gold.recommendation_quality": quality, "gold.shopping_recommendations": shops})


def write_ops(bank: Writer) -> None:
    """Files of two feeds, five rows in quarantine, one broken warning, two account-days that do not reconcile."""
    file = {"columns": [], "columns_ignored": []}
    files = [
        {"feed": "transactions", "file": "transactions/1.csv", "file_hash": "a" * 64, "contract_hash": "1"}
        | {"status": "accepted", "rows_in": 1000, "rows_good": 995, "rows_bad": 5}
        | {**file, "columns_ignored": ["surplus"]},
        {"feed": "loans", "file": "loans/1.csv", "file_hash": "b" * 64, "contract_hash": "1", "run": 1}
        | {"status": "refused", "reason": "column amount is missing", "rows_in": 50, "rows_good": 0, "rows_bad": 50}
        | file,
        {"feed": "loans", "file": "loans/1.csv", "file_hash": "b" * 64, "contract_hash": "2", "run": 2}
        | {"status": "accepted", "rows_in": 50, "rows_good": 50, "rows_bad": 0}
        | file,
        {"feed": "cards", "file": "cards/broken.csv", "file_hash": "c" * 64, "contract_hash": "1"}
        | {"status": "quarantined", "reason": "not readable as gzip", "rows_in": 0, "rows_good": 0, "rows_bad": 0}
        | file,
    ]
    rejected = [
        {"feed": "transactions", "file": "transactions/1.csv", "file_hash": "a" * 64, "line": line}
        | {"reasons": reasons, "record": f"{SECRET},secret text", "status": "open"}
        for line, reasons in enumerate(
            [["amount.type"], ["amount.type"], ["amount.type", "booked_at.type"], ["channel.enum"], ["channel.enum"]], 2
        )
    ]
    rejected[4]["status"] = "released"
    gates = [
        {
            "table_name": t,
            "rule": f"rule_{n}",
            "severity": "error",
            "success": True,
            "unexpected_count": 0,
            "total": 200,
        }
        for t in ("gold.customer_tier", "gold.customer_group")
        for n in range(12)
    ]
    gates[0] |= {"rule": "assets.range", "severity": "warning", "success": False, "unexpected_count": 4}
    gates[0] |= {"details": SECRET}
    account_days = [
        {"account_id": "A1", "day": date(1994, 1, 5), "expected": Decimal("10.00"), "reported": Decimal("12.50")},
        {"account_id": "A1", "day": date(1994, 2, 5), "expected": Decimal("10.00"), "reported": Decimal("9.00")},
        {"account_id": "A2", "day": date(1994, 4, 1), "expected": Decimal("0.00"), "reported": Decimal("99.00")},
    ]
    differences = [row | {"difference": row["reported"] - row["expected"]} for row in account_days]
    bank.job(14.0, None, {"ops.files": files, "ops.quarantine": rejected})
    bank.job(7.0, None, {"ops.reconciliation": differences})
    bank.job(12.5, NOW, {"ops.quality_results": gates})


def write_bank(spark: SparkSession, root: Path, catalogue: Catalogue) -> None:
    """Everything, the newer slice published."""
    bank = Writer(spark, root, catalogue)
    write_tiers(bank)
    write_groups(bank)
    write_labels(bank)
    write_offers(bank)
    write_ops(bank)
    bank.publish(NOW)
