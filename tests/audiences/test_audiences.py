"""Audiences on small lakes: counts against Spark SQL and DuckDB, members against explanations, exports."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.report.bank import values
from typer.testing import CliRunner, Result

from portrait.capabilities.audiences.clauses import labels_read
from portrait.capabilities.audiences.columns import PortraitColumns
from portrait.capabilities.audiences.commands import audience as command
from portrait.capabilities.audiences.declaration import AudienceSet, load_audiences
from portrait.capabilities.audiences.doubts import label_doubts
from portrait.capabilities.audiences.explanation import behind, one_customer, tree
from portrait.capabilities.audiences.export import export_audience
from portrait.capabilities.audiences.membership import audience_members, audience_summary
from portrait.capabilities.audiences.recorded import audiences_at
from portrait.contracts import Catalogue, Column, load_catalogue
from portrait.errors import ConfigurationError, GateRefused, PortraitError
from portrait.labels import LabelSet, customer_portrait, load_labels, write_label_history
from portrait.labels.declared import Declared
from portrait.labels.slices import portrait_at
from portrait.labels.trust import LabelTrust, TrustStatus
from portrait.labels.usage import label_usage
from portrait.lake import Lake, Lease, Reader, publish
from portrait.quality import RuleResult, results_frame

pytestmark = pytest.mark.delta
D1, D2, D3 = date(2024, 3, 31), date(2024, 4, 30), date(2024, 5, 31)
PLAIN = {"unknown_when": None, "theme": "value", "kind": "fact"}
LABELS: list[dict[str, object]] = [
    {"id": "salaried", "value": "salary_count_90d >= 3"},
    {"id": "consents", "value": "consent_marketing", "unknown_when": None, "theme": "value"},
    PLAIN | {"id": "job", "type": "string", "value": "occupation"},
    PLAIN | {"id": "years", "type": "integer", "value": "age_years", "sensitivity": "sensitive"},
    PLAIN | {"id": "spent", "type": "decimal", "value": "debit_amount_90d"},
    PLAIN | {"id": "assessed", "type": "date", "value": "risk_assessed_on"},
]
AUDIENCES: dict[str, dict[str, object]] = {
    "workers": {"where": "salaried and job in ('cook', 'nurse')"},
    "quiet": {"where": "not workers and spent < 100", "unknown": "include"},
    "grown": {"where": "years >= 18 or job is null", "purpose": "risk"},
    "few": {"where": "years = 3 and spent = 3 and salaried", "purpose": "risk"},
}
EXPORTS = {
    "minimum_customers": 5,
    "lists": {
        "no_consent": {"title": "No consent", "where": "not consents", "unknown": "include"},
        "unsubscribed": {"title": "Asked not to", "feed": "responses", "where": "kind = 'unsubscribed'"},
        "unhappy": {"title": "Unhappy", "feed": "feedback", "where": "score <= 2", "at": "at", "days": 10},
    },
    "purposes": {"marketing": ["no_consent", "unsubscribed", "unhappy"], "risk": []},
}
CUSTOMERS = 400


def facts(spark: SparkSession, *, seed: int) -> DataFrame:
    """Features of random customers, a tenth of everything unknown."""
    draw = random.Random(seed)

    def perhaps(value: Any) -> Any:
        return None if draw.random() < 0.1 else value

    rows = [
        (
            f"C{number:04d}",
            draw.choice([30, 200]),
            perhaps(draw.randrange(90)),
            perhaps(draw.randrange(6)),
            perhaps(Decimal(draw.randrange(-100, 30_000)) / 100),
            perhaps(draw.choice(["cook", "nurse", "clerk", "night shift"])),
            perhaps(draw.random() < 0.5),
            perhaps(date(2024, 1, 1 + draw.randrange(31))),
        )
        for number in range(CUSTOMERS)
    ]
    return spark.createDataFrame(
        rows,
        "customer_id string, tenure_days int, age_years int, salary_count_90d bigint, debit_amount_90d decimal(18,2),"
        "occupation string, consent_marketing boolean, risk_assessed_on date",
    )


class Bank:
    """A lake with two slices of a portrait."""

    def __init__(self, lake: Lake, labels: LabelSet, audiences: AudienceSet) -> None:
        self.lake, self.labels, self.audiences = lake, labels, audiences
        self.portrait = lake.slice("gold.customer_portrait", D2)
        self.slice = lake.reader.slice("gold.customer_portrait", D2)
        self.columns = PortraitColumns(self.slice, audiences.words.labels)


def declare(folder: Path, audiences: dict[str, dict[str, object]]) -> None:
    (folder / "audiences").mkdir(exist_ok=True)
    for name, change in audiences.items():
        audience = {"id": name, "title": name.title(), "purpose": "marketing"} | change
        (folder / "audiences" / f"{name}.yml").write_text(yaml.safe_dump(audience, sort_keys=False), encoding="utf-8")


@pytest.fixture(scope="module")
def bank(
    spark: SparkSession,
    catalogue: Catalogue,
    schemas_dir: Path,
    conf_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bank]:
    from tests.labels.conftest import LABEL

    conf = tmp_path_factory.mktemp("audiences")
    for change in LABELS:
        label = {key: value for key, value in (LABEL | change).items() if value is not None}
        (conf / "labels" / str(label["theme"])).mkdir(parents=True, exist_ok=True)
        (conf / "labels" / str(label["theme"]) / f"{label['id']}.yml").write_text(
            yaml.safe_dump(label, sort_keys=False)
        )
    declare(conf, AUDIENCES)
    (conf / "exports.yml").write_text(yaml.safe_dump(EXPORTS, sort_keys=False))
    for name in ("trust.yml", "marketing.yml"):
        shutil.copy(conf_dir / name, conf)
    shipped = load_catalogue(schemas_dir).contracts
    own = shipped | {"gold.customer_features": catalogue.table("gold.customer_features")}
    own["gold.customer_features"] = replace(
        own["gold.customer_features"], properties={"job": "customer_features", "labelSource": True}
    )
    known = Catalogue(own)
    labels = load_labels(conf, known)
    known = known.with_columns("gold.customer_portrait", labels.columns())
    with Lease(conf / "lake") as lease:
        lake = Lake(spark, conf / "lake", known, lease=lease)
        audiences = load_audiences(conf, labels, known)
        for day, seed in ((D1, 1), (D2, 2)):
            features = facts(spark, seed=seed).selectExpr(f"date'{day}' as as_of", "*")
            missing = [c for c in known.table("gold.customer_features").columns if c.name not in features.columns]
            features = features.selectExpr("*", *[f"cast(null as {c.physical_type}) as {c.name}" for c in missing])
            portrait = customer_portrait(labels=labels, as_of=day, sources={"customer_features": features})
            lake.replace("gold.customer_portrait", portrait, day)
            write_label_history(lake, labels=labels, as_of=day)
            current = lake.read("gold.customer_portrait").where(f"as_of = date'{day}'")
            trusted = audiences.trust_by_audience({})
            summary = audience_summary(portrait=current, audiences=audiences, as_of=day, trust=trusted)
            lake.replace("gold.audiences", summary, day)
            if day == D2:  # the newest day has everything
                members = audience_members(portrait=current, audiences=audiences, as_of=day, trust=trusted)
                lake.replace("gold.audience_members", members, day)
                lake.replace("gold.customer_features", features, day)
            lake.complete("customer_portrait", as_of=day, inputs={}, seconds=0.0)
            lake.resume(None)
        serve(lake, D2)
        yield Bank(lake, labels, audiences)


def serve(lake: Lake, day: date) -> None:
    """The gold tables of a day, judged and published."""
    next_run(lake)
    tables = [table for table, as_of in lake.records.versions if as_of == day and table.startswith("gold.")]
    found = [RuleResult(table, "table.not_empty", "error", True, 0, 1) for table in tables]
    lake.replace("ops.quality_results", results_frame(lake, found, as_of=day), day)
    publish(lake, as_of=day)
    lake.complete("publish", as_of=day, inputs={}, seconds=0.0)
    next_run(lake)


def random_expression(draw: random.Random, depth: int) -> str:
    """An expression over all kinds of labels and audiences."""
    if depth and draw.random() < 0.7:
        word = draw.choice([" and ", " or "])
        inner = word.join(random_expression(draw, depth - 1) for _ in range(draw.randint(2, 3)))
        return f"not ({inner})" if draw.random() < 0.3 else f"({inner})"
    return draw.choice(
        [
            "salaried", "not consents", "consents is true", "salaried is not null", "workers", "not quiet",
            f"job = '{draw.choice(['cook', 'nurse', 'poet'])}'", "job not in ('cook', 'clerk')", "job is null",
            f"years {draw.choice(['<', '<=', '>', '>=', '=', '<>'])} {draw.randrange(90)}",
            f"years between {draw.randrange(40)} and {40 + draw.randrange(40)}", "years in (18, 21, 65)",
            f"spent {draw.choice(['<', '>=', '<>'])} {draw.randrange(-1, 300)}.{draw.randrange(100):02d}",
            f"assessed > date'2024-01-{draw.randint(1, 28):02d}'",
        ]
    )  # fmt: skip


def test_every_count_equals_spark_sql_and_duckdb(bank: Bank) -> None:
    draw = random.Random(11)
    clauses = [bank.audiences.parse(random_expression(draw, 3), where="test") for _ in range(60)]
    parts = [f"count_if({c.sql}), count_if(({c.sql}) is null)" for c in clauses]
    bank.portrait.createOrReplaceTempView("portrait_of_test")
    spark = bank.lake.spark
    by_spark = list(spark.sql(f"select {', '.join(parts)} from portrait_of_test").collect()[0])
    spark.catalog.dropTempView("portrait_of_test")
    slice_of = DeltaTable(str(bank.lake.path("gold.customer_portrait"))).to_pyarrow_dataset(
        partitions=[("as_of", "=", str(D2))]
    )
    connection = duckdb.connect()
    connection.register("slice_of", slice_of)
    by_duckdb = list(connection.sql(f"select {', '.join(parts)} from slice_of").fetchall()[0])
    ours = [number for c in clauses for number in (bank.columns.count(c).true, bank.columns.count(c).unknown)]
    assert ours == by_spark
    assert ours == by_duckdb
    assert len(set(ours)) > 50
    assert bank.columns.customers == CUSTOMERS


def test_the_explanation_is_the_membership_for_every_customer(bank: Bank) -> None:
    ids = [row.customer_id for row in bank.portrait.select("customer_id").collect()]
    rows = {row.customer_id: row for row in bank.portrait.collect()}
    members = {
        name: {
            row.customer_id
            for row in bank.lake.slice("gold.audience_members", D2).where(f"audience = '{name}'").collect()
        }
        for name in AUDIENCES
    }
    unknown = 0
    for name, item in bank.audiences.checked.items():
        names = sorted(bank.columns)
        table = {label: pa.array([rows[c][label] for c in ids], type=bank.columns[label].type) for label in names}
        for position, customer in enumerate(ids):
            verdict = next(tree(item.clause, table, row=position)).verdict
            unknown += verdict is None
            inside = item.audience.unknown == "include" if verdict is None else verdict
            assert inside == (customer in members[name]), (name, customer)
    assert unknown > 100


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_any_explanation_is_the_membership_for_every_customer(bank: Bank, seed: int) -> None:
    draw = random.Random(seed)
    clauses = [bank.audiences.parse(random_expression(draw, 3), where="test") for _ in range(20)]
    rows = bank.portrait.select("*", *[F.expr(f"({c.sql})").alias(f"m{n}") for n, c in enumerate(clauses)]).collect()
    table = {name: pa.array([row[name] for row in rows], type=bank.columns[name].type) for name in bank.columns}
    for number, clause in enumerate(clauses):
        for position, row in enumerate(rows):
            assert next(tree(clause, table, row=position)).verdict == row[f"m{number}"]


def test_the_summary_counts_what_the_members_are(bank: Bank) -> None:
    summary = {row.audience: row for row in bank.lake.slice("gold.audiences", D2).collect()}
    members = bank.lake.slice("gold.audience_members", D2).groupBy("audience").count().collect()
    assert {name: row.members for name, row in summary.items() if row.members} == {
        m.audience: m["count"] for m in members
    }
    assert summary["quiet"].labels == ["job", "salaried", "spent"]
    assert all(row.customers == CUSTOMERS for row in summary.values())


def test_by_hand_unknown_is_neither_in_nor_out(bank: Bank) -> None:
    spark = bank.lake.spark
    rows = spark.sql("""select * from values ('in', true, 'cook', 5), ('out', false, 'cook', 500),
        ('no job', true, null, 500), ('poor', null, null, 5) as t(customer_id, salaried, job, spent)""")
    rows = rows.selectExpr("*", "null as years", "null as consents", "null as assessed")
    trusted = bank.audiences.trust_by_audience({})
    found = audience_members(portrait=rows, audiences=bank.audiences, as_of=D1, trust=trusted).collect()
    # 'no job': salaried and unknown = unknown, its negation too, and 500 < 100 is false: not quiet. 'poor': unknown and
    # true = unknown, which 'quiet' includes.
    assert {(row.audience, row.customer_id) for row in found} == {
        ("workers", "in"), ("quiet", "poor"), ("grown", "no job"), ("grown", "poor"),
    }  # fmt: skip


def test_members_come_from_one_scan(bank: Bank, capsys: Any) -> None:
    trusted = bank.audiences.trust_by_audience({})
    audience_members(portrait=bank.portrait, audiences=bank.audiences, as_of=D2, trust=trusted).explain()
    assert capsys.readouterr().out.count("FileScan") == 1


def test_a_reason_has_value_day_and_facts(bank: Bank) -> None:
    item = bank.audiences.audience("workers")
    known = {checked.label.id: checked for checked in bank.labels.checked}
    jobs = (
        bank.lake.read("gold.label_history")
        .where("label = 'job'")
        .groupBy("customer_id")
        .agg(F.max("as_of").alias("day"))
    )
    steady = jobs.where(f"day = date'{D1}'").collect()[0].customer_id
    columns = one_customer(bank.slice, customer=steady, clause=item.clause, labels=known)
    reasons = behind(bank.lake.reader, customer=steady, as_of=D2, columns=columns, labels=known)
    row = bank.lake.slice("gold.customer_features", D2).where(f"customer_id = '{steady}'").head()
    assert (reasons["job"].value, reasons["job"].since, reasons["job"].facts) == (
        row.occupation,
        D1,
        {"occupation": row.occupation},
    )
    assert reasons["salaried"].facts == {"salary_count_90d": row.salary_count_90d, "tenure_days": row.tenure_days}
    assert reasons["salaried"].rule == "salary_count_90d >= 3; unknown when tenure_days < 90"


def test_an_unknown_customer_is_an_error(bank: Bank) -> None:
    with pytest.raises(ConfigurationError, match="no such customer"):
        one_customer(bank.slice, customer="nobody", clause=bank.audiences.audience("workers").clause, labels={})


def test_a_past_audience_is_what_it_meant_that_day(bank: Bank) -> None:
    today = replace(bank.audiences, checked={}, words=replace(bank.audiences.words, audience=lambda name: None))
    then = audiences_at(bank.lake.reader, audiences=today, as_of=D1)
    assert then.audience("quiet").clause.sql == bank.audiences.audience("quiet").clause.sql
    assert then.audience("quiet").audience.unknown == "include"
    assert labels_read(then.parse("quiet or consents", where="test")) == {"consents", "job", "salaried", "spent"}
    with pytest.raises(ConfigurationError, match="no audience 'nobody'") as refused:
        then.audience("nobody")
    assert refused.value.where == "gold.audiences of 2024-03-31"
    assert portrait_at(bank.lake, date(2024, 4, 29))[0] == D1
    assert portrait_at(bank.lake, None)[0] == D2


def test_a_past_audience_may_read_what_has_retired_or_lost_a_value_since(bank: Bank) -> None:
    words = bank.audiences.words
    job = words.labels["job"].model_copy(update={"status": "retired", "values": {"poet": "Poet"}})
    today = replace(bank.audiences, words=replace(words, labels={**words.labels, "job": job}))
    with pytest.raises(ConfigurationError, match="is retired"):
        today.parse("job = 'cook'", where="test")
    then = audiences_at(bank.lake.reader, audiences=today, as_of=D1)
    day, portrait = bank.lake.reader.slice_at("gold.customer_portrait", D1)
    columns = PortraitColumns(portrait, then.words.labels)
    recorded = bank.lake.slice("gold.audiences", day).where("audience = 'workers'").head()
    assert columns.count(then.audience("workers").clause).true == recorded.members > 0


def test_a_label_that_is_younger_than_the_slice_is_unknown_for_all(bank: Bank, spark: SparkSession) -> None:
    young = Column("young", "BOOLEAN")
    newer = Lake(spark, bank.lake.root, bank.lake.catalogue.with_columns("gold.customer_portrait", [young]))
    portrait = portrait_at(newer, None)[1]
    assert portrait.where("young is null").count() == CUSTOMERS
    label = bank.audiences.words.labels["salaried"].model_copy(update={"id": "young"})
    columns = PortraitColumns(bank.slice, {**bank.audiences.words.labels, "young": label})
    assert columns["young"].null_count == columns.customers == CUSTOMERS


def next_run(lake: Lake) -> None:
    """As the next command, with the next lease, has it."""
    lake._run = lake.run_number + 1


def exported(done_folder: Path) -> set[str]:
    return {row[0] for row in duckdb.sql(f"select customer_id from '{done_folder}/*.csv'").fetchall()}


def test_an_export_whose_lists_cannot_be_asked_is_refused(bank: Bank, tmp_path: Path) -> None:
    exports = bank.audiences.exports
    ask = {"lake": bank.lake, "name": "quiet", "purpose": "marketing", "to": tmp_path, "kind": "csv"}
    with pytest.raises(
        GateRefused, match=r"'unsubscribed' asks responses: .* delivers it, but it never came"
    ) as refused:
        export_audience(audiences=bank.audiences, **ask)
    assert "'unhappy' asks feedback" in refused.value.message
    assert "no_consent" not in refused.value.message
    # A bank that has no such feeds says so; then the lists are not asked.
    without = exports.recorded.model_copy(update={"feeds": {"responses": False, "feedback": False}})
    plain = replace(bank.audiences, exports=replace(exports, recorded=without))
    next_run(bank.lake)
    assert export_audience(audiences=plain, **ask).not_asked == ["unsubscribed", "unhappy"]
    # 'consents' is known of nine customers in ten.
    strict = replace(
        bank.audiences, exports=replace(exports, recorded=without.model_copy(update={"minimum_share": 0.95}))
    )
    with pytest.raises(GateRefused, match=r"'no_consent' can be told of 3\d\d of 400 customers"):
        export_audience(audiences=strict, **ask)
    files = bank.lake.catalogue.table("ops.files")
    facts: dict[str, Any] = {"file_hash": "0" * 64, "contract_hash": "0" * 64}
    facts |= dict.fromkeys(("rows_in", "rows_good", "rows_bad"), 0)
    told = values(
        files, {"feed": "responses", "status": "accepted", **facts}
    )  # a file without rows: nothing had happened
    bank.lake.append(files.id, bank.lake.spark.createDataFrame([told], files.struct_type))
    with pytest.raises(GateRefused, match=r"'unsubscribed' asks responses: .* has no such feed, but it came"):
        export_audience(audiences=plain, **ask)
    assert len(list(tmp_path.iterdir())) == 1
    next_run(bank.lake)


def test_an_export_leaves_out_whom_the_lists_name_and_is_logged(bank: Bank, tmp_path: Path) -> None:
    spark, lake = bank.lake.spark, bank.lake
    answered = spark.sql("select 'C0001' as customer_id, 'unsubscribed' as kind union all select 'C0002', 'bought'")
    said = spark.sql("""select * from values ('C0003', 1, timestamp'2024-04-21 00:00:00'),
        ('C0004', 1, timestamp'2024-04-20 23:59:59'), ('C0005', 5, timestamp'2024-04-30 12:00:00')
        as t(customer_id, score, at)""")
    for table, rows in {"bronze.responses": answered, "bronze.feedback": said}.items():
        wanted = lake.catalogue.table(table).columns
        lake.append(table, rows.selectExpr(*[
            f"cast({c.name if c.name in rows.columns else 'null'} as {c.physical_type}) as {c.name}" for c in wanted
        ]))  # fmt: skip
    done = export_audience(
        lake, audiences=bank.audiences, name="quiet", purpose="marketing", to=tmp_path, kind="csv", actor="somebody"
    )
    members = {r.customer_id for r in lake.slice("gold.audience_members", D2).where("audience = 'quiet'").collect()}
    agreed = {r.customer_id for r in bank.portrait.where("consents").collect()}
    assert exported(done.folder) == (members & agreed) - {"C0001", "C0003"}
    assert done.exported == len(exported(done.folder))
    assert done.suppressed["no_consent"] == len(members - agreed)
    log = lake.read("ops.audience_exports").where(f"export = {done.number}").collect()
    assert [(row.actor, row.exported, row.members, row.purpose) for row in log] == [
        ("somebody", done.exported, len(members), "marketing")
    ]


def test_a_delta_export_without_lists_holds_all_members(bank: Bank, tmp_path: Path) -> None:
    next_run(bank.lake)
    done = export_audience(bank.lake, audiences=bank.audiences, name="grown", purpose="risk", to=tmp_path, kind="delta")
    assert bank.lake.spark.read.format("delta").load(str(done.folder)).count() == done.members == done.exported


def test_another_purpose_or_too_few_sensitive_customers_are_refused(bank: Bank, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is for 'marketing'"):
        export_audience(bank.lake, audiences=bank.audiences, name="quiet", purpose="risk", to=tmp_path, kind="csv")
    with pytest.raises(GateRefused, match="fewer than 5"):
        export_audience(bank.lake, audiences=bank.audiences, name="few", purpose="risk", to=tmp_path, kind="csv")
    assert list(tmp_path.iterdir()) == []


def test_a_list_that_broke_off_has_its_row_and_leaves_no_part_behind(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("disk full")

    next_run(bank.lake)
    monkeypatch.setattr("pyspark.sql.readwriter.DataFrameWriter.csv", broken)
    with pytest.raises(OSError, match="disk full"):
        export_audience(bank.lake, audiences=bank.audiences, name="grown", purpose="risk", to=tmp_path, kind="csv")
    assert list(tmp_path.iterdir()) == []
    assert bank.lake.read("ops.audience_exports").where(f"written_to like '{tmp_path}/%'").count() == 1


def test_ids_that_a_spreadsheet_would_compute_leave_only_as_delta(bank: Bank, tmp_path: Path) -> None:
    lake, spark = bank.lake, bank.lake.spark
    labels = ", ".join(
        f"cast(null as {c.physical_type}) as {c.name}" for c in bank.labels.columns() if c.name != "years"
    )
    odd = spark.sql(f"select date'{D3}' as as_of, '=1+1' as customer_id, bigint(40) as years, {labels}")
    next_run(lake)
    lake.replace("gold.customer_portrait", odd.union(odd.withColumn("customer_id", F.lit(" C 1 "))), D3)
    lake.complete("customer_portrait", as_of=D3, inputs={}, seconds=0.0)
    serve(lake, D3)
    few = replace(bank.audiences, exports=replace(bank.audiences.exports, minimum_customers=1))
    ask = {"lake": lake, "audiences": few, "name": "grown", "purpose": "risk", "to": tmp_path}
    with pytest.raises(PortraitError, match="1 ids in the list begin as a formula") as refused:
        export_audience(**ask, kind="csv")
    assert refused.value.remedy == "export with --as delta"
    assert list(tmp_path.iterdir()) == []
    next_run(lake)
    assert export_audience(**ask, kind="delta").exported == 2
    next_run(lake)
    lake.replace("gold.customer_portrait", odd.withColumn("customer_id", F.lit(" C 1 ")), D3)
    lake.complete("customer_portrait", as_of=D3, inputs={}, seconds=0.0)
    serve(lake, D3)
    next_run(lake)
    done = export_audience(**ask, kind="csv")
    assert [line for part in done.folder.glob("*.csv") for line in part.read_text().splitlines()][1:] == [" C 1 "]


def shaken(lake: Lake) -> None:
    """The slice of D2 says that salaried is suspect, and that spent has failed."""
    judged = {"salaried": ("suspect", ["it shook"]), "spent": ("failed", ["it broke"]), "job": ("trusted", [])}
    contract = lake.catalogue.table("gold.label_statistics")
    plain = {"as_of": D2, "theme": "value", "kind": "fact", "customers": 0, "known": 0, "distribution": {}}
    rows = [plain | {"label": name, "status": status, "reasons": why} for name, (status, why) in judged.items()]
    values = [tuple(row.get(column) for column in contract.column_names) for row in rows]
    next_run(lake)
    lake.replace(contract.id, lake.spark.createDataFrame(values, contract.struct_type), D2)
    lake.complete("customer_portrait", as_of=D2, inputs={}, seconds=0.0)
    serve(lake, D2)


def test_an_audience_that_reads_a_label_in_doubt_warns_or_is_refused(bank: Bank, tmp_path: Path) -> None:
    lake, audiences = bank.lake, bank.audiences
    shaken(lake)
    doubts = label_doubts(lake.reader, labels=audiences.words.labels, as_of=None)
    assert doubts == {
        "salaried": LabelTrust(TrustStatus.SUSPECT, ("it shook",)),
        "spent": LabelTrust(TrustStatus.FAILED, ("it broke",)),
    }
    assert label_doubts(lake.reader, labels=audiences.words.labels, as_of=D1) == {}
    late = label_doubts(lake.reader, labels=audiences.words.labels, as_of=date(2024, 5, 3))
    assert late["job"] == LabelTrust(TrustStatus.STALE, ("its newest slice is of 2024-04-30, 3 days before",))
    assert late["spent"].status == "failed"
    trust = audiences.trust_by_audience(doubts)
    assert {name: item.status for name, item in trust.items()} == {
        "few": "refused", "grown": "trusted", "quiet": "refused", "workers": "warned",
    }  # fmt: skip
    given = {"portrait": bank.portrait, "audiences": audiences, "as_of": D2, "trust": trust}
    assert {row.audience for row in audience_members(**given).collect()} == {"grown", "workers"}
    summary = {row.audience: row for row in audience_summary(**given).collect()}
    assert (summary["quiet"].members, summary["quiet"].trust) == (0, "refused")
    assert summary["workers"].members > 0
    assert summary["workers"].doubts == ["salaried is suspect (it shook)"]
    next_run(lake)
    ask = {"lake": lake, "audiences": audiences, "purpose": "marketing", "to": tmp_path, "kind": "csv"}
    with pytest.raises(GateRefused, match=r"spent is failed \(it broke\)"):
        export_audience(**ask, name="quiet")
    assert list(tmp_path.iterdir()) == []
    done = export_audience(**ask, name="workers")
    log = lake.read("ops.audience_exports").where(f"export = {done.number}").head()
    assert (log.doubts, log.labels) == (["salaried is suspect (it shook)"], ["job", "salaried"])


def test_what_was_really_read_is_counted(bank: Bank, tmp_path: Path) -> None:
    next_run(bank.lake)
    ask = {"lake": bank.lake, "audiences": bank.audiences, "name": "workers", "purpose": "marketing", "to": tmp_path}
    before = {astuple(use) for use in label_usage(bank.lake.reader) if (use.label, use.kind) == ("job", "audience")}
    # Two slices were built of every audience; those that read 'job' are workers, quiet by way of workers, and grown.
    assert before == {("job", "audience", name, 2, D2) for name in ("workers", "quiet", "grown")}

    def exports() -> list[tuple[int, date]]:
        wanted = ("export", "workers", "salaried")
        reads = [use for use in label_usage(bank.lake.reader) if (use.kind, use.reader, use.label) == wanted]
        return [(use.times, use.last) for use in reads]

    times = sum(number for number, _ in exports())
    done = export_audience(**ask, kind="delta")
    assert exports() == [(times + 1, done.as_of)]


def test_labels_that_sql_clients_named_are_counted(bank: Bank, tmp_path: Path) -> None:
    log = tmp_path / "events.log"
    lines = [
        {"at": "2025-03-01T08:00:00.000+00:00", "event": "run_done", "run": 1},
        {"at": "2025-03-01T09:00:00.000+00:00", "event": "statement", "user": "bi", "tables": ["segments"],
         "columns": ["job", "tier"], "seconds": 0.1},
        {"at": "2025-03-04T09:00:00.000+00:00", "event": "statement", "user": "bi", "columns": ["job"],
         "tables": ["customer_tier", "customer_portrait"], "seconds": 0.1},
        {"at": "2025-03-05T09:00:00.000+00:00", "event": "statement", "user": "ann", "tables": ["segments"],
         "columns": [], "seconds": 0.1},
        # Another table has a column of the same name.
        {"at": "2025-03-06T09:00:00.000+00:00", "event": "statement", "user": "bi", "tables": ["customer_features"],
         "columns": ["job"], "seconds": 0.1},
    ]  # fmt: skip
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = [astuple(use) for use in label_usage(bank.lake.reader, log=str(log)) if use.kind == "sql"]
    assert [use for use in found if use[0] == "job"] == [("job", "sql", "bi", 2, date(2025, 3, 4))]
    assert not [use for use in label_usage(bank.lake.reader, log="-") if use.kind == "sql"]


Run = Callable[..., Result]


@pytest.fixture
def run(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`portrait audience WORDS` on the lake of these tests, in this session."""

    @contextmanager
    def opened(*_: object) -> Iterator[Reader]:
        yield Reader(bank.lake.root, bank.lake.catalogue)

    monkeypatch.setattr("portrait.capabilities.audiences.commands.looking", opened)
    declared = Declared(bank.lake.catalogue, bank.labels)
    monkeypatch.setattr("portrait.capabilities.audiences.commands.declarations_of", lambda settings: declared)
    monkeypatch.setattr("portrait.capabilities.audiences.commands.load_audiences", lambda *_: bank.audiences)
    return lambda *words: CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)


