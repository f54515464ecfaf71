"""Rows that broke their contract, and their way back: looked at, corrected, landed again as a file like any other.

Only rows of accepted files are released one by one. A file that was refused comes back whole: replaced by a corrected
one, or judged anew when its contract changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path

from pyspark import StorageLevel
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from portrait.contracts import Catalogue, Column, Contract
from portrait.contracts.identifiers import visible
from portrait.errors import ConfigurationError, InputRefused
from portrait.ingest.discover import RELEASED
from portrait.ingest.files import LandedFile
from portrait.ingest.inspect import inspect_file
from portrait.ingest.ledger import FILES, QUARANTINE
from portrait.ingest.mapped import apply_mapping, layouts_of_records, source_contract, with_line_numbers
from portrait.ingest.parsing import Failure, Layout, escaped, judge, parse_lines
from portrait.ingest.quarantine import IDENTIFIER, Waiting
from portrait.ingest.text import write_staged
from portrait.lake import Lake
from portrait.mappings.source import NO_MAPPINGS, Mappings
from portrait.spark.paths import as_named

REFERENCE = (Column("_file_hash", "STRING", required=True), Column("_line", "BIGINT", required=True))
"""What tells, in a file of corrected rows, which row of which file each one replaces."""


@dataclass(frozen=True)
class Release:
    """Rows of one feed that go in again by a landed `file` (None: none passed); `still_bad` counts the rest by rule."""

    feed: str
    file: str | None
    rows: int
    still_bad: dict[str, int] = field(default_factory=dict)


def damaged_identifiers(
    lake: Lake, summary: Sequence[Waiting], *, mappings: Mappings = NO_MAPPINGS
) -> dict[tuple[str, str, str], str]:
    """Feed, rule and file to the value of the first row that broke an identifier's rule, invisible characters escaped.

    `summary`: that of `quarantine_summary`. Rows of refused files, and those that cannot be read, have none.
    """
    asked = [item for item in summary if item.rule.endswith(IDENTIFIER) and item.file_status == "accepted"]
    values: dict[tuple[str, str, str], str] = {}
    if not asked:
        return values
    accepted = lake.read(FILES).where("status = 'accepted'").select("feed", "file", "file_hash").collect()
    hashes = {(row["feed"], row["file"]): row["file_hash"] for row in accepted}
    for feed in sorted({item.feed for item in asked}):
        parsed = _texts_again(lake, lake.catalogue.table(f"raw.{feed}"), None, mappings)
        mine = [item for item in asked if item.feed == feed]
        places = {(item.rule, item.file): (hashes[feed, item.file], item.line) for item in mine}
        if parsed is None:
            continue
        found = parsed.where(
            F.concat_ws(":", "__file", "__line").isin(*[f"{file}:{line}" for file, line in places.values()])
        ).collect()
        rows = {(row["__file"], row["__line"]): row for row in found}
        for item in mine:
            known = rows.get(places[item.rule, item.file])
            column = item.rule.removesuffix(IDENTIFIER)
            if known is not None and column in known and known[column] is not None:
                values[feed, item.rule, item.file] = visible(known[column])
    return values


def export_quarantine(
    lake: Lake,
    *,
    catalogue: Catalogue,
    feed: str,
    path: Path,
    landing: Path | None = None,
    mappings: Mappings = NO_MAPPINGS,
) -> int:
    """Write the open rows of a feed's accepted files as CSV, to be corrected and released; returns their number.

    The columns of the feed, `_file_hash` and `_line`, which must stay, and `_reasons` and `_record`, which help: the
    text of a malformed row is there alone (a NUL byte in it, which no CSV may have, as its symbol); a row of a source
    has its record beside what the mapping made of it. With the `landing`
    folder, rows count as open again whose released file was removed from it.
    """
    contract = catalogue.table(f"raw.{feed}")
    parsed = _texts_again(lake, contract, landing, mappings)
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(_csv_line([*contract.column_names, "_file_hash", "_line", "_reasons", "_record"]))
        for row in [] if parsed is None else parsed.orderBy("__file", "__line").toLocalIterator():
            texts = [None if row["__broken"] else row[name] for name in contract.column_names]
            record = row["__value"].replace("\0", "\u2400") if row["__broken"] or row["__mapped"] else None
            file.write(_csv_line([*texts, row["__file"], str(row["__line"]), " ".join(row["__rules"]), record]))
            count += 1
    return count


def _csv_line(texts: Sequence[str | None]) -> str:
    """A line of CSV that ingest reads as these texts; Python's writer leaves carriage returns and marks unquoted."""
    if list(texts) in ([None], [""]):
        return '""\n'  # else the line is blank
    return ",".join(_quoted(text or "") for text in texts) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n\ufeff') else text


