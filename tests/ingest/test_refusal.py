"""Feeds that break their contract: refused as a whole, again and again until somebody acts (F10, F13)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portrait.errors import InputRefused
from portrait.ingest.files import Counts, Manifest
from portrait.ingest.verdicts import judge_files

from .conftest import BOOKINGS, HEADER, Bank, good


def bad(number: int) -> str:
    return f"B{number},2025-01-01 10:00:00,secret,card,,,"


def verdicts(*files: tuple[int, int], retyped: dict[str, list[str]] | None = None) -> list[tuple[str, str | None]]:
    manifests = {
        str(n): Manifest("bookings", f"f{n}", str(n), "csv", (), (), rows, "") for n, (rows, _) in enumerate(files)
    }
    counts = {str(n): Counts(rows, wrong) for n, (rows, wrong) in enumerate(files)}
    results = judge_files(counts, manifests, BOOKINGS, rules={}, retyped=retyped or {})
    return [(item.status, item.reason) for item in results]


def test_a_share_up_to_the_limit_is_accepted() -> None:
    assert verdicts((100, 25)) == [("accepted", None)]


def test_the_share_counts_over_all_new_files() -> None:
    assert [status for status, _ in verdicts((10, 9), (100, 0))] == ["accepted", "accepted"]


def test_files_to_blame_are_refused_and_the_others_wait() -> None:
    assert verdicts((10, 9), (10, 0)) == [
        ("refused", "9 of 10 rows break the contract, more than its share of 25.00%"),
        ("waiting", None),
    ]


def test_a_retyped_column_refuses_below_the_share() -> None:
    assert verdicts((100, 12), retyped={"0": ["amount"]}) == [("refused", "column 'amount' is not DECIMAL(18,2)")]


@pytest.fixture
def refused(bank: Bank) -> Bank:
    bank.csv("bad.csv", *[bad(n) for n in range(12)])
    bank.csv("fine.csv", good(1), good(2))
    bank.land("people/p.csv", "id,active\nP1,true\n")
    return bank


@pytest.mark.delta
def test_a_reject_share_above_the_limit(refused: Bank) -> None:
    with pytest.raises(InputRefused) as caught:
        refused.run()
    message = str(caught.value)
    assert "feed 'bookings' refused" in message
    assert "bookings/bad.csv: column 'amount' is not DECIMAL(18,2); 12 of 12 rows break the contract" in message
    assert "(amount.type 12)" in message
    assert "secret" not in message
    assert refused.bronze_ids() == []
    assert [row.id for row in refused.rows("bronze.people")] == ["P1"]
    assert {path: row.status for path, row in refused.files().items()} == {
        "bookings/bad.csv": "refused",
        "people/p.csv": "accepted",
    }
    assert sorted(row.line for row in refused.rows("ops.quarantine")) == list(range(2, 14))

    before = refused.versions()
    with pytest.raises(InputRefused, match=r"12 of 12 rows .*\(amount\.type 12\)"):
        refused.run()  # and says the same again
    assert refused.versions() == before

    (refused.landing / "bookings" / "bad.csv").unlink()
    refused.run()
    assert refused.bronze_ids() == ["B1", "B2"]

    # The contract changes: the file is judged anew, its rows stand once in quarantine.
    refused.csv("bad.csv", *[bad(n) for n in range(12)])
    tolerant = refused.with_contract(maxRejectShare=1.0)
    with pytest.raises(InputRefused, match="is not DECIMAL"):
        tolerant.run()
    assert len(refused.rows("ops.quarantine")) == 12

    refused.csv("bad.csv", *[bad(n) for n in range(9)], good(50))
    tolerant.run()
    assert refused.bronze_ids() == ["B1", "B2", "B50"]


@pytest.mark.delta
def test_missing_and_recased_columns_are_all_named(bank: Bank) -> None:
    bank.csv("x.csv", "B1,2025-01-01 10:00:00,1", header="id,booked_at,amount")
    bank.csv("y.csv", good(2), header=HEADER.replace("amount", "Amount"))
    bank.csv("z.csv", good(3))
    bank.csv("v.csv", f"{good(4)},", header=f"{HEADER},Amount")
    record = {"id": "B5", "booked_at": "2025-01-01 10:00:00", "amount": 1, "kind": "card"}
    bank.land("bookings/w.jsonl", json.dumps({**record, "Amount": 2}))
    with pytest.raises(InputRefused) as caught:
        bank.run()
    message = str(caught.value)
    assert (
        "bookings/x.csv: column 'kind' is missing; column 'valued_on' is missing; column 'count' is missing" in message
    )
    assert "bookings/y.csv: column 'amount' is written 'Amount'" in message
    for name in ("v.csv", "w.jsonl"):
        assert f"bookings/{name}: columns 'amount' and 'Amount' differ by case alone" in message
    assert bank.bronze_ids() == []
    assert {path: row.status for path, row in bank.files().items()} == {
        "bookings/v.csv": "refused",
        "bookings/w.jsonl": "refused",
        "bookings/x.csv": "refused",
        "bookings/y.csv": "refused",
    }
    for name in ("v.csv", "w.jsonl", "x.csv", "y.csv"):
        Path(bank.landing / "bookings" / name).unlink()
    bank.run()
    assert bank.bronze_ids() == ["B3"]
