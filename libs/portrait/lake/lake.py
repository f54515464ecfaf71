"""Read and write the tables of a lake by their contracts.

Tables are named `layer.table`; each is an external Delta table at `<root>/<layer>/<table>`, registered in the session
catalogue when it is first touched. Every write checks names and types strictly against the contract, carries a Delta
transaction id (a repeated write is skipped; but see `record`) and is refused when this run has lost the lake.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from threading import RLock
from typing import Any

from delta.tables import DeltaTable
from py4j.protocol import Py4JError
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.contracts import Catalogue, Contract
from portrait.contracts.contract import literal
from portrait.errors import PortraitError
from portrait.failures import as_fault
from portrait.faults import fault_point
from portrait.lake.by_spark import BySpark
from portrait.lake.commits import OTHER_SLICE, commit, session_ids
from portrait.lake.creation import create_table
from portrait.lake.files import append_rows, few_files, has_files
from portrait.lake.lease import Lease
from portrait.lake.log import is_readable, metrics, newest_note, newest_version
from portrait.lake.reader import Reader
from portrait.lake.records import Completion, Records, Write
from portrait.lake.schema import check_frame, comparable, evolution
from portrait.spark.frames import arrow_table, frame_of


class Lake:
    """The tables below one root. Without a lease it only reads."""

    def __init__(
        self,
        spark: SparkSession,
        root: Path | str,
        catalogue: Catalogue,
        *,
        lease: Lease | None = None,
    ) -> None:
        self.spark = spark
        self.reader = Reader(root, catalogue, spark=BySpark(lambda: spark))
        self.root = self.reader.root
        self.catalogue = catalogue
        self.lease = lease
        self.fingerprints: dict[str, str] = {}
        self.writes: list[Write] = []
        self._lock = RLock()
        self._table_locks: defaultdict[str, RLock] = defaultdict(RLock)
        self._opened: set[str] = set()
        self._registered: set[str] = set()
        # Called once, before the first commit: the runner writes the beginning of the run here.
        self.before_first_write: Callable[[], None] | None = None
        self._run: int | None = None
        self.resumed = False

    # -- what there is ------------------------------------------------------------------------------------------

    @property
    def run_number(self) -> int:
        """The number of this run: monotone over the life of the lake, because Delta skips lower ones."""
        if self._run is None:
            token = self.lease.token if self.lease else 0
            self._run = max(token, self.records.last_run + 1)
        return self._run

    def resume(self, run: int | None) -> None:
        """Go on under the number of a run that died: Delta then skips what it had committed. None: a new run."""
        self._run, self.resumed = run, run is not None

    @property
    def records(self) -> Records:
        """What earlier runs wrote."""
        return self.reader.records

    def path(self, table: str) -> Path:
        """Where a table is; raises ConfigurationError for a name that no contract has."""
        return self.reader.path(table)

    def has(self, table: str) -> bool:
        """Whether the table was ever written."""
        return self.reader.has(table)

    def version(self, table: str) -> int:
        """The newest Delta version of a table."""
        return newest_version(self.path(table))

    def rows_written(self, write: Write) -> int | None:
        """Rows that a commit wrote, as Delta's own metrics say; None where the operation does not report them."""
        counted = metrics(self.path(write.table), write.version)
        names = ("numOutputRows", "numTargetRowsInserted", "num_added_rows")
        return next((int(counted[name]) for name in names if name in counted), None)

    def note(self, table: str) -> dict[str, int]:
        """What the newest commit that changed rows of a table says of itself, in one with them.

        Empty when it says nothing (it was made by hand): whoever needs the note then builds the table anew.
        """
        return newest_note(self.path(table))

    def slices(self, table: str) -> list[date]:
        """The slices that were written, oldest first."""
        return self.records.slices(table)

    def newest_slice(self, table: str, *, until: date | None = None) -> date:
        """The newest slice, of `until` or before where it is given; PortraitError when there is none."""
        return self.reader.newest_slice(table, until=until)

    def next_as_of(self, table: str, as_of: date) -> date | None:
        """The first slice after `as_of`; None when there is none."""
        return min((day for day in self.slices(table) if day > as_of), default=None)

    def previous_as_of(self, table: str, as_of: date) -> date | None:
        """The last slice before `as_of`; None when there is none."""
        return max((day for day in self.slices(table) if day < as_of), default=None)

    # -- read ---------------------------------------------------------------------------------------------------

    def read(self, table: str, *, version: int | None = None) -> DataFrame:
        """A whole table, at a version or as it is now; raises PortraitError when it was never written."""
        self.reader.read(table)
        return self.rows(table, version=version)

    def rows(self, table: str, *, version: int | None = None, as_of: date | None = None) -> DataFrame:
        """The rows of a table, or of one of its slices, at a version: the newest unless told. It must be there."""
        self._open(table)
        folder = self.path(table)
        files = few_files(folder, version=self.version(table) if version is None else version, as_of=as_of)
        if files is not None:
            return files.frame(self.spark)
        reader = self.spark.read.format("delta")
        try:
            rows = (reader if version is None else reader.option("versionAsOf", version)).load(str(folder))
        except Py4JError as error:
            raise as_fault(error, where=f"{table} in {folder}") from error
        return rows if as_of is None else rows.where(F.col("as_of") == F.lit(as_of))

    def slice(self, table: str, as_of: date) -> DataFrame:
        """The rows of one `as_of`; raises PortraitError when that slice was never written."""
        self.reader.check_slice(table, as_of)
        return self.rows(table, as_of=as_of)

    def previous_slice(self, table: str, as_of: date) -> DataFrame:
        """The latest slice before `as_of`; an empty frame of the contract's columns when there is none."""
        previous = self.previous_as_of(table, as_of)
        if previous is None:
            return frame_of(self.spark, [], self.catalogue.table(table).struct_type)
        return self.slice(table, previous)

    def new_rows(self, bronze: str, *, consumer: str) -> DataFrame:
        """Rows of a bronze table that arrived since the job that writes `consumer` last succeeded.

        All rows when that job's code, contract or configuration changed, or when it never ran.
        """
        done = self.completed(consumer)
        rows = self.read(bronze)
        return rows if done is None else rows.where(F.col("_run") > F.lit(done.run))

    def has_new_rows(self, bronze: str, *, consumer: str) -> bool:
        """Whether `new_rows` may have some; the records of what was written say so, and the table is not asked."""
        done, written = self.completed(consumer), self.records.written(bronze, None)
        return done is None or written is None or written > done.run

    def completed(self, table: str, as_of: date | None = None) -> Completion | None:
        """How the job of a table last succeeded; None when its code, contract or configuration were others then."""
        job = self.catalogue.table(table).job or ""
        done = self.records.completions.get((job, as_of))
        return None if done is None or done.fingerprint != self.fingerprints.get(job, "") else done

    def changes(self, table: str, *, after: int, until: int) -> DataFrame | None:
        """Rows that commits changed after one version up to another: the table's columns and _change_type.

        The contract must say `changeFeed`. An update is two rows, update_preimage and update_postimage. None where a
        VACUUM, or the retention of the log, has removed what tells of these changes: then only the whole table helps.
        """
        self._open(table)
        if after >= until:
            return self.rows(table).where(F.lit(False)).withColumn("_change_type", F.lit(""))
        if not is_readable(self.path(table), range(after + 1, until + 1)):
            return None
        feed = self.spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", after + 1)
        return feed.option("endingVersion", until).load(str(self.path(table)))

    def completed_slice(self, table: str, as_of: date) -> DataFrame | None:
        """A slice as the job that wrote it left it when it succeeded, whatever was committed since.

        None where that state can no longer be read: after a VACUUM, or beyond the retention of the log.
        """
        version = self.records.versions[table, as_of]
        if not is_readable(self.path(table), [version]):
            return None
        try:
            return self.rows(table, version=version, as_of=as_of)
        except AnalysisException:  # the log begins with a later checkpoint
            return None

    # -- write --------------------------------------------------------------------------------------------------

    def replace(self, table: str, df: DataFrame, as_of: date) -> None:
        """Make `df` the slice of `as_of`, atomically; a row of another slice is refused."""
        day, own = F.lit(as_of), self._transaction(table, as_of)
        if self.has(table) and has_files(self.path(table), as_of=as_of):
            options = {"replaceWhere": f"as_of = DATE '{as_of.isoformat()}'"}
            self._write(table, df, as_of=as_of, mode="overwrite", options=options, transaction=own)
            return
        # There is nothing to replace, and looking costs two executions. What replaceWhere refuses is refused here too.
        wrong = F.raise_error(F.lit(f"{OTHER_SLICE} {as_of}"))
        checked = df.withColumn("as_of", F.when(F.col("as_of") == day, day).otherwise(wrong))
        self._write(table, checked, as_of=as_of, mode="append", transaction=own)

    def append(
        self,
        table: str,
        df: DataFrame,
        *,
        transaction: tuple[str, int] | None = None,
        note: dict[str, int] | None = None,
    ) -> None:
        """Add rows. `transaction` (application, version) overrides the run's own id, for batches; `note`: see there."""
        self._write(table, df, mode="append", transaction=transaction or self._transaction(table), note=note)

    def record(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Append what this run says of itself: the rows by which a rerun decides what to skip, so without an id."""
        # By delta-rs: for a row or two Spark plans as long as for a table. Comparing ids would be a pass over the log.
        contract = self.catalogue.table(table)
        found = arrow_table(rows, contract.struct_type)
        self._check_writable(table)
        self._open(table, create=True)
        folder, known = self.path(table), self._user_metadata()
        self._commit(table, None, lambda: append_rows(folder, found, metadata=known), repeatable=False)

    def overwrite(
        self, table: str, df: DataFrame, *, where: str | None = None, note: dict[str, int] | None = None
    ) -> None:
        """Make `df` the whole table, or its rows that meet `where`, atomically; other rows in `df` are then refused."""
        options, own = {"replaceWhere": where} if where else {}, self._transaction(table, where)
        self._write(table, df, mode="overwrite", options=options, transaction=own, note=note)

    def merge(
        self,
        table: str,
        rows: DataFrame,
        *,
        replacing: DataFrame | None = None,
        among: str | None = None,
        part: str | None = None,
        note: dict[str, int] | None = None,
        transaction: tuple[str, int] | None = None,
    ) -> None:
        """Upsert by the contract's key; rows that are equal already are left alone.

        `among` is SQL that every row `t` of the table is known to meet that is to change: other files are not read.
        `replacing` holds distinct values of some key columns: rows of the table with these values that are not in
        `rows` are deleted in the same commit. `rows` must be unique by key; a run's second merge needs a `part`, or a
        `transaction` as in `append`."""
        if not self.has(table):  # nothing to compare with
            self.append(table, rows, note=note, transaction=transaction)
            return
        contract = self._prepare(table, rows)
        key = contract.key
        source = rows.select(*contract.column_names, F.lit(False).alias("_gone"))
        if replacing is not None:
            scoped = self.rows(table).alias("t").where(among or "true")
            scoped = scoped.join(replacing, on=replacing.columns, how="left_semi")
            gone = scoped.join(rows.select(*key), on=key, how="left_anti")
            source = source.unionByName(gone.select(*contract.column_names, F.lit(True).alias("_gone")))
        matched = " and ".join([*([among] if among else []), *[f"t.`{name}` <=> s.`{name}`" for name in key]])
        rest = [name for name in contract.column_names if name not in key]
        changed = " or ".join(f"not ({comparable(contract, 't', n)} <=> {comparable(contract, 's', n)})" for n in rest)
        values: dict[str, Any] = {name: F.col(f"s.{name}") for name in contract.column_names}

        def statement() -> None:
            target = DeltaTable.forPath(self.spark, str(self.path(table)))  # as it is now: this may be a second attempt
            merge = target.alias("t").merge(source.alias("s"), matched).whenMatchedDelete("s._gone")
            merge = merge.whenMatchedUpdate(condition=f"not s._gone and ({changed or 'false'})", set=values)
            merge = merge.whenNotMatchedInsert(condition="not s._gone", values=values)
            with session_ids(self.spark, transaction or self._transaction(table, part), self._user_metadata(note)):
                merge.execute()

        self._commit(table, None, statement)

    def _write(
        self,
        table: str,
        df: DataFrame,
        *,
        mode: str,
        as_of: date | None = None,
        options: dict[str, str] | None = None,
        transaction: tuple[str, int] | None = None,
        note: dict[str, int] | None = None,
    ) -> None:
        contract = self._prepare(table, df)
        ids = dict(zip(("txnAppId", "txnVersion"), map(str, transaction or ()), strict=False))
        writer = df.select(*contract.column_names).write.format("delta").mode(mode)
        writer = writer.options(userMetadata=self._user_metadata(note), **ids, **(options or {}))
        path = str(self.path(table))
        self._commit(table, as_of, lambda: writer.save(path), repeatable=transaction is not None)

    def _prepare(self, table: str, df: DataFrame) -> Contract:
        contract = self.catalogue.table(table)
        self._check_writable(table)
        check_frame(df, contract)
        self._open(table, create=True)
        return contract

    def _check_writable(self, table: str) -> None:
        if self.lease is None:
            raise PortraitError("this lake was opened for reading", where=table, remedy="open it with a lease")

    def _commit(self, table: str, as_of: date | None, write: Callable[[], None], *, repeatable: bool = True) -> None:
        assert self.lease is not None, "_prepare has checked it"
        with self._lock:  # feeds are committed from several threads
            begin, self.before_first_write = self.before_first_write, None
            if begin is not None:
                begin()
        fault_point("lake.before_commit", table)
        with self._table_locks[table]:  # or the newest version would be that of another thread's commit
            commit(write, table=table, folder=self.path(table), check=self.lease.check, repeatable=repeatable)
            fault_point("lake.after_commit", table)
            self.writes.append(Write(table, as_of, self.version(table)))

    def _transaction(self, table: str, part: date | str | None = None) -> tuple[str, int]:
        job = self.catalogue.table(table).job
        return f"{job}:{table}" + (f":{part}" if part else ""), self.run_number

    def _user_metadata(self, note: dict[str, int] | None = None) -> str:
        metadata = {"run": self.run_number, "token": self.lease.token if self.lease else None}
        return json.dumps(metadata | ({"note": note} if note else {}))

    # -- records and catalogue ----------------------------------------------------------------------------------

    def latest_writes(self) -> list[Write]:
        """What was committed since the last completion; a table that was committed twice counts once."""
        with self._lock:
            return list({(write.table, write.as_of): write for write in self.writes}.values())

    def complete(self, job: str, *, as_of: date | None, inputs: dict[str, str], seconds: float) -> list[Write]:
        """Record that a job of this run succeeded, with what it wrote since the last call."""
        writes = self.latest_writes()
        code = self.fingerprints.get(job, "")
        now = datetime.now(UTC)
        rows: list[tuple[Any, ...]] = [
            (self.run_number, job, as_of, write.table, write.as_of, write.version, inputs, code, seconds, now)
            for write in writes
        ] or [(self.run_number, job, as_of, None, None, None, inputs, code, seconds, now)]
        self.record("ops.table_versions", rows)
        self.writes = []
        self.records.add(self.run_number, job, as_of, writes, inputs, code)
        return writes

    def _open(self, table: str, *, create: bool = False) -> None:
        """Once for a table: see that it exists (with `create` make it), and that it is what its contract says."""
        with self._lock:
            if table in self._opened:
                return
            contract, folder = self.catalogue.table(table), self.path(table)
            if self.has(table):
                statements = evolution(folder, contract) if self.lease is not None else []
            elif create:
                create_table(folder, contract)
                statements = []
            else:
                raise PortraitError(f"{table} does not exist yet", where=table, remedy=f"run '{contract.job}' first")
            self._opened.add(table)
            if statements:
                self.register(table)
                for statement in statements:
                    self.spark.sql(statement)

    def register(self, table: str) -> None:
        """Make `layer.table` a name that SQL of this session may use; jobs do not need it, and it takes executions."""
        with self._lock:
            if table in self._registered:
                return
            layer = self.catalogue.table(table).layer
            self._open(table)
            if not self.spark.catalog.databaseExists(layer):  # a statement costs an execution
                self.spark.sql(f"CREATE DATABASE IF NOT EXISTS {layer}")
            # The session may know the name from another lake. Dropping an external table leaves its files alone.
            self.spark.sql(f"DROP TABLE IF EXISTS {table}")
            self.spark.sql(f"CREATE TABLE {table} USING delta LOCATION {literal(str(self.path(table)))}")
            self._registered.add(table)

    def register_all(self) -> None:
        """Register every table that exists."""
        for table in self.catalogue.tables:
            if self.has(table):
                self.register(table)
