"""A delivery arrives whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from portrait.errors import ConfigurationError
from portrait.sources.delivery import delivery


def _deliver(landing: Path, text: str, *more: str) -> None:
    with delivery(landing) as staging:
        for feed in ("accounts", *more):
            staging.file(feed, "one.csv").write_text(text)


def _files(landing: Path) -> list[str]:
    return sorted(str(path.relative_to(landing)) for path in landing.rglob("*") if path.is_file())


def test_files_arrive_when_the_block_ends(tmp_path: Path):
    _deliver(tmp_path / "landing", "a\n", "cards")
    assert _files(tmp_path / "landing") == ["accounts/one.csv", "cards/one.csv"]


def test_nothing_arrives_before_the_block_ends(tmp_path: Path):
    with delivery(tmp_path) as staging:
        staging.file("accounts", "one.csv").write_text("a\n")
        assert not (tmp_path / "accounts").exists()


def test_an_error_leaves_no_trace(tmp_path: Path):
    def broken() -> None:
        with delivery(tmp_path) as staging:
            staging.file("accounts", "one.csv").write_text("a\n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert list(tmp_path.iterdir()) == []


def test_the_same_bytes_again_leave_the_file_alone(tmp_path: Path):
    _deliver(tmp_path, "a\n")
    before = (tmp_path / "accounts" / "one.csv").stat().st_mtime_ns
    _deliver(tmp_path, "a\n")
    assert (tmp_path / "accounts" / "one.csv").stat().st_mtime_ns == before


def test_other_bytes_under_a_known_name_are_refused_and_nothing_moves(tmp_path: Path):
    _deliver(tmp_path, "a\n")
    with pytest.raises(ConfigurationError, match="other content"):
        _deliver(tmp_path, "b\n", "cards")
    assert _files(tmp_path) == ["accounts/one.csv"]
    assert (tmp_path / "accounts" / "one.csv").read_text() == "a\n"


def test_truth_goes_beside_the_landing_folder(tmp_path: Path):
    with delivery(tmp_path / "landing") as staging:
        staging.truth("groups/part-0.parquet").write_text("t")
    assert (tmp_path / "truth" / "groups" / "part-0.parquet").exists()
    assert _files(tmp_path / "landing") == []
