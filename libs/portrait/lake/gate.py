"""What the gate recorded of a day, and what it refuses: one data product is not held back by another's failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from portrait.contracts.products import products_made_from
from portrait.lake.reader import Reader

RESULTS = "ops.quality_results"
_COLUMNS = ["table_name", "rule", "severity", "success", "unexpected_count", "total", "details", "version"]


@dataclass(frozen=True)
class GateResults:
    """The recorded results of a day."""

    versions: dict[str, int | None] = field(default_factory=dict)
    """Table to the version that was judged; None for what has no slices, or where no version was recorded."""
    failures: dict[str, list[str]] = field(default_factory=dict)
    """Table or feed to the rules of severity error that it breaks, a sentence each."""

    def reason_against(self, table: str, version: int) -> str | None:
        """Why a version of a table must not be served; None when the gate checked it and it passed."""
        if table not in self.versions:
            return f"version {version} was not checked by the gate"
        judged = self.versions[table]
        if judged is None:
            return (
                f"version {version} was checked before the gate recorded versions, so it is not known what was checked"
            )
        if judged != version:
            return f"version {version} was not checked by the gate, which saw version {judged}"
        failed = self.failures.get(table)
        return f"version {version} failed {'; '.join(failed)}" if failed else None


def gate_results(reader: Reader, as_of: date) -> GateResults:
    """The results of a day; empty when nothing was judged."""
    found = GateResults()
    if not reader.has(RESULTS):
        return found
    results = reader.read(RESULTS).where("as_of", "=", as_of)
    for row in results.rows([name for name in _COLUMNS if name in results.columns]):
        table, version = row["table_name"], row.get("version")
        if version is not None or table not in found.versions:
            found.versions[table] = max(
                (v for v in (version, found.versions.get(table)) if v is not None), default=None
            )
        if row["severity"] == "error" and not row["success"]:
            told = f" ({row['details']})" if row["details"] else ""
            text = f"{row['rule']}, broken by {row['unexpected_count']} of {row['total']} rows{told}"
            found.failures.setdefault(table, []).append(text)
    for failed in found.failures.values():
        failed.sort()
    return found


def days_refused(reader: Reader, *, layer: str) -> set[date]:
    """The days on which a table of a layer broke a rule of severity error."""
    if not reader.has(RESULTS):
        return set()
    broken = reader.read(RESULTS).where("success", "=", False).where("severity", "=", "error")
    return {row["as_of"] for row in broken.rows(["as_of", "table_name"]) if row["table_name"].startswith(f"{layer}.")}


def refusals(reader: Reader, judged: GateResults, candidates: Mapping[str, Mapping[str, int]]) -> dict[str, list[str]]:
    """Product to what speaks against serving it, a line each; `candidates`: product to its tables and their versions.

    A product is refused when one of its tables failed or was not judged in exactly this version, or when a feed or a
    silver table from which one of its tables is made broke a rule.
    """
    found: dict[str, list[str]] = {}
    for product, versions in candidates.items():
        for table, version in versions.items():
            if (reason := judged.reason_against(table, version)) is not None:
                found.setdefault(product, []).append(f"{table}: {reason}")
    for table, failed in judged.failures.items():
        if not table.startswith("gold."):
            for product in products_made_from(reader.catalogue, table) & candidates.keys():
                found.setdefault(product, []).append(f"{table}: failed {'; '.join(failed)}")
    return found
