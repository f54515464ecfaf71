"""Tables for people: as a grid where it fits the terminal, record by record where names would be cut within words."""

from __future__ import annotations

import pytest
from rich.console import Console

from portrait.cli import output
from portrait.cli.options import Format
from portrait.cli.output import emit

COLUMNS = ["job", "what_it_says", "seconds", "rows"]
ROWS = [["customer_group", "a sentence of several words", 1234.5, 7], ["customer_tier", None, 0.25, 8]]


def printed(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(output, "console", Console(highlight=False, markup=False, width=width))
    emit(COLUMNS, ROWS, Format.table, title="Jobs")
    return capsys.readouterr().out


def test_a_table_that_fits_is_a_grid(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(60, monkeypatch, capsys).splitlines()
    assert lines[0].rstrip() == "Jobs"
    assert any("customer_group" in line and "1,234.50" in line for line in lines)


def test_a_table_that_is_too_wide_is_a_record_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line.rstrip() for line in printed(30, monkeypatch, capsys).splitlines()]
    assert lines == [
        "Jobs",
        "job           customer_group",
        "what_it_says  a sentence of several words",
        "seconds       1,234.50",
        "rows          7",
        "",
        "job           customer_tier",
        "what_it_says",
        "seconds       0.25",
        "rows          8",
    ]


def test_no_rows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(output, "console", Console(highlight=False, markup=False, width=10))
    emit(["campaign", "universal_control", "treated", "planned"], [], Format.table)
    assert capsys.readouterr().out == "no rows\n"


def test_a_long_value_of_two_columns_is_folded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "console", Console(highlight=False, markup=False, width=40))
    emit(["what", "value"], [["sha256", "0123456789abcdef" * 4]], Format.table)
    out = capsys.readouterr().out
    assert all(len(line) <= 40 for line in out.splitlines())
    assert "sha256 " in out
    assert "what " in out.splitlines()[1]
