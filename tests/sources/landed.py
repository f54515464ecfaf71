"""A landed synthetic bank, and DuckDB to look into it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

SIZE = {"customers": 400, "months": 3, "seed": 11}

# The rule of schemas/silver/transactions.yml.
COUNTS = """
    qualify row_number() over (partition by transaction_id order by booked_at, (
        (balance_after is null)::int + (channel is null)::int + (category is null)::int + (merchant_id is null)::int
        + (counterparty_bank is null)::int + (counterparty_account is null)::int + (note is null)::int
    ), amount) = 1
"""

# Said, not guessed: a file without a quoted field does not show how others quote.
AS_TEXT = """all_varchar=true, ignore_errors=true, null_padding=false, header=true, delim=',', quote='"', escape='"'"""


@dataclass(frozen=True)
class Landed:
    """A landing folder with its truth, and DuckDB to look into them."""

    landing: Path
    rows: dict[str, int]

    @property
    def truth(self) -> Path:
        return self.landing.parent / "truth"

    def ask(self, question: str) -> list[tuple]:
        """The answer of DuckDB; `{feed}` stands for its sound records, as text, `{groups}` for a table of the truth.

        Of several deliveries of one booking `{transactions}` has the one that counts, `{deliveries}` has all.
        """
        tables = {folder.name: self._sound(folder.name) for folder in self.landing.iterdir()}
        if "transactions" in tables:
            tables["deliveries"] = tables["transactions"]
            tables["transactions"] = f"(select * from {tables['deliveries']} {COUNTS})"
        for folder in self.truth.iterdir():
            tables[folder.name] = f"read_parquet('{folder}/*.parquet')"
        return duckdb.sql(question.format(**tables)).fetchall()

    def _sound(self, feed: str) -> str:
        # Planted rows carry an X in their key, or have none; rows of another length are skipped by the reader.
        key = f"read_csv('{self.landing}/{feed}/*.csv', {AS_TEXT})"
        first = duckdb.sql(f"select * from {key} limit 0").columns[0]
        return f"(select * from {key} where {first} not like '%X%')"