def release(
    lake: Lake,
    *,
    landing: Path,
    catalogue: Catalogue,
    corrected: Path | None = None,
    feeds: Sequence[str] | None = None,
    mappings: Mappings = NO_MAPPINGS,
) -> list[Release]:
    """Land rows of the quarantine again: corrected ones, or without a file those that meet the contract as it is now.

    The rows go into `<landing>/<feed>/released-<n>.csv`, which the next run takes in as any file; the originals are
    marked `landed`, and `released` once that run has them in bronze. They are open again when the file is removed
    before it was accepted. Rows that still break a rule stay open. Raises InputRefused when a corrected row names no
    open one.
    """
    judged: dict[str, DataFrame] = {}
    if corrected is not None:
        feed, frame = _corrected(lake, catalogue, corrected, landing)
        judged[feed] = frame
    else:
        for feed in feeds or catalogue.feeds:
            contract = catalogue.table(f"raw.{feed}")
            found = [
                judge(parsed, contract=contract, failures=failures)
                for parsed, failures in _parsed_again(lake, contract, landing, mappings)
            ]
            if found:
                judged[feed] = _together([rows.drop(*_flags(rows)) for rows in found])
    releases, marks = [], []
    for feed, frame in judged.items():
        kept = frame.persist(StorageLevel.MEMORY_AND_DISK)
        done = _land(lake, kept, catalogue.table(f"raw.{feed}"), landing)
        releases.append(done)
        if done.file is not None:
            marks.append(_marked(lake, kept.where(F.col("__reasons").isNull()), feed, done.file))
    if marks:
        lake.merge(QUARANTINE, reduce(DataFrame.unionByName, marks))
    for frame in judged.values():
        frame.unpersist()
    _corrected_copy(lake).unlink(missing_ok=True)
    return releases


def settle_releases(lake: Lake) -> None:
    """Mark as released those rows that were landed again and are in bronze now.

    The n-th row of a released file, in bronze or in quarantine, is the n-th of the rows that were landed in it, by hash
    and line. Rows of a file that was edited to have more or fewer rows stay as they are.
    """
    if not lake.has(QUARANTINE):
        return
    quarantine = lake.read(QUARANTINE)
    landed = quarantine.where("status = 'landed'")
    names = {(row["feed"], row["released_in"]) for row in landed.select("feed", "released_in").distinct().collect()}
    marks = []
    for feed in sorted({feed for feed, _ in names}):
        files = [file for other, file in names if other == feed]
        accepted = lake.read(FILES).where((F.col("feed") == feed) & (F.col("status") == "accepted"))
        accepted = accepted.where(F.col("file").isin(*files)).select("file", "file_hash").distinct()
        bad = quarantine.where(F.col("feed") == feed).select("file", "file_hash", "line", F.lit(False).alias("is_in"))
        arrived = bad
        if lake.has(f"bronze.{feed}"):
            origin = [F.col(f"_{name}").alias(name) for name in ("file", "file_hash", "line")]
            good = lake.read(f"bronze.{feed}").where(F.col("_file").isin(*files))
            arrived = bad.unionByName(good.select(*origin, F.lit(True).alias("is_in")))
        arrived = arrived.join(accepted, on=["file", "file_hash"], how="left_semi")
        arrived = _placed(arrived, "file", "line").where("is_in").withColumnRenamed("file", "released_in")
        placed = _placed(landed.where(F.col("feed") == feed), "released_in", "file_hash", "line")
        now_in = placed.join(arrived.select(*_PLACE, "released_in"), on=[*_PLACE, "released_in"], how="left_semi")
        marks.append(now_in.withColumn("status", F.lit("released")))
    if marks:
        columns = lake.catalogue.table(QUARANTINE).column_names
        # The same run may have merged before: it forgets the rows of files that are judged anew.
        lake.merge(QUARANTINE, reduce(DataFrame.unionByName, marks).select(*columns), part="released")


