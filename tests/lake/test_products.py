"""Data products: each moves as a whole, one that its gate refuses stays, none is ahead of what it is made from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession
from tests.lake.test_lake import AS_OF, CUSTOMER, D1, D2, D3

from portrait.contracts import Catalogue, Column, Contract
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.contracts.products import check_products, dependents, products_made_from
from portrait.errors import ConfigurationError, GateRefused
from portrait.lake import Lake, Lease, Publication, Write, publications, publish, register_views, rollback
from portrait.lake.pointer import POINTER
from portrait.quality import RuleResult, check_gold, results_frame
from portrait.spark.frames import arrow_table

pytestmark = pytest.mark.delta

RULE = "offer.enum"
EVERY = {"person": 1, "offer": 1, "first": 1, "member": 1, "points": 1}


def table(name: str, product: str, *reads: str, optional: tuple[str, ...] = (), **properties: object) -> Contract:
    stated = {"job": name, "reads": list(reads), "readsOptional": list(optional), **properties}
    return Contract(f"gold.{name}", f"Test {name}.", "One row.", (AS_OF, CUSTOMER), (), stated, product=product)


GOLD = (
    table("person", "core", "silver.person", optional=("bronze.cards",)),
    table("offer", "offers", "gold.person"),
    table("first", "segments", "gold.person", optional=("gold.offer",)),
    table("member", "audiences", "gold.person"),
    table("points", "loyalty", "bronze.loyalty"),
)


@pytest.fixture
def catalogue(schemas_dir: Path) -> Catalogue:
    names = ("table_versions", "publication", "quality_results")
    ops = [contract_of(load_document(schemas_dir / "ops" / f"{name}.yml")) for name in names]
    return Catalogue({item.id: item for item in (*ops, *GOLD)})


class Bank:
    """A lake whose jobs only say that they wrote: publication asks the records, not the rows."""

    def __init__(self, spark: SparkSession, root: Path, catalogue: Catalogue, lease: Lease) -> None:
        self.spark, self.root, self.catalogue, self.lease = spark, root, catalogue, lease
        self.written: list[Write] = []
        self.lake = self.next_run(1)

    def next_run(self, run: int) -> Lake:
        self.lake = Lake(self.spark, self.root, self.catalogue, lease=self.lease)
        self.lake.resume(run)
        for write in self.written:
            self.lake.records.add(run, write.table, write.as_of, [write], {}, "")
        return self.lake

    def compute(self, run: int, day: date, /, **versions: int) -> None:
        self.written += [Write(f"gold.{name}", day, version) for name, version in versions.items()]
        self.next_run(run)

    def judge(self, *days: date, failing: tuple[str, ...] = ()) -> None:
        """What the gate says of the newest versions: `failing` tables or feeds break one rule."""
        rows = []
        for day in days:
            last = {write.table: write.version for write in self.written if write.as_of == day}
            for name in (*last, *(name for name in failing if name not in last)):
                failed = name in failing
                row = (day, name, RULE, "error", not failed, 3 * failed, 10, "sha256 begins 1f" if failed else None)
                rows.append((*row, self.lake.run_number, datetime(2025, 5, 1, tzinfo=UTC), last.get(name)))
        contract = self.catalogue.table("ops.quality_results")
        folder = self.lake.path(contract.id)
        found = arrow_table(rows, contract.struct_type)
        write_deltalake(str(folder), found, mode="overwrite", partition_by=["as_of"])

    def refused(self, day: date, **options: bool) -> GateRefused:
        with pytest.raises(GateRefused) as caught:
            publish(self.lake, as_of=day, **options)
        assert caught.value.exit_code == 4
        return caught.value

    def seen(self) -> dict[str, tuple[date, int]]:
        """Table to the day and the version that readers see."""
        served = publications(self.lake)[0]
        return {table.removeprefix("gold."): (served.day(table), v) for table, v in sorted(served.versions.items())}


@pytest.fixture
def bank(spark: SparkSession, tmp_path: Path, catalogue: Catalogue) -> Iterator[Bank]:
    with Lease(tmp_path) as lease:
        yield Bank(spark, tmp_path, catalogue, lease)


@pytest.fixture
def published(bank: Bank) -> Bank:
    """All products of D1 are served by run 1; those of D2 are computed in run 2."""
    bank.compute(1, D1, **EVERY)
    bank.judge(D1)
    publish(bank.lake, as_of=D1)
    bank.compute(2, D2, **dict.fromkeys(EVERY, 2))
    return bank


OLD, NEW = dict.fromkeys(EVERY, (D1, 1)), dict.fromkeys(EVERY, (D2, 2))


def test_a_product_that_its_gate_refuses_stays_while_the_others_move(published: Bank) -> None:
    published.judge(D2, failing=("gold.offer",))
    refusal = published.refused(D2)
    assert published.seen() == NEW | {"offer": (D1, 1), "first": (D1, 1)}
    assert publications(published.lake)[0].products == ("audiences", "core", "loyalty")
    told = refusal.message.splitlines()
    assert told[0] == (
        f"publication of {D2} refused for offers, segments: audiences, core, loyalty of {D2} served; "
        "what was published before stays served:"
    )
    assert told[1:] == [
        f"  offers: gold.offer: version 2 failed {RULE}, broken by 3 of 10 rows (sha256 begins 1f)",
        "  segments: gold.offer of offers, from which it is made, does not move",
    ]
    assert "conf/references.yml" in refusal.remedy
    # Tried again, it leaves no further row; mended, it catches up.
    published.next_run(3)
    published.refused(D2)
    assert len(publications(published.lake)) == 2
    published.judge(D2)
    assert publish(published.lake, as_of=D2).days_of(published.lake.catalogue) == {
        "core": D2, "offers": D2, "segments": D2, "audiences": D2, "loyalty": D2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("failing", "kept"),
    [
        ("gold.person", {"person", "offer", "first", "member"}),
        ("gold.points", {"points"}),
        ("bronze.loyalty", {"points"}),
        ("bronze.cards", {"person", "offer", "first", "member"}),
        ("silver.person", {"person", "offer", "first", "member"}),
        # Nothing is made from it: in doubt it holds back the core.
        ("bronze.feedback", {"person", "offer", "first", "member"}),
    ],
)
def test_what_is_made_from_what_failed_stays(published: Bank, failing: str, kept: set[str]) -> None:
    published.judge(D2, failing=(failing,))
    assert f"{failing}: " in published.refused(D2).message
    assert published.seen() == NEW | {name: OLD[name] for name in kept}


def test_a_version_that_was_not_judged_holds_back_its_product(published: Bank) -> None:
    published.judge(D2)
    published.compute(2, D2, member=3)
    refusal = published.refused(D2)
    assert "audiences: gold.member: version 3 was not checked by the gate, which saw version 2" in refusal.message
    assert refusal.remedy.endswith(f"`portrait run --as-of {D2} --select quality+`")
    assert published.seen() == NEW | {"member": (D1, 1)}


def test_nothing_is_published_of_a_first_day_whose_core_fails(bank: Bank) -> None:
    bank.compute(1, D1, person=1, offer=1)
    bank.judge(D1, failing=("gold.person",))
    assert "nothing of it is served" in bank.refused(D1).message
    assert publications(bank.lake) == []


def test_a_core_that_is_written_anew_holds_back_what_was_made_from_it(published: Bank) -> None:
    published.judge(D2)
    publish(published.lake, as_of=D2)
    published.compute(3, D2, person=4, member=4)
    published.judge(D2, failing=("gold.person",))
    assert "audiences: gold.person of core, from which it is made, does not move" in published.refused(D2).message
    assert published.seen() == NEW


def test_a_backfill_takes_no_product_back_and_none_ahead(published: Bank) -> None:
    published.judge(D2, failing=("gold.offer",))
    published.refused(D2)
    between = date(2025, 2, 10)
    published.compute(3, between, **dict.fromkeys(EVERY, 3))
    published.judge(between, D2)
    # The offers of that day would be newer than those that are served; but the core that they are made from is not.
    publish(published.lake, as_of=between, backwards=False)
    assert published.seen() == NEW | {"offer": (D1, 1), "first": (D1, 1)}
    published.next_run(4)  # but those of D2 pass now
    publish(published.lake, as_of=D2, backwards=False)
    assert published.seen() == NEW


def test_an_older_day_is_served_again_only_with_what_is_made_from_it(published: Bank) -> None:
    published.judge(D1, D2)
    publish(published.lake, as_of=D2)
    published.next_run(3)
    with pytest.raises(GateRefused, match="core: audiences, which is made from it, would be left at 2025-02-28"):
        publish(published.lake, as_of=D1, only=["core"])
    with pytest.raises(ConfigurationError, match="no data product 'offer'"):
        publish(published.lake, as_of=D1, only=["offer"])
    with pytest.raises(GateRefused, match=r"offers: gold\.person of core, from which it is made, does not move"):
        publish(published.lake, as_of=D1, only=["offers", "loyalty"])
    assert published.seen() == NEW | {"points": (D1, 1)}
    published.next_run(4)
    publish(published.lake, as_of=D1)
    assert published.seen() == OLD
    # Of the day before there is no list: it cannot stay ahead of the portrait, so it is served no more.
    before = date(2025, 1, 15)
    published.compute(5, before, person=7, offer=7, first=7)
    published.judge(before)
    publish(published.lake, as_of=before)
    assert published.seen() == {**dict.fromkeys(("first", "offer", "person"), (before, 7)), "points": (D1, 1)}


def test_a_product_goes_back_by_itself_or_with_what_is_made_from_it(published: Bank) -> None:
    published.judge(D1, D2)
    publish(published.lake, as_of=D2)
    published.next_run(3)
    back = rollback(published.lake, 1, only=["audiences"])
    assert (back.action, back.run, back.products) == ("rollback", 1, ("audiences",))
    assert published.seen() == NEW | {"member": (D1, 1)}
    published.next_run(4)
    assert rollback(published.lake, 1, only=["core"]).products == ("audiences", "core", "offers", "segments")
    assert published.seen() == OLD | {"points": (D2, 2)}
    with pytest.raises(
        GateRefused, match=r"offers of run 2 was made from a later state of gold\.person than is served"
    ):
        rollback(published.lake, 2, only=["offers"])
    published.next_run(5)
    rollback(published.lake, 2)
    assert published.seen() == NEW
    with pytest.raises(ConfigurationError, match="run 7 published nothing of core"):
        rollback(published.lake, 7, only=["core"])


def test_a_run_goes_back_with_the_products_that_it_moved(published: Bank) -> None:
    published.judge(D2, failing=("gold.offer",))
    published.refused(D2)
    published.compute(3, D3, **dict.fromkeys(EVERY, 3))
    published.judge(D3)
    publish(published.lake, as_of=D3)
    published.next_run(4)
    rollback(published.lake, 2)
    # Of what that run did not move, readers saw these then.
    assert published.seen() == NEW | {"offer": (D1, 1), "first": (D1, 1)}
    with pytest.raises(ConfigurationError, match="run 2 published nothing of offers") as caught:
        rollback(published.lake, 2, only=["offers"])
    assert caught.value.remedy == "runs that did: 3, 1"


def test_a_publication_that_breaks_off_leaves_all_as_it_was(published: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    published.judge(D2)

    def broken(name: str, detail: str = "") -> None:
        raise RuntimeError(name)

    monkeypatch.setattr("portrait.lake.publication.fault_point", broken)
    with pytest.raises(RuntimeError, match="before_publish"):
        publish(published.lake, as_of=D2)
    assert published.seen() == OLD


def test_rows_of_an_earlier_build_mean_one_day_for_all(bank: Bank) -> None:
    contract = bank.catalogue.table(POINTER)
    old = [contract.column_names.index(name) for name in ("days", "products")]
    row = (1, 7, D1, "publish", {f"gold.{name}": 1 for name in EVERY}, datetime(2025, 2, 1, tzinfo=UTC), None, None)
    rows = arrow_table([row], contract.struct_type)
    kept = [name for place, name in enumerate(rows.column_names) if place not in old]
    folder = bank.lake.path(POINTER)
    folder.parent.mkdir(parents=True)
    write_deltalake(str(folder), pa.table(rows.select(kept)))

    assert publications(bank.lake)[0].days == {}
    assert bank.seen() == OLD
    assert bank.lake.reader.served("gold.offer", None).day("gold.offer") == D1
    bank.compute(8, D2, **dict.fromkeys(EVERY, 2))
    bank.judge(D2, failing=("gold.offer",))
    bank.refused(D2)
    assert bank.seen() == NEW | {"offer": (D1, 1), "first": (D1, 1)}
    assert [item.products for item in publications(bank.lake)] == [("audiences", "core", "loyalty"), None]
    # What was published last of a day is found by the day of the table, not by that of the row.
    served = bank.lake.reader.served("gold.offer", D3)
    assert (served.sequence, served.day("gold.offer")) == (2, D1)
    bank.next_run(9)
    rollback(bank.lake, 7)
    assert bank.seen() == OLD


BALANCE = Column("balance", "BIGINT")
REGISTER = Contract(
    "gold.balance", "Test.", "One row.", (CUSTOMER, BALANCE), (), {"job": "balance"}, product="balances"
)


def test_views_serve_each_table_of_its_own_day_and_a_register_whole(
    spark: SparkSession, tmp_path: Path, catalogue: Catalogue
) -> None:
    known = Catalogue({**catalogue.contracts, REGISTER.id: REGISTER})

    def write(lake: Lake, day: date, *names: str) -> None:
        for name in names:
            lake.replace(f"gold.{name}", spark.sql(f"SELECT DATE '{day}' AS as_of, '{name} {day}' AS customer_id"), day)
            lake.complete(name, as_of=day, inputs={}, seconds=0.0)

    def judge(lake: Lake, day: date, failing: str | None = None) -> None:
        results = [
            RuleResult(item.table, item.rule, "error", item.table != failing, 0, 1) for item in check_gold(lake, day)
        ]
        lake.replace("ops.quality_results", results_frame(lake, results, as_of=day), day)

    def seen(schema: str) -> set[str]:
        names = [view.name for view in spark.catalog.listTables(schema)]
        return {row.customer_id for name in names for row in spark.table(f"{schema}.{name}").collect()}

    with Lease(tmp_path) as lease:
        lake = Lake(spark, tmp_path, known, lease=lease)
        write(lake, D1, "person", "offer")
        lake.append("gold.balance", spark.sql("SELECT 'a' AS customer_id, 5L AS balance"))
        lake.complete("balance", as_of=None, inputs={}, seconds=0.0)
        judge(lake, D1)
        first: Publication = publish(lake, as_of=D1)
        assert first.versions.keys() == {"gold.person", "gold.offer", "gold.balance"}

        later = Lake(spark, tmp_path, known, lease=lease)
        write(later, D2, "person", "offer")
        later.append("gold.balance", spark.sql("SELECT 'b' AS customer_id, 6L AS balance"))
        later.complete("balance", as_of=None, inputs={}, seconds=0.0)
        register_views(later, database="published_first")  # a reader that began before the pointer moved
        judge(later, D2, failing="gold.offer")
        with pytest.raises(GateRefused, match=r"offers: gold\.offer"):
            publish(later, as_of=D2)
        register_views(later)
    assert seen("published_first") == {f"person {D1}", f"offer {D1}", "a"}
    assert seen("published") == {f"person {D2}", f"offer {D1}", "a", "b"}
    assert [row["customer_id"] for row in later.reader.published_slice("gold.offer", None)[1].rows()] == [f"offer {D1}"]
    assert len(later.reader.rows_of("gold.balance", first).rows()) == 1
    spark.sql("DROP DATABASE published_first CASCADE")


def test_the_suite_has_products_that_can_move_by_themselves(schemas_dir: Path) -> None:
    from portrait.contracts import load_catalogue

    suite = load_catalogue(schemas_dir)
    of_groups = {"advice", "core_group", "offers", "segments"}
    of_marketing = {"audiences", "branches", "campaigns", "card_terms", "products", "prospects"}
    of_risk = {"credit", "early_warning", "funds", "relations"}
    assert dependents(suite, ["core"]) == of_groups | of_marketing | of_risk
    assert dependents(suite, ["offers"]) == {"core_group", "segments"}
    assert products_made_from(suite, "bronze.feedback") == {"campaigns"}
    assert products_made_from(suite, "bronze.read_by_nothing") == {"core"}


def test_products_that_are_made_from_each_other_are_refused(catalogue: Catalogue) -> None:
    circle = {"gold.first": table("first", "core", "gold.person", optional=("gold.offer",))}
    with pytest.raises(ConfigurationError, match="made from each other: core -> offers -> core"):
        check_products(Catalogue({**catalogue.contracts, **circle}))
