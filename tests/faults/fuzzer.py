"""A delivery fuzzer: a sound delivery, one to three things that go wrong with it, and what must hold all the same.

    python -m tests.faults.fuzzer --deliveries 2000 --first 0

runs it by hand and prints what it found. Every delivery is made of its number alone: `--first 1234 --deliveries 1`
shows one again. The tables are read with delta-rs, not with the code under test.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from deltalake import DeltaTable
from tests.faults import damage
from tests.faults.delivered import COLUMNS, Delivered, Row, customers, expected_values, transactions

CHECKOUT = Path(__file__).resolve().parents[2]
_MARKER = re.compile(r"m0[a-z]\d{4}")
_JAVA = re.compile(r"\b(?:java|scala|org\.apache|io\.delta|py4j)\.|Py4J|Traceback|SparkException|Exception in thread")
_DAY = "2025-04-30"


@dataclass
class Delivery:
    """What lands: `sound` is never touched, of `damaged` some file is; `operations` says how."""

    number: int
    sound: Delivered
    damaged: list[Delivered]
    operations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"delivery {self.number}: {', '.join(self.operations)} ({', '.join(file.path for file in self.damaged)})"


def delivery_of(number: int) -> Delivery:
    """The delivery of that number."""
    rng = random.Random(number)
    bookings = Delivered("transactions", "b.csv", transactions("b", 80))
    people = Delivered("customers", "c.csv", customers("c", 60))
    made = Delivery(number, Delivered("transactions", "a.csv", transactions("a", 100)), [bookings, people])
    target = rng.choices(made.damaged, weights=(2, 1))[0]
    formats = damage.STAGES["format"]
    chosen = rng.sample([op for stage in damage.STAGES.values() for op in stage], rng.randint(1, 3))
    # Most banks deliver something else than plain CSV, so half of the damage meets another format.
    if not any(op in formats for op in chosen) and rng.random() < 0.5:
        chosen.append(rng.choice([damage.json_lines, damage.parquet, damage.packed]))
    for name, operations in damage.STAGES.items():
        for operation in operations:
            if operation in chosen:
                operation(rng, target)
                made.operations.append(operation.__name__)
        if name == "header":
            for file in (made.sound, *made.damaged):
                file.render()
    return made


@dataclass
class Outcome:
    """What one command did."""

    code: int
    text: str


@contextlib.contextmanager
def one_session() -> Iterator[None]:
    """Commands of this process share a Spark session: starting one takes six seconds."""
    from pyspark.sql import SparkSession

    from portrait.spark.session import start_embedded

    settings = {"spark.sql.shuffle.partitions": "2", "spark.default.parallelism": "2", "spark.ui.enabled": "false"}
    spark = SparkSession.getActiveSession() or start_embedded(CHECKOUT / "conf", overrides=settings)
    with mock.patch.object(SparkSession, "stop", return_value=None):
        yield
    del spark


def portrait(*words: str) -> Outcome:
    """`portrait WORDS` in this process."""
    from portrait.cli import main

    out = io.StringIO()
    code = 0
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        mock.patch.object(sys, "argv", ["portrait", *words]),
    ):
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        except BaseException:
            out.write(traceback.format_exc())
            code = 1
    return Outcome(code, out.getvalue())


def ingest(folder: Path) -> Outcome:
    """Take in what has landed."""
    paths = ("--landing", str(folder / "landing"), "--lake", str(folder / "lake"), "--conf", str(CHECKOUT / "conf"))
    return portrait("run", "--as-of", _DAY, "--select", "ingest", *paths)


def write(folder: Path, *files: Delivered) -> None:
    """Put files into the landing folder."""
    for file in files:
        path = folder / "landing" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        assert file.data is not None
        path.write_bytes(file.data)


def table(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a table; none where it was never written."""
    path = folder / "lake" / name.replace(".", "/")
    return DeltaTable(str(path)).to_pyarrow_table().to_pylist() if (path / "_delta_log").is_dir() else []


def check(delivery: Delivery, folder: Path) -> list[str]:
    """Land the delivery, run, land a clean one, run again; what was not as it must be, one line each."""
    write(folder, delivery.sound, *delivery.damaged)
    first = ingest(folder)
    wrong = _ending(first)
    files = {row["file"]: row for row in table(folder, "ops.files")}
    quarantine = table(folder, "ops.quarantine")
    bronze = {feed: table(folder, f"bronze.{feed}") for feed in COLUMNS}
    for file in (delivery.sound, *delivery.damaged):
        wrong += _accounts_for(file, files.get(file.path), bronze[file.feed], quarantine, first)
    wrong += [
        f"a fragment became a row of bronze.{feed}"
        for feed, rows in bronze.items()
        if any("SMUGGLED" in str(next(iter(row.values()))) for row in rows)
    ]
    wrong += _clean_afterwards(delivery, folder, files)
    return wrong


def _ending(outcome: Outcome, codes: tuple[int, ...] = (0, 3)) -> list[str]:
    wrong = [] if outcome.code in codes else [f"exit code {outcome.code}: {outcome.text[-600:]}"]
    return wrong + ([f"Java text: {outcome.text[-600:]}"] if _JAVA.search(outcome.text) else [])