_PLACE = ("__nth", "__of")


def _placed(rows: DataFrame, file: str, *order: str) -> DataFrame:
    """Rows with their place among those of their file, and how many these are."""
    of_file = Window.partitionBy(file)
    nth = F.row_number().over(of_file.orderBy(*order))
    return rows.withColumns({"__nth": nth, "__of": F.count(F.lit(1)).over(of_file)})


def _open_rows(lake: Lake, feed: str, landing: Path | None) -> DataFrame:
    """The rows of a feed that wait: open ones, and those whose released file is gone without having been accepted."""
    rows = lake.read(QUARANTINE).where(F.col("feed") == feed)
    if landing is None:
        return rows.where("status = 'open'")
    landed = rows.where("status = 'landed'").select("released_in").distinct().collect()
    gone = [row["released_in"] for row in landed if not (landing / row["released_in"]).exists()]
    if not gone:
        return rows.where("status = 'open'")
    accepted = lake.read(FILES).where((F.col("feed") == feed) & (F.col("status") == "accepted"))
    lost = rows.where((F.col("status") == "landed") & F.col("released_in").isin(*gone))
    lost = lost.join(accepted.select(F.col("file").alias("released_in")), on="released_in", how="left_anti")
    return rows.where("status = 'open'").unionByName(lost)


def _texts_again(lake: Lake, contract: Contract, landing: Path | None, mappings: Mappings) -> DataFrame | None:
    """Open rows of accepted files as texts, without the rules of mappings; `__mapped`: whether a row has one."""
    found = [
        parsed.drop(*_flags(parsed)).withColumn("__mapped", F.lit("__codes" in parsed.columns))
        for parsed, _ in _parsed_again(lake, contract, landing, mappings)
    ]
    return _together(found) if found else None


def _together(frames: Sequence[DataFrame]) -> DataFrame:
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), frames)


def _flags(rows: DataFrame) -> list[str]:
    return [name for name in rows.columns if name.startswith("__failed_")]


def _parsed_again(
    lake: Lake, contract: Contract, landing: Path | None, mappings: Mappings
) -> list[tuple[DataFrame, list[Failure]]]:
    """Open rows of accepted files as texts by today's contract and mappings, with the rules of the mapping.

    `__file` is the hash, `__rules` what the rows broke.
    """
    if not lake.has(QUARANTINE):
        return []
    accepted = lake.read(FILES).where((F.col("feed") == contract.name) & (F.col("status") == "accepted"))
    rows = _open_rows(lake, contract.name, landing)
    named = rows.select("file_hash").distinct().join(accepted, on="file_hash", how="inner")
    layouts: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    mapped: dict[str, dict[str, tuple[str, ...]]] = {}
    # A lake of an earlier build, which is only looked at, has no such column.
    mapping_of = F.col("mapping") if "mapping" in named.columns else F.lit(None).cast("string")
    for row in named.select("file_hash", "file", "columns", mapping_of.alias("mapping")).collect():
        if row.mapping is not None:
            mapped.setdefault(row.mapping, {})[row.file_hash] = tuple(row.columns)
            continue
        # The record of a Parquet row was kept as JSON.
        kind = "csv" if row.file.lower().removesuffix(".gz").endswith(".csv") else "jsonl"
        layouts.setdefault((kind, tuple(row.columns) if kind == "csv" else ()), []).append(row.file_hash)
    # A header that lacks a column of today's contract cannot be read by it.
    wanted = set(contract.column_names)
    known = [
        Layout(*key, tuple(group), one_line=key[0] == "csv")
        for key, group in layouts.items()
        if key[0] != "csv" or wanted <= set(key[1])
    ]
    found: list[tuple[DataFrame, list[Failure]]] = []
    if known:
        files = [file for layout in known for file in layout.files]
        found.append((parse_lines(_as_lines(rows, files), contract=contract, layouts=known), []))
    for mapping in mappings.of_feed(contract.name):
        headers = mapped.get(mapping.id, {})
        fitting = layouts_of_records(mapping, headers)
        if fitting:
            files = [file for layout in fitting for file in layout.files]
            texts = source_contract(mapping, contract)
            parsed = parse_lines(_as_lines(rows, files), contract=texts, layouts=fitting)
            days = _snapshot_days(lake, contract.name, files)
            texts_of_feed, failures = apply_mapping(parsed, mapping, contract, days=days)
            found.append((with_line_numbers(texts_of_feed, mapping, line="__line", files=files), failures))
    return found


