"""What a bank may deliver wrong (F5, F9, F10, F13), each in a run of its own, on a lake that serves readers."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.faults.conftest import Digests
from tests.tiny_bank import AS_OF, CHECKOUT, FULL, Bank

# Each has a twin in tests/ingest, inside one process; only here is the whole command started.
pytestmark = [pytest.mark.fault, FULL]


def first_file(bank: Bank, feed: str = "transactions") -> Path:
    return min((bank.landing / feed).glob("2*.csv"))


def gold(digests: dict[str, str]) -> dict[str, str]:
    return {table: value for table, value in digests.items() if table.startswith(("silver.", "gold."))}


def file_status(spark: SparkSession, bank: Bank) -> dict[str, str]:
    rows = spark.read.format("delta").load(str(bank.lake / "ops" / "files")).orderBy("seen_at").collect()
    for row in rows:
        assert row.rows_in == row.rows_good + row.rows_bad, row.file
    return {row.file: row.status for row in rows}


def test_f5_delivered_twice_renamed_altered(
    spark: SparkSession, served: Bank, digests: Digests, clean_digests: dict[str, str]
) -> None:
    original = first_file(served)
    shutil.copy(original, original.with_name("again.csv"))
    altered = first_file(served, "transactions")
    altered.write_text(altered.read_text() + altered.read_text().splitlines()[-1] + "\n")
    result = served.run()
    assert result.returncode == 0, result.stderr
    status = file_status(spark, served)
    assert status["transactions/again.csv"] == "duplicate"
    assert status[f"transactions/{altered.name}"] == "quarantined"
    assert gold(digests(served)) == gold(clean_digests)


def test_f9_unreadable_files_are_quarantined_and_the_others_go_on(spark: SparkSession, served: Bank) -> None:
    folder, header = served.landing / "transactions", first_file(served).read_text().splitlines()[0]
    record = first_file(served).read_text().splitlines()[1]
    whole = gzip.compress("\n".join([header, *[record] * 500]).encode())
    (folder / "truncated.csv.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "encoding.csv").write_bytes(f"{header}\n{record}".encode() + b"\xff\xfe\n")
    (folder / "empty.csv").write_bytes(b"")
    (folder / "header.csv").write_text(header + "\n")
    (folder / "delimiter.csv").write_text("\n".join([header, record]).replace(",", ";") + "\n")
    (folder / "good.csv").write_text("\n".join([header, "NEW-1" + record[record.index(",") :]]) + "\n")
    result = served.run()
    assert result.returncode == 0, result.stderr
    status = {Path(file).name: state for file, state in file_status(spark, served).items()}
    broken = ("truncated.csv.gz", "encoding.csv", "empty.csv", "delimiter.csv")
    assert {status[name] for name in broken} == {"quarantined"}
    assert status["good.csv"] == status["header.csv"] == "accepted"
    bronze = spark.read.format("delta").load(str(served.lake / "bronze" / "transactions"))
    assert bronze.where("_file = 'transactions/good.csv'").count() == 1


def test_f9_a_feed_that_brings_nothing_but_a_file_cut_in_half_publishes_nothing(
    served: Bank, digests: Digests, clean_digests: dict[str, str]
) -> None:
    whole = gzip.compress(first_file(served).read_bytes())
    cut = served.landing / "transactions" / "cut.csv.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    before = served.commits("ops.publication")
    for _ in range(2):  # it stays so until somebody acts
        result = served.run()
        assert result.returncode == 3, result.stderr
        assert "transactions/cut.csv.gz: file.gzip" in result.stderr
        assert "java" not in result.stderr.lower()
    assert served.commits("ops.publication") == before
    assert gold(digests(served)) == gold(clean_digests)
    status = served.portrait("status", "--lake", str(served.lake))
    assert "transactions/cut.csv.gz" in status.stdout
    words = ("quarantine", "--lake", str(served.lake), "--landing", str(served.landing), "--format", "json")
    entries = json.loads(served.portrait(*words).stdout)
    (entry,) = [entry for entry in entries if entry["file"] == "transactions/cut.csv.gz"]
    assert (entry["rule"], entry["file_status"]) == ("file.gzip", "quarantined")
    assert "under a new name" in entry["remedy"]
    warned = served.portrait(
        "run", "--as-of", str(AS_OF), "--landing", str(served.landing), "--lake", str(served.lake),
        environment={"PORTRAIT_QUARANTINED_FILE": "warn"},
    )  # fmt: skip
    assert warned.returncode == 0, warned.stderr
    assert "not ingested  transactions/cut.csv.gz: file.gzip" in warned.stdout


def changed_header(bank: Bank, change: Callable[[list[str]], list[str]]) -> None:
    header, record = first_file(bank, "transactions").read_text().splitlines()[:2]
    fields = change(header.split(","))
    values = [*record.split(","), "x"][: len(fields)]
    (bank.landing / "transactions" / "changed.csv").write_text(",".join(fields) + "\n" + ",".join(values) + "\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda fields: [f for f in fields if f != "amount"], "amount"),
        (lambda fields: [f.replace("amount", "Amount") for f in fields], "Amount"),
    ],
    ids=["dropped", "case changed"],
)
def test_f10_a_column_dropped_or_re_cased_refuses_the_feed(
    served: Bank, digests: Digests, clean_digests: dict[str, str], change: Callable[..., list[str]], message: str
) -> None:
    before = served.commits("ops.publication")
    changed_header(served, change)
    result = served.run()
    assert result.returncode == 3, result.stderr
    assert message in result.stderr
    assert served.commits("ops.publication") == before
    assert gold(digests(served)) == gold(clean_digests)


def test_f10_a_column_added_is_kept_out_and_columns_reordered_go_by_name(spark: SparkSession, served: Bank) -> None:
    header, record = first_file(served).read_text().splitlines()[:2]
    fields, values = header.split(","), record.split(",")
    values[fields.index("transaction_id")] = "NEW-2"
    lines = [",".join([*reversed(fields), "surplus"]), ",".join([*reversed(values), "7"])]
    (served.landing / "transactions" / "changed.csv").write_text("\n".join(lines) + "\n")
    result = served.run()
    assert result.returncode == 0, result.stderr
    row = (
        spark.read.format("delta").load(str(served.lake / "bronze" / "transactions")).where("transaction_id = 'NEW-2'")
    )
    assert str(row.head()["amount"]) == values[fields.index("amount")]
    files = spark.read.format("delta").load(str(served.lake / "ops" / "files"))
    assert files.where("file = 'transactions/changed.csv'").head()["columns_ignored"] == ["surplus"]


def test_f10_a_retyped_column_refuses_the_feed(served: Bank) -> None:
    header, *records = first_file(served).read_text().splitlines()[:40]
    place = header.split(",").index("booked_at")
    retyped = [",".join([*r.split(",")[:place], "1735689600", *r.split(",")[place + 1 :]]) for r in records]
    (served.landing / "transactions" / "changed.csv").write_text("\n".join([header, *retyped]) + "\n")
    result = served.run()
    assert result.returncode == 3, result.stderr
    assert "booked_at" in result.stderr


def test_f13_too_many_broken_rows_refuse_publication(
    served: Bank, digests: Digests, clean_digests: dict[str, str]
) -> None:
    header, *records = first_file(served).read_text().splitlines()[:41]
    place = header.split(",").index("direction")
    broken = [",".join([*r.split(",")[:place], "sideways", *r.split(",")[place + 1 :]]) for r in records[:20]]
    (served.landing / "transactions" / "broken.csv").write_text("\n".join([header, *broken, *records[20:]]) + "\n")
    before = served.commits("ops.publication")
    for _ in range(2):  # it stays refused until somebody acts
        result = served.run()
        assert result.returncode == 3, result.stderr
        assert "direction.enum 20" in result.stderr
    assert served.commits("ops.publication") == before
    assert gold(digests(served)) == gold(clean_digests)
    (served.landing / "transactions" / "broken.csv").unlink()
    assert served.run().returncode == 0


def test_a_refused_gate_keeps_yesterday_served(served: Bank, tmp_path: Path) -> None:
    """A contract rule that no row can meet refuses publication with exit 4; readers keep what they had."""
    for name in ("conf", "schemas", "jobs"):
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    contract = tmp_path / "schemas" / "gold" / "segments.yml"
    text = contract.read_text()
    rule = (
        '      - {id: never_true, type: custom, engine: spark, implementation: "score < -1",'
        " severity: error, dimension: accuracy, description: No row can meet it.}\n"
    )
    assert text.count("    quality:\n") == 1
    contract.write_text(text.replace("    quality:\n", "    quality:\n" + rule))
    before = served.commits("ops.publication")
    paths = ("--landing", str(served.landing), "--lake", str(served.lake), "--conf", str(tmp_path / "conf"))
    environment = {"PORTRAIT_SCHEMAS": str(tmp_path / "schemas"), "PORTRAIT_JOBS": str(tmp_path / "jobs")}
    result = served.portrait("run", "--as-of", str(AS_OF), *paths, environment=environment)
    assert result.returncode == 4, result.stderr
    assert "gold.segments" in result.stderr
    assert "never_true" in result.stderr
    assert "refused for segments: " in result.stderr, "no other product is held back"
    assert served.commits("ops.publication") == before