def _accounts_for(
    file: Delivered,
    known: dict[str, Any] | None,
    bronze: list[dict[str, Any]],
    quarantine: list[dict[str, Any]],
    outcome: Outcome,
) -> list[str]:
    """Every row is in bronze, in quarantine, or in a file that the output names."""
    told = " ".join(outcome.text.split())
    named = file.path in told or Path(file.name).name in told
    if known is None or known["status"] in ("quarantined", "refused"):
        waits = known is None and f"'{file.feed}'" in told and outcome.code == 3
        return [] if named or waits else [f"{file.path} was not taken, and nobody says so: {known}"]
    if known["status"] != "accepted":
        return [f"{file.path} is {known['status']}"]
    wrong = []
    taken = [row for row in bronze if row["_file"] == file.path]
    broken = [row for row in quarantine if row["file"] == file.path]
    counts = (known["rows_in"], known["rows_good"], known["rows_bad"])
    if counts != (len(taken) + len(broken), len(taken), len(broken)):
        wrong.append(f"{file.path}: ops.files says {counts}, bronze has {len(taken)}, quarantine {len(broken)}")
    return wrong + _fates(file, taken, broken)


def _fates(file: Delivered, taken: list[dict[str, Any]], broken: list[dict[str, Any]]) -> list[str]:
    wrong = []
    by_marker: dict[str, list[dict[str, Any]]] = {}
    for row in taken:
        for marker in set(_MARKER.findall(str(row))):
            by_marker.setdefault(marker, []).append(row)
    records = " ".join(str(row["record"]) for row in broken)
    rejected = set(_MARKER.findall(records))
    present = _markers(file)
    wrong += [f"{file.path}: row {lost} is nowhere" for lost in sorted(present - set(by_marker) - rejected)[:3]]
    for row in file.rows:
        found = by_marker.get(row.marker, [])
        if row.fate == "good" and row.marker in present and not found:
            wrong.append(f"{file.path}: sound row {row.marker} was rejected: {_reasons(row, broken)}")
        if row.fate == "bad" and found:
            wrong.append(f"{file.path}: row {row.marker} must not be in bronze: {found[0]}")
        if row.fate in ("good", "exact"):
            expected = expected_values(row, file.columns)
            for item in found:
                other = {name: (item[name], value) for name, value in expected.items() if item[name] != value}
                if other:
                    wrong.append(
                        f"{file.path}: row {row.marker} is otherwise in bronze (found, expected): {other}"[:600]
                    )
    return wrong


def _reasons(row: Row, broken: list[dict[str, Any]]) -> list[str]:
    return [f"{item['reasons']} line {item['line']}" for item in broken if row.marker in str(item["record"])][:2]


def _markers(file: Delivered) -> set[str]:
    """The rows that the bytes of a file hold."""
    if file.format == "parquet":
        return {row.marker for row in file.rows if row.marker != "none"}
    data = file.data or b""
    if file.packed:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            return set()
    return set(_MARKER.findall(data.decode("utf-8", "replace")))


def _clean_afterwards(delivery: Delivery, folder: Path, files: dict[str, dict[str, Any]]) -> list[str]:
    """The bank takes the damaged files away and delivers sound ones under other names."""
    accepted = [file for file in delivery.damaged if files.get(file.path, {}).get("status") == "accepted"]
    for file in delivery.damaged:
        (folder / "landing" / file.path).unlink()
    sound = [
        Delivered("transactions", "later-b.csv", transactions("b", 80)),
        Delivered("customers", "later-c.csv", customers("c", 60)),
    ]
    for file in sound:
        file.render()
    write(folder, *sound)
    again = ingest(folder)
    wrong = [f"a clean delivery afterwards: {line}" for line in _ending(again, codes=(0,))]
    # What was accepted stays; every other feed is as if the damage had never come.
    for file in (*sound,):
        if wrong or any(item.feed == file.feed and item.rows and item in accepted for item in delivery.damaged):
            continue
        rows = [delivery.sound.rows, file.rows] if file.feed == "transactions" else [file.rows]
        columns = file.columns
        expected = Counter(_frozen(expected_values(row, columns), columns) for part in rows for row in part)
        found = Counter(_frozen(row, columns) for row in table(folder, f"bronze.{file.feed}"))
        if found != expected:
            more, less = list(found - expected)[:1], list(expected - found)[:1]
            wrong.append(f"bronze.{file.feed} is not that of a bank that saw no damage: more {more}, less {less}"[:600])
    return wrong


def _frozen(row: dict[str, Any], columns: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[name] for name in columns)


def fuzz(numbers: range, *, folder: Path, progress: bool = False) -> dict[int, tuple[Delivery, list[str]]]:
    """Check every delivery; returns those of which something was wrong."""
    found: dict[int, tuple[Delivery, list[str]]] = {}
    started = time.monotonic()
    with one_session():
        for number in numbers:
            delivery = delivery_of(number)
            place = Path(tempfile.mkdtemp(prefix=f"{number}-", dir=folder))
            try:
                wrong = check(delivery, place)
            except Exception:
                wrong = [f"the check itself failed: {traceback.format_exc()[-800:]}"]
            shutil.rmtree(place, ignore_errors=True)
            if wrong:
                found[number] = (delivery, wrong)
            if progress and wrong:
                print(f"{delivery}\n    " + "\n    ".join(wrong), flush=True)
            if progress and number % 50 == 49:
                print(f"... {number + 1}: {len(found)} wrong, {time.monotonic() - started:.0f} s", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deliveries", type=int, default=2000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    args = parser.parse_args()
    numbers = range(args.first, args.first + args.deliveries)
    with tempfile.TemporaryDirectory(prefix="portrait-fuzzer-") as folder:
        found = fuzz(numbers, folder=Path(folder), progress=True)
    causes = Counter(name for delivery, _ in found.values() for name in delivery.operations)
    print(f"{len(numbers)} deliveries, {len(found)} with something wrong: {dict(causes.most_common())}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