def test_commands_say_what_was_on_a_day(bank: Bank, run: Run) -> None:
    told = {row.audience: row for row in bank.lake.slice("gold.audiences", D1).collect()}
    as_of = ("--as-of", D1, "--format", "json")
    unknown, true = told["quiet"].unknown, told["quiet"].members - told["quiet"].unknown
    assert json.loads(run("count", "quiet", *as_of).stdout) == [
        {"true": true, "false": CUSTOMERS - true - unknown, "unknown": unknown, "customers": CUSTOMERS}
    ]
    shared = json.loads(run("overlap", "quiet", "grown", *as_of).stdout)
    overlap = {row["customers in"]: row["customers"] for row in shared}
    assert (overlap["quiet"], overlap["grown"]) == (told["quiet"].members, told["grown"].members)
    given = {"portrait": bank.lake.slice("gold.customer_portrait", D1), "audiences": bank.audiences}
    rows = audience_members(**given, as_of=D1, trust=bank.audiences.trust_by_audience({})).collect()
    quiet, grown = ({row.customer_id for row in rows if row.audience == name} for name in ("quiet", "grown"))
    assert 0 < overlap["both"] == len(quiet & grown)
    assert (overlap["only quiet"], overlap["only grown"]) == (len(quiet - grown), len(grown - quiet))
    assert (overlap["either"], overlap["neither"]) == (len(quiet | grown), CUSTOMERS - len(quiet | grown))
    listed = json.loads(run("members", "workers", "--as-of", D2, "--format", "json").stdout)
    members = [row["customer_id"] for row in listed]
    rows = bank.lake.slice("gold.audience_members", D2).where("audience = 'workers'").collect()
    assert members == sorted(row.customer_id for row in rows)
    with pytest.raises(ConfigurationError, match="there was no audience 'nobody' on 2024-04-30"):
        run("members", "nobody", "--as-of", D2)
    inside, outside = members[0], next(f"C{n:04d}" for n in range(CUSTOMERS) if f"C{n:04d}" not in members)
    assert f"Customer {inside} is in workers" in run("explain", "workers", inside, "--as-of", D2).stdout
    assert f"Customer {outside} is not in workers" in run("explain", "workers", outside, "--as-of", D2).stdout


