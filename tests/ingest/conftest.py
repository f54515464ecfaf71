"""A bank with two small feeds, and the hand that lands files and runs ingest."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from portrait.contracts import Catalogue, Column, Contract
from portrait.contracts.catalogue import bronze_contract
from portrait.contracts.contract import Rule, contract_of
from portrait.contracts.document import load_document
from portrait.ingest import IngestSummary, ingest
from portrait.ingest.discover import landed_files
from portrait.ingest.files import Manifest
from portrait.ingest.inspect import inspect_file
from portrait.ingest.pipeline import OnQuarantine
from portrait.ingest.read import judged_lines
from portrait.ingest.text import write_staged
from portrait.lake import Lake, Lease
from portrait.mappings import Mappings, load_mappings
from portrait.mappings.source import NO_MAPPINGS

BOOKINGS = Contract(
    "raw.bookings",
    "Bookings.",
    "One row per booking.",
    (
        Column("id", "STRING", required=True, key_position=1),
        Column("booked_at", "TIMESTAMP", required=True),
        Column("amount", "DECIMAL(18,2)", required=True, minimum=0.01),
        Column("kind", "STRING", required=True, enum=("card", "cash")),
        Column("valued_on", "DATE"),
        Column("count", "INT"),
        Column("note", "STRING"),
    ),
    (Rule("cash_is_counted", "kind <> 'cash' or count is not null", "error", "cash says how many notes"),),
    {"delivery": "append", "maxRejectShare": 0.25},
)
PEOPLE = Contract(
    "raw.people",
    "People.",
    "One row per person.",
    (Column("id", "STRING", required=True, key_position=1), Column("active", "BOOLEAN")),
    (),
    {"delivery": "snapshot", "maxRejectShare": 0.5},
)
HEADER = "id,booked_at,amount,kind,valued_on,count,note"


def good(number: int) -> str:
    """A line that meets the contract."""
    return f"B{number},2025-01-01 10:00:00,{number}.50,card,2025-01-02,,"


def catalogue_of(schemas: Path, *feeds: Contract) -> Catalogue:
    ops = [
        contract_of(load_document(schemas / "ops" / f"{name}.yml"))
        for name in ("files", "quarantine", "table_versions")
    ]
    bronze = [bronze_contract(feed) for feed in feeds]
    return Catalogue({contract.id: contract for contract in (*feeds, *bronze, *ops)})


@dataclass
class Bank:
    """A landing folder and a lake; every `run` is a run of its own."""

    spark: SparkSession
    root: Path
    catalogue: Catalogue
    seen: list[Path] = field(default_factory=list)
    mappings: Mappings = NO_MAPPINGS

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    def land(self, path: str, content: str | bytes) -> Path:
        file = self.landing / path
        file.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        file.write_bytes(gzip.compress(data) if file.suffix == ".gz" and isinstance(content, str) else data)
        return file

    def csv(self, name: str, *lines: str, header: str = HEADER) -> Path:
        return self.land(f"bookings/{name}", "\n".join([header, *lines]) + "\n")

    def run(self, *, quarantined_file: OnQuarantine = "refuse") -> IngestSummary:
        with Lease(self.root / "lake") as lease:
            lake = self.lake(lease)
            return ingest(
                lake,
                landing=self.landing,
                catalogue=self.catalogue,
                quarantined_file=quarantined_file,
                mappings=self.mappings,
            )

    def map(self, name: str, text: str, **codes: str) -> None:
        """Write a mapping file of the source `core`, and files of codes; the bank knows it from then on."""
        folder = self.root / "conf" / "sources" / "core"
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in {f"{name}.yml": text, **{f"{code}.csv": lines for code, lines in codes.items()}}.items():
            (folder / file).write_text(content, encoding="utf-8")
        self.mappings = load_mappings(self.root / "conf", self.catalogue)

    def lake(self, lease: Lease | None = None) -> Lake:
        return Lake(self.spark, self.root / "lake", self.catalogue, lease=lease)

    def rows(self, table: str) -> list[Row]:
        lake = self.lake()
        return lake.read(table).collect() if lake.has(table) else []

    def files(self) -> dict[str, Row]:
        return {row.file: row for row in self.rows("ops.files")}

    def bronze_ids(self) -> list[str]:
        return sorted(row.id for row in self.rows("bronze.bookings"))

    def versions(self) -> dict[str, int]:
        lake = self.lake()
        return {table: lake.version(table) for table in self.catalogue.tables if lake.has(table)}

    def with_contract(self, **properties: object) -> Bank:
        """The same bank after somebody changed the contract of bookings."""
        changed = replace(BOOKINGS, properties={**BOOKINGS.properties, **properties})
        contracts = self.catalogue.contracts | {"raw.bookings": changed, "bronze.bookings": bronze_contract(changed)}
        return Bank(self.spark, self.root, Catalogue(contracts))


def staged(folder: Path, feed: Contract) -> dict[str, Manifest]:
    """What admission would say of the files of `folder/feed`; `folder/staged` has them as Spark is to read them."""
    shutil.rmtree(folder / "staged", ignore_errors=True)
    (folder / "staged").mkdir()
    found = {}
    for item in landed_files(folder, known=["feed", "staged"], feeds=["feed"]):
        seen = inspect_file(item, width=len(feed.columns))
        facts = ("feed", item.path, seen.hash, item.format or "", seen.columns, (), seen.rows, feed.hash)
        manifest = Manifest(*facts, one_line=seen.one_line)
        name = item.source.name.removesuffix(".gz")
        found[name] = manifest
        packed = item.extension.endswith(".gz")
        write_staged(item.source, folder / "staged" / name, packed=packed, one_line=seen.one_line)
    return found


def judged_files(spark: SparkSession, folder: Path, feed: Contract, manifests: dict[str, Manifest]) -> DataFrame:
    """The lines of the staged files, judged."""
    lines = spark.read.option("lineSep", "\n").text(str(folder / "staged"))
    places = (F.col("_metadata.file_name").alias("__file"), F.col("_metadata.file_block_start").alias("__start"))
    return judged_lines(lines.select(F.col("value").alias("__value"), *places), contract=feed, manifests=manifests)


NewBank = Callable[[], Bank]


@pytest.fixture(scope="session")
def new_bank(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, schemas_dir: Path) -> NewBank:
    catalogue = catalogue_of(schemas_dir, BOOKINGS, PEOPLE)
    return lambda: Bank(spark, tmp_path_factory.mktemp("bank"), catalogue)


@pytest.fixture
def bank(new_bank: NewBank) -> Bank:
    return new_bank()