def _as_lines(rows: DataFrame, files: Sequence[str]) -> DataFrame:
    return rows.where(F.col("file_hash").isin(*files)).select(
        F.col("file_hash").alias("__file"),
        F.col("line").alias("__line"),
        F.col("reasons").alias("__rules"),
        escaped(F.col("record")).alias("__value"),
    )


def _snapshot_days(lake: Lake, feed: str, files: Sequence[str]) -> dict[str, str]:
    known = lake.read(FILES).where((F.col("feed") == feed) & F.col("file_hash").isin(*files))
    days = known.where("status = 'accepted' and snapshot_on is not null").select("file_hash", "snapshot_on").collect()
    return {row["file_hash"]: str(row["snapshot_on"]) for row in days}


def _corrected_copy(lake: Lake) -> Path:
    return lake.root / "_staging" / "corrected.csv"


def _corrected(lake: Lake, catalogue: Catalogue, path: Path, landing: Path) -> tuple[str, DataFrame]:
    """The feed of a file of corrected rows, and its rows judged; each must stand for one open row."""
    if not path.is_file():
        raise ConfigurationError("the file does not exist", where=str(path), remedy="check the path after --release")
    facts = path.stat()
    seen = inspect_file(LandedFile("", str(path), path, "csv", ".csv", facts.st_size, facts.st_mtime_ns), width=3)
    names = {"_file_hash", "_line"}
    fitting = [f for f in catalogue.feeds if {*catalogue.table(f"raw.{f}").column_names, *names} <= set(seen.columns)]
    best = max(fitting, key=lambda f: len(catalogue.table(f"raw.{f}").columns), default=None)
    if seen.problem is not None or best is None:
        raise InputRefused(
            seen.problem or "the header is not that of a feed with _file_hash and _line",
            where=str(path),
            remedy="start from an export of the quarantine; keep its header",
        )
    feed = catalogue.table(f"raw.{best}")
    contract = replace(feed, columns=feed.columns + REFERENCE)
    # Spreadsheets end lines as they like and leave line breaks in fields: read as a landed file is.
    staged = _corrected_copy(lake)
    staged.parent.mkdir(parents=True, exist_ok=True)
    write_staged(path, staged, packed=False, one_line=True)
    lines = lake.spark.read.option("lineSep", "\n").text(as_named(staged))
    numbered = lines.select(F.col("value").alias("__value"), F.monotonically_increasing_id().alias("__place"))
    # One file in one go: its header is the row with the lowest number.
    rows = numbered.where(F.col("__place") > 0).select("__value", F.lit("").alias("__file"))
    layout = Layout("csv", seen.columns, ("",), one_line=True)
    judged = judge(parse_lines(rows, contract=contract, layouts=[layout]), contract=contract).drop("__file")
    return best, _referring(lake, judged.where("__present"), best, path, landing)


