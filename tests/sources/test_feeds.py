"""The feeds have the columns of their contracts."""

from __future__ import annotations

from pathlib import Path

import pytest

from portrait.contracts import load_catalogue
from portrait.sources.feeds import FEED_COLUMNS
from portrait.sources.synthetic.feed import feeds_of_rooms


@pytest.mark.parametrize("feed", FEED_COLUMNS)
def test_columns_are_those_of_the_contract(feed: str, schemas_dir: Path):
    assert FEED_COLUMNS[feed] == tuple(load_catalogue(schemas_dir).table(f"raw.{feed}").column_names)


def test_every_raw_contract_has_a_feed(schemas_dir: Path):
    assert {*FEED_COLUMNS, *feeds_of_rooms()} == {path.stem for path in (schemas_dir / "raw").glob("*.yml")}
