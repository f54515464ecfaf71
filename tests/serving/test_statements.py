"""What the SQL server lets through, and how a statement is bound to one publication."""

from __future__ import annotations

import pytest

from portrait.serving.statements import Refused, bind

TABLES = {
    "segments": ("customer_id", "tier", "salary_customer"),
    "customer_tier": ("customer_id", "tier", "gap"),
    "recommendations": ("customer_id", "product_id"),
}


def bound(statement: str) -> str:
    return bind(statement, tables=TABLES, schema="published_7").sql


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT tier FROM published.segments;", "SELECT tier FROM `published_7`.segments"),
        ("select * from segments", "select * from `published_7`.segments"),
        ("select * from `published`.`segments` s", "select * from `published_7`.`segments` s"),
        ("select * from Published.SEGMENTS", "select * from `published_7`.SEGMENTS"),
        (
            "select published.segments.tier from published.segments",
            "select `published_7`.segments.tier from `published_7`.segments",
        ),
        (
            "select s.tier, 'published.segments' from segments s join published.customer_tier t using (customer_id)",
            "select s.tier, 'published.segments' from `published_7`.segments s "
            "join `published_7`.customer_tier t using (customer_id)",
        ),
        (
            "with mine as (select * from segments) select * from mine where exists (select 1 from recommendations)",
            "with mine as (select * from `published_7`.segments) select * from mine "
            "where exists (select 1 from `published_7`.recommendations)",
        ),
        (
            "select 1 from segments union all select 2 from customer_tier",
            "select 1 from `published_7`.segments union all select 2 from `published_7`.customer_tier",
        ),
        ("explain select * from segments", "explain select * from `published_7`.segments"),
        (
            "select /* published.x */ tier from segments -- from bronze.x",
            "select tier from `published_7`.segments",
        ),
        (
            "select * from segments lateral view explode(array(1)) e as n",
            "select * from `published_7`.segments lateral view explode(array(1)) e as n",
        ),
        ("select 'Ω', tier from segments", "select 'Ω', tier from `published_7`.segments"),
        ("select 1", "select 1"),
        ("values (1, 2)", "values (1, 2)"),
        ("select * from range(3)", "select * from range(3)"),
    ],
)
def test_table_names_are_bound_where_they_stand(statement: str, expected: str) -> None:
    assert bound(statement) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("USE default", "USE published"),
        ("use `published`", "USE published"),
        ("show tables", "SHOW tables IN published"),
        ("SHOW TABLES IN `published` LIKE 'seg*'", "SHOW TABLES IN published LIKE 'seg*'"),
        ("show views from published", "SHOW views IN published"),
        ("SHOW DATABASES", "SHOW SCHEMAS LIKE 'published'"),
        ("show schemas like '*'", "SHOW SCHEMAS LIKE 'published'"),
        ("describe segments", "DESCRIBE published.segments"),
        ("DESC FORMATTED `published`.`segments`", "DESCRIBE FORMATTED published.segments"),
        ("show columns in published.segments", "SHOW COLUMNS IN published.segments"),
    ],
)
def test_browsing_is_about_the_one_schema(statement: str, expected: str) -> None:
    assert bound(statement) == expected


@pytest.mark.parametrize(
    "statement",
    [
        # what changes something
        "insert into published.segments select * from published.segments",
        "delete from published.segments",
        "update published.segments set tier = 'vip'",
        "merge into segments using recommendations on true when matched then delete",
        "drop table segments",
        "drop view published.segments",
        "create table t as select 1",
        "create temporary view v using csv options (path '/etc/passwd')",
        "create or replace view published.segments as select 1",
        "create function f as 'x'",
        "cache table segments",
        "truncate table segments",
        "vacuum gold.segments",
        "optimize gold.segments",
        "restore table gold.segments to version as of 0",
        "load data inpath '/x' into table segments",
        "insert overwrite directory '/tmp/x' select 1",
        "set spark.sql.runSQLOnFiles=true",
        "set -v",
        "set",
        "reset",
        "add jar /tmp/x.jar",
        "list jars",
        "begin; select 1; end",
        "execute immediate 'drop table x'",
        "call x.y()",
        "declare x int",
        "select 1; drop table segments",
        "use bronze",
        # what reads something else
        "select * from bronze.transactions",
        "select * from gold.segments",
        "select * from ops.quarantine",
        "select * from spark_catalog.published.segments",
        "select * from published_6.segments",
        "select * from delta.`/lake/bronze/transactions`",
        "select * from parquet.`/etc`",
        "select * from text.`/etc/passwd`",
        "select * from published.segments version as of 3",
        "select * from segments timestamp as of '2025-01-01'",
        "select (select max(amount) from bronze.transactions)",
        "select * from segments where customer_id in (select customer_id from silver.customers)",
        "with segments as (select * from bronze.transactions) select * from segments",
        "select * from identifier('bronze.transactions')",
        "select * from read_files('/etc/passwd')",
        "select transform(tier) using 'cat /etc/passwd' from segments",
        "select reflect('java.lang.System', 'getenv')",
        "select java_method('java.lang.System', 'getenv')",
        "select try_reflect('java.lang.System', 'getenv')",
        "show tables in bronze",
        "show create table gold.segments",
        "show partitions gold.segments",
        "describe bronze.transactions",
        "describe history gold.segments",
        "describe detail gold.segments",
        "explain delete from segments",
        "explain drop table segments",
        "table bronze.transactions",
        "from bronze.transactions select *",
        "from bronze.transactions |> select *",
        # what is nothing
        "",
        ";",
        "selec tier frm segments",
        "select from where",
    ],
)
def test_everything_else_is_refused_before_spark(statement: str) -> None:
    with pytest.raises(Refused) as refusal:
        bound(statement)
    assert refusal.value.remedy


def test_a_refusal_says_which_tables_there_are() -> None:
    with pytest.raises(Refused, match=r"there is no table bronze\.transactions here") as refusal:
        bound("select * from bronze.transactions")
    assert "segments" in refusal.value.remedy


def test_the_tables_of_a_statement_are_known_for_the_log() -> None:
    statement = "select * from segments s join published.customer_tier t on s.customer_id = t.customer_id"
    assert bind(statement, tables=TABLES, schema="published_7").tables == ("customer_tier", "segments")


@pytest.mark.parametrize(
    ("statement", "columns"),
    [
        ("select tier from segments where Salary_Customer", ("salary_customer", "tier")),
        ("select s.tier as gap from segments s", ("tier",)),
        ("with own as (select tier as smith from segments) select smith from own", ("tier",)),
        ("select count(*) from segments s join customer_tier t on s.customer_id = t.customer_id where t.gap > 1",
         ("customer_id", "gap")),
        ("explain select tier from segments", ("tier",)),
        ("select * from segments", ()),
        ("select 1", ()),
        ("describe segments", ()),
    ],
)  # fmt: skip
def test_columns_of_the_contract_that_a_statement_names_are_known_for_the_log(
    statement: str, columns: tuple[str, ...]
) -> None:
    assert bind(statement, tables=TABLES, schema="published_7").columns == columns