def _referring(lake: Lake, judged: DataFrame, feed: str, path: Path, landing: Path) -> DataFrame:
    rows = judged.withColumnsRenamed({"_file_hash": "__file", "_line": "__line"})
    waiting = _open_rows(lake, feed, landing)
    accepted = lake.read(FILES).where((F.col("feed") == feed) & (F.col("status") == "accepted"))
    known = waiting.join(accepted, on="file_hash", how="left_semi").select(
        F.col("file_hash").alias("__file"), F.col("line").alias("__line"), F.lit(True).alias("__open")
    )
    joined = rows.join(known, on=["__file", "__line"], how="left")
    counts = joined.groupBy("__file", "__line").agg(F.count("*").alias("rows"), F.first("__open").alias("open"))
    row = counts.agg(
        F.count_if(F.col("open").isNull()).alias("unknown"), F.count_if(F.col("rows") > 1).alias("twice")
    ).head()
    if row is not None and (row["unknown"] or row["twice"]):
        raise InputRefused(
            f"{row['unknown']} corrected rows stand for no open row of an accepted file, {row['twice']} stand twice",
            where=str(path),
            remedy="keep _file_hash and _line as they were exported, one row each; rows released before are not open",
        )
    return joined


def _land(lake: Lake, judged: DataFrame, contract: Contract, landing: Path) -> Release:
    """Write the rows that pass as a landing file, whole or not at all."""
    broken = judged.where(F.col("__reasons").isNotNull()).select(F.explode("__reasons").alias("rule"))
    still_bad = {row["rule"]: row["count"] for row in broken.groupBy("rule").count().orderBy("rule").collect()}
    passing = judged.where(F.col("__reasons").isNull() & F.col("__present")).orderBy("__file", "__line")
    texts = passing.select(*[_as_text(column) for column in contract.columns])
    folder = landing / contract.name
    folder.mkdir(parents=True, exist_ok=True)
    path = f"{contract.name}/{RELEASED}{_next_number(lake, folder, contract.name)}.csv"
    draft = folder / ".released.tmp"
    count = 0
    with draft.open("w", encoding="utf-8", newline="") as file:
        file.write(_csv_line(contract.column_names))
        for row in texts.toLocalIterator():
            file.write(_csv_line(list(row)))
            count += 1
    if count == 0:
        draft.unlink()
        return Release(contract.name, None, 0, still_bad)
    draft.rename(landing / path)
    return Release(contract.name, path, count, still_bad)


def _as_text(column: Column) -> SparkColumn:
    """A value as a feed writes it; an instant says that it is one of UTC, or it would be a time of the bank's clock."""
    text = F.col(column.name).cast("string")
    return F.concat(text, F.lit("Z")) if column.physical_type == "TIMESTAMP" else text


def _next_number(lake: Lake, folder: Path, feed: str) -> int:
    names = [file.name for file in folder.glob(f"{RELEASED}*.csv")]
    seen = lake.read(FILES).where(F.col("file").startswith(f"{feed}/{RELEASED}")).select("file").collect()
    names += [row.file.split("/", 1)[1] for row in seen]
    numbers = [name.removeprefix(RELEASED).removesuffix(".csv") for name in names]
    return max((int(number) for number in numbers if number.isdigit()), default=0) + 1


def _marked(lake: Lake, passing: DataFrame, feed: str, file: str) -> DataFrame:
    """The rows of the quarantine that were landed again, as they are to be from now on."""
    keys = passing.where("__present").select(F.col("__file").alias("file_hash"), F.col("__line").alias("line"))
    rows = lake.read(QUARANTINE).where(F.col("feed") == feed).join(keys, on=["file_hash", "line"], how="left_semi")
    landed = {"status": F.lit("landed"), "released_in": F.lit(file)}
    return rows.withColumns(landed).select(*lake.catalogue.table(QUARANTINE).column_names)
