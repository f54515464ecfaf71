"""What an absent feed costs, read off the contracts."""

from __future__ import annotations

from portrait.contracts import Catalogue, Contract
from portrait.report.absent import LeftOut, left_out


def contract(table: str, **properties: object) -> Contract:
    return Contract(table, "A table.", "One row.", (), (), {"job": "test", **properties})


CATALOGUE = Catalogue(
    {
        item.id: item
        for item in (
            contract("raw.loans"),
            contract("raw.customers"),
            contract("bronze.loans", reads=["raw.loans"]),
            contract("bronze.customers", reads=["raw.customers"]),
            contract("silver.loans", reads=["bronze.loans"]),
            contract("silver.customers", reads=["bronze.customers"]),
            contract("gold.debts", reads=["silver.loans"]),
            contract("gold.features", reads=["silver.customers"], readsOptional=["silver.loans"]),
            contract("ops.publication", reads=["gold.*"]),
        )
    }
)


def test_tables_that_need_the_feed_are_left_out_and_those_that_can_do_without_are_named() -> None:
    assert left_out(CATALOGUE, present={"customers"}) == [
        LeftOut("loans", ("silver.loans", "gold.debts"), ("gold.features",))
    ]


def test_nothing_is_left_out_when_every_feed_is_there() -> None:
    assert left_out(CATALOGUE, present={"customers", "loans"}) == []


def test_a_feed_that_nobody_reads_is_not_missed() -> None:
    kept = [contract("raw.gossip"), contract("bronze.gossip", reads=["raw.gossip"])]
    for unread in (kept, [*kept, contract("silver.gossip", reads=["bronze.gossip"])]):
        catalogue = Catalogue(CATALOGUE.contracts | {item.id: item for item in unread})
        assert left_out(catalogue, present={"customers", "loans"}) == []
        assert not catalogue.is_read("bronze.gossip")
    assert CATALOGUE.is_read("bronze.loans")
    assert CATALOGUE.is_read("gold.debts")
