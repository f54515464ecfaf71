"""All contracts of the suite, loaded and checked against each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from portrait.contracts.contract import Column, Contract, contract_of
from portrait.contracts.document import load_document
from portrait.contracts.products import check_products
from portrait.errors import ConfigurationError
from portrait.settings import UTC

# What ingest adds to the columns of a feed.
LINEAGE = (
    Column("_file", "STRING", description="File that brought the row, relative to the landing folder."),
    Column("_file_hash", "STRING", description="SHA-256 of the file's bytes."),
    Column("_line", "BIGINT", description="1-based line in the file, the header being line 1; row number in Parquet."),
    Column("_loaded_at", "TIMESTAMP", description="When the row was ingested, UTC.", volatile=True),
    Column("_run", "BIGINT", description="Number of the run that took the row in.", volatile=True),
)


@dataclass(frozen=True)
class Catalogue:
    """Contracts by table name; `raw.*` are the feeds as delivered, everything else is a Delta table."""

    contracts: dict[str, Contract]
    time_zone: str = UTC
    """The bank's, by the settings: the days of all tables are days of this zone."""
    switched_off: frozenset[str] = frozenset()
    """Tables of capabilities that the bank does not use; `contracts` lacks them."""

    def __iter__(self) -> Iterator[Contract]:
        return iter(self.contracts.values())

    @property
    def tables(self) -> list[str]:
        """Every Delta table, in layer order."""
        return [name for name in self.contracts if not name.startswith("raw.")]

    @property
    def feeds(self) -> list[str]:
        """Names of the feeds, without the layer."""
        return [contract.name for contract in self if contract.layer == "raw"]

    def layer(self, layer: str) -> list[Contract]:
        """The contracts of one layer."""
        return [contract for contract in self if contract.layer == layer]

    def table(self, name: str) -> Contract:
        """One contract; raises ConfigurationError for a name that no contract has."""
        if name not in self.contracts:
            raise ConfigurationError(
                f"there is no table '{name}'", where="schemas/", remedy=f"tables: {', '.join(self.contracts)}"
            )
        return self.contracts[name]

    def expand(self, names: list[str]) -> list[str]:
        """Table names with `layer.*` replaced by the tables of that layer."""
        found: list[str] = []
        for name in names:
            layer, _, table = name.partition(".")
            found += [contract.id for contract in self.layer(layer)] if table == "*" else [name]
        return found

    def feeds_needed(self, tables: Collection[str]) -> set[str]:
        """The feeds without which none of the tables is computed, through the tables that they read too."""
        waiting, seen = list(tables), set[str]()
        while waiting:
            table = waiting.pop()
            if table not in seen:
                seen.add(table)
                waiting += self.expand(self.table(table).reads)
        return {table.removeprefix("raw.") for table in seen if table.startswith("raw.")}

    def is_read(self, table: str) -> bool:
        """Whether what is published, or the suite itself, needs or uses a table, through other tables too."""
        readers = [contract for contract in self if table in self.expand(contract.reads + contract.reads_optional)]
        return any(contract.layer in ("gold", "ops") or self.is_read(contract.id) for contract in readers)

    @property
    def label_sources(self) -> list[str]:
        """Names, without the layer, of the gold tables from which labels are declared."""
        return [contract.name for contract in self.layer("gold") if contract.custom("labelSource", False)]

    def label_columns(self) -> dict[str, dict[str, str]]:
        """Gold table to its columns that have the values of a label, and that label."""
        found = {
            contract.id: {column.name: column.label for column in contract.columns if column.label}
            for contract in self.layer("gold")
        }
        return {table: columns for table, columns in found.items() if columns}

    def label_synonyms(self) -> dict[str, str]:
        """Names of columns for labels that are called otherwise: `tier` for the label `value_tier`."""
        tables = self.label_columns().values()
        return {name: label for columns in tables for name, label in columns.items() if name != label}

    def without(self, tables: Collection[str]) -> Catalogue:
        """This catalogue without some tables: what reads them where they are there does without.

        Raises ConfigurationError for a table that is left and needs one of them.
        """
        left: dict[str, Contract] = {}
        for contract in self:
            if contract.id in tables:
                continue
            if needed := sorted(set(contract.reads) & set(tables)):
                raise ConfigurationError(
                    f"{contract.id} needs {needed[0]}, which is switched off",
                    where="conf/base.toml capabilities",
                    remedy=f"add '{(self.table(needed[0]).script or '').split('/')[0]}' to capabilities",
                )
            kept = {
                name: [item for item in contract.custom(name, []) if item not in tables]
                for name in ("readsOptional", "readsPrevious")
                if contract.custom(name)
            }
            left[contract.id] = replace(contract, properties=contract.properties | kept)
        return replace(self, contracts=left, switched_off=frozenset(tables))

    def with_columns(self, table: str, columns: list[Column]) -> Catalogue:
        """This catalogue with further columns of a table, declared in `conf/`."""
        return replace(self, contracts=self.contracts | {table: self.table(table).with_columns(columns)})


