"""What mappings make of files, without a lake: for those who write mappings, and for tests."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from portrait.contracts import Catalogue
from portrait.errors import InputRefused
from portrait.ingest.discover import landed_files
from portrait.ingest.files import Manifest, manifest_of
from portrait.ingest.inspect import inspect_file
from portrait.ingest.read import judged_files
from portrait.ingest.stage import stage
from portrait.ingest.text import bounds_of
from portrait.mappings.source import Mappings, rules_hash


def tried(
    spark: SparkSession, *, landing: Path, feed: str, catalogue: Catalogue, mappings: Mappings, work: Path
) -> DataFrame:
    """Every record of a feed's files in a landing folder, as ingest would judge it; `work` holds copies meanwhile.

    The feed's columns, typed; `__reasons`: the rules that a record breaks, or null; `__record`: a broken one as it
    came; `__codes`: codes that no map knows; `__present`: false for a blank line, null: left out by `where`. Raises
    InputRefused for a file that would be kept out whole.
    """
    contract = catalogue.table(f"raw.{feed}")
    staged: dict[str, Manifest] = {}
    for landed in landed_files(landing, known=catalogue.feeds, feeds=[feed], mappings=mappings):
        seen = inspect_file(landed, width=len(contract.columns), bounds=bounds_of(contract))
        if seen.problem is not None:
            raise InputRefused(seen.problem, where=landed.path, remedy="correct the mapping, or the file")
        manifest = manifest_of(landed, seen, rules=rules_hash(contract, landed.mapping))
        name = stage(work, landed, manifest, run=len(staged))
        if name is not None:
            staged[name] = manifest
    if not staged:
        raise InputRefused("there is no file of the feed", where=f"{landing}: {feed}", remedy="land one first")
    return judged_files(spark, work, contract, staged, mappings)
