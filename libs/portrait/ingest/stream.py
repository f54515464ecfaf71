"""The streaming query of a feed: what is staged goes through `Batches`, once, whatever happens on the way."""

from __future__ import annotations

import shutil
import uuid
from datetime import datetime
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.errors import PortraitError
from portrait.ingest.batch import Batches
from portrait.ingest.staging import clear, manifests, staging_folder
from portrait.ingest.verdicts import FileResult
from portrait.lake import Lake


def run_stream(
    lake: Lake, contract: Contract, kind: str, *, loaded_at: datetime, resumed: bool = False
) -> list[FileResult]:
    """Take in all staged files of a feed. Ends when none is left; the staging folder is empty afterwards.

    `resumed`: the files were staged by a run that died. Its last batch is replayed, each table being skipped that has
    it; files that the dead run had wholly finished are passed over.
    """
    checkpoint = lake.root / "_checkpoints" / f"{contract.name}-{kind}"
    staged = manifests(lake.root, contract.name, kind)
    folder = staging_folder(lake.root, contract.name, kind)
    application = f"ingest:{contract.name}:{_identity(checkpoint, folder, resumed=resumed)}"
    batches = Batches(lake, contract, kind, staged, application, loaded_at)
    source = _source(lake, contract, kind)
    query = (
        source.writeStream.queryName(f"ingest-{contract.name}-{kind}")
        .option("checkpointLocation", str(checkpoint))
        .trigger(availableNow=True)
        .foreachBatch(batches)
        .start()
    )
    try:
        query.awaitTermination()
    except Exception:
        if batches.error is not None:
            raise batches.error from None
        raise
    finally:
        query.stop()
    missing = {item.path for item in staged.values()} - {result.manifest.path for result in batches.results}
    if missing and not resumed:
        raise PortraitError(
            f"the stream passed over {len(missing)} staged file(s)",
            where=", ".join(sorted(missing)),
            remedy="run again; if it happens again, this is a fault of ingest: please report it",
        )
    clear(lake.root, contract.name, kind)
    return batches.results


def _source(lake: Lake, contract: Contract, kind: str) -> DataFrame:
    folder = str(staging_folder(lake.root, contract.name, kind))
    # Links keep the time of the landed file: without a high age limit an old file that comes late is passed over.
    reader = lake.spark.readStream.option("maxFileAge", "36500d")
    file = F.col("_metadata.file_name").alias("__file")
    if kind == "parquet":
        rows = reader.schema(contract.struct_type).parquet(folder)
        place = F.col("_metadata.row_index").alias("__place")
        return rows.select(*contract.column_names, file, F.lit(0).cast("bigint").alias("__start"), place)
    lines = reader.option("lineSep", "\n").text(folder)
    start = F.col("_metadata.file_block_start").alias("__start")
    return lines.select(F.col("value").alias("__value"), file, start)


def _identity(checkpoint: Path, folder: Path, *, resumed: bool) -> str:
    """What tells this checkpoint from an earlier one of the same feed: batch numbers begin at 0 in each.

    A checkpoint remembers files by their whole path. In a lake that was moved or copied it is of no use, and a new one
    takes its place: what came in before is known by its hash. Only business that the dead run left unfinished needs it.
    """
    file = checkpoint / "application"
    if file.exists():
        identity, place = [*file.read_text(encoding="utf-8").splitlines(), str(folder)][:2]
        if place == str(folder):
            return identity
        if resumed:
            raise PortraitError(
                "the lake was moved while an ingest was unfinished",
                where=f"{checkpoint}, made for {place}",
                remedy="move the lake back to where it was, run once, then move it",
            )
        stale = checkpoint.with_name(f".{checkpoint.name}-{identity}")
        checkpoint.replace(stale)
        shutil.rmtree(stale)
    checkpoint.mkdir(parents=True, exist_ok=True)
    identity, draft = uuid.uuid4().hex, checkpoint / ".application.tmp"
    draft.write_text(f"{identity}\n{folder}", encoding="utf-8")
    draft.replace(file)
    return identity