def load_catalogue(schemas: Path, *, time_zone: str = UTC, standard: bool = True) -> Catalogue:
    """The contracts below `schemas`, and the bronze ones that derive from the feeds; `standard`: see `load_document`.

    Raises ConfigurationError for a broken file, a read of an unknown table, or a key that is missing.
    """
    if not schemas.is_dir():
        raise ConfigurationError("the folder of contracts does not exist", where=str(schemas), remedy="check --schemas")
    contracts: dict[str, Contract] = {}
    for layer in ("raw", "silver", "gold", "ops"):
        for path in sorted((schemas / layer).glob("*.yml")):
            contract = contract_of(load_document(path, standard=standard), time_zone=time_zone)
            contracts[contract.id] = contract
            if layer == "raw":
                bronze = bronze_contract(contract)
                contracts[bronze.id] = bronze
    order = ["raw", "bronze", "silver", "gold", "ops"]
    listed = dict(sorted(contracts.items(), key=lambda item: (order.index(item[1].layer), item[0])))
    catalogue = Catalogue(listed, time_zone)
    catalogue = _with_sources(catalogue)
    _check_lineage(catalogue)
    check_products(catalogue)
    _check_references(catalogue)
    return _with_conflict_rules(catalogue)


def bronze_contract(feed: Contract) -> Contract:
    """A feed as it is kept: its columns, all nullable and without key, and where each row came from."""
    columns = tuple(
        replace(
            column,
            required=False,
            key_position=None,
            enum=(),
            minimum=None,
            maximum=None,
            pattern=None,
            identifier=None,
            placeholders=(),
            references=(),
            vocabulary=None,
        )
        for column in feed.columns
    )
    return Contract(
        id=f"bronze.{feed.name}",
        description=f"Feed {feed.name} as received, append only. {feed.description}",
        grain="One row per delivered record that met its contract.",
        columns=columns + LINEAGE,
        properties={"job": "ingest", "reads": [feed.id]},
        time_zone=feed.time_zone,
    )


def _with_conflict_rules(catalogue: Catalogue) -> Catalogue:
    """Silver tables know which record of a key their feed lets count: to change it is to build them anew."""
    changed: dict[str, Contract] = {}
    for contract in catalogue.layer("silver"):
        feed = catalogue.contracts.get(f"raw.{contract.name}")
        if feed is None or (wins := feed.custom("conflicts")) is None:
            continue
        if wins not in ("first", "last"):
            raise ConfigurationError(
                f"conflicts is '{wins}'", where=f"schemas/raw/{feed.name}.yml", remedy="write first or last"
            )
        changed[contract.id] = replace(contract, properties=contract.properties | {"conflicts": wins})
    return replace(catalogue, contracts=catalogue.contracts | changed)


# Tables that are computed from whatever tables offer themselves, and the property by which these do.
_OFFERED = {"gold.customer_portrait": "labelSource", "gold.customer_features": "featureSource"}


def _with_sources(catalogue: Catalogue) -> Catalogue:
    """Portrait and features read every table that offers itself, where it is there: no list is to be kept."""
    changed: dict[str, Contract] = {}
    for table, offer in _OFFERED.items():
        if table not in catalogue.contracts:
            continue
        contract = catalogue.table(table)
        named = {*contract.reads, *contract.reads_optional}
        offered = [other.id for other in catalogue if other.custom(offer, False) and other.id not in named]
        optional = contract.reads_optional + offered
        changed[table] = replace(
            contract, properties=contract.properties | {"readsOptional": optional, "offered": offered}
        )
    return replace(catalogue, contracts=catalogue.contracts | changed)


def _check_references(catalogue: Catalogue) -> None:
    for contract in catalogue.layer("raw"):
        for column in contract.columns:
            for reference in column.references:
                target = catalogue.contracts.get(f"raw.{reference.feed}")
                if target is None or reference.column not in target.key:
                    raise ConfigurationError(
                        f"column '{column.name}' refers to {reference.feed}.{reference.column}, which is no key column "
                        "of a feed",
                        where=f"schemas/raw/{contract.name}.yml",
                        remedy="name a feed and a column of its key",
                    )


def _check_lineage(catalogue: Catalogue) -> None:
    for contract in catalogue:
        for source in catalogue.expand(contract.reads + contract.reads_optional + contract.reads_previous):
            if source not in catalogue.contracts:
                raise ConfigurationError(
                    f"{contract.id} reads '{source}', which no contract describes",
                    where=f"schemas/{contract.layer}/{contract.name}.yml",
                    remedy="correct the name, or write its contract",
                )
        if contract.layer != "raw" and contract.job is None:
            raise ConfigurationError(
                f"{contract.id} names no job that writes it",
                where=f"schemas/{contract.layer}/{contract.name}.yml",
                remedy="add customProperties: [{property: job, value: ...}]",
            )
