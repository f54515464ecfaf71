"""Adding a label is one new file and nothing else: it shows wherever labels show after the next run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable
from tests.tiny_bank import AS_OF, CHECKOUT, Bank

LABEL = """
id: busy_saver
title: Busy and saving
theme: behaviour
kind: rule
type: boolean
from: customer_features
value: txn_count_90d >= 20 and net_amount_90d > 0
unknown_means: bookings are not known.
owner: retail-analytics
sensitivity: internal
freshness: 1 day
status: active
version: 1
description: Twenty bookings or more within 90 days, and more came in than went out.
"""


@pytest.mark.process
def test_a_new_label_is_one_new_file(clean: Bank, tmp_path: Path) -> None:
    bank, conf = Bank(tmp_path / "bank"), tmp_path / "conf"
    shutil.copytree(clean.folder, bank.folder)
    shutil.copytree(CHECKOUT / "conf", conf)
    (conf / "labels/behaviour/busy_saver.yml").write_text(LABEL)
    words = ("--landing", str(bank.landing), "--lake", str(bank.lake), "--conf", str(conf))
    done = bank.portrait("run", "--as-of", str(AS_OF), *words)
    assert done.returncode == 0, done.stderr

    connection = duckdb.connect()
    for table in ("customer_features", "customer_portrait", "label_history", "label_statistics"):
        connection.register(table, DeltaTable(str(bank.lake / "gold" / table)).to_pyarrow_dataset())
    rule = "select customer_id, txn_count_90d >= 20 and net_amount_90d > 0 from customer_features order by all"
    meant = connection.sql(rule).fetchall()
    assert {yes for _, yes in meant} >= {True, False}
    assert connection.sql("select customer_id, busy_saver from customer_portrait order by all").fetchall() == meant
    history = "select customer_id, value = 'true' from label_history where label = 'busy_saver' order by all"
    assert connection.sql(history).fetchall() == [row for row in meant if row[1] is not None]
    statistics = "select status, known, distribution['true'] from label_statistics where label = 'busy_saver'"
    known, yes = sum(row[1] is not None for row in meant), sum(row[1] is True for row in meant)
    assert connection.sql(statistics).fetchall() == [("trusted", known, yes)]

    (report,) = set((bank.lake / "reports").glob("*.html")) - {
        bank.lake / "reports" / path.name for path in (clean.lake / "reports").glob("*.html")
    }
    assert 'id="label-busy_saver">Busy and saving<' in report.read_text(encoding="utf-8")
    book = tmp_path / "dictionary.md"
    assert bank.portrait("dictionary", "--conf", str(conf), "--write", str(book)).returncode == 0
    assert "| `busy_saver` |" in book.read_text()
    asked = bank.portrait(
        "audience", "count", "busy_saver", "--lake", str(bank.lake), "--conf", str(conf), "--format", "json"
    )
    assert json.loads(asked.stdout) == [
        {"true": yes, "false": known - yes, "unknown": len(meant) - known, "customers": len(meant)}
    ], asked.stderr