def test_commands_warn_of_labels_in_doubt_or_refuse(bank: Bank, run: Run) -> None:
    shaken(bank.lake)
    as_of = ("--as-of", D2)
    warned = run("count", "salaried or consents", "--format", "json", *as_of)
    assert "warning: salaried is suspect (it shook)" in warned.stderr
    assert json.loads(warned.stdout)[0]["customers"] > 0
    for words in (("count", "quiet"), ("overlap", "workers", "quiet")):
        with pytest.raises(GateRefused, match="spent is failed"):
            run(*words, *as_of)
    explained = run("explain", "quiet", "C0001", "--as-of", D2)
    assert explained.exit_code == 0
    assert "warning: spent is failed (it broke)" in explained.stderr


# Last: it leaves the slice of D2 as nobody should see it.
def test_what_was_not_published_is_neither_exported_nor_listed(
    bank: Bank, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = bank.lake
    serve(lake, D2)
    served = {
        row.customer_id
        for row in lake.slice("gold.customer_portrait", D2).where("years >= 18 or job is null").collect()
    }
    next_run(lake)
    # A later run writes the same day again, and a newer one; the gate lets neither through.
    refused = lake.slice("gold.customer_portrait", D2).withColumn("years", F.lit(99).cast("bigint"))
    lake.replace("gold.customer_portrait", refused.where("customer_id < 'C0010'").localCheckpoint(), D2)
    lake.replace("gold.customer_portrait", refused.withColumn("as_of", F.lit(D3)).localCheckpoint(), D3)
    lake.complete("customer_portrait", as_of=D2, inputs={}, seconds=0.0)
    ask = {"lake": lake, "audiences": bank.audiences, "name": "grown", "purpose": "risk", "kind": "csv"}
    next_run(lake)
    done = export_audience(**ask, to=tmp_path)
    assert (done.as_of, exported(done.folder)) == (D2, served)
    listed = json.loads(run("members", "workers", "--format", "json").stdout)
    assert listed == json.loads(run("members", "workers", "--as-of", D2, "--format", "json").stdout) != []
    with pytest.raises(GateRefused, match=r"gold\.audience_members has no published slice of 2024-03-31 or before"):
        run("members", "workers", "--as-of", D1)
    monkeypatch.setattr(Reader, "publications", lambda reader: [])
    with pytest.raises(GateRefused, match="no published slice; its slice of 2024-05-31 was not published") as refusal:
        export_audience(**ask, to=tmp_path / "none")
    assert refusal.value.exit_code == 4
    assert not (tmp_path / "none").exists()
