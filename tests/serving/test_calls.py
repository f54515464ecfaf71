"""Functions through the SQL server: only those of the allow-list, however a call is written and wherever it stands."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.errors import ParseException
from pyspark.sql import SparkSession

from portrait.serving.functions import ALLOWED, FUNCTIONS, KEYWORDS, TABLE_FUNCTIONS
from portrait.serving.statements import Refused, bind

TABLES = {"segments": ("customer_id", "tier"), "customer_tier": ("customer_id", "tier")}
ARGUMENTS = "('java.lang.System', 'getProperty', 'user.home')"
# Each is a way to write one name; {0} is the name.
STYLES = [
    "{0}", "`{0}`", "{upper}", "`{upper}`", "{0} ", "{0}\n", "{0}\t", "{0}/**/", "{0} /* a */ ", "{0}--\n",
    "`{0}`/* b */", "{0}\u00a0", "{0} -- a \\\n b\n",
]  # fmt: skip
QUALIFIED = ["spark_catalog.system.{0}", "builtin.{0}", "system.builtin.{0}", "`system`.`builtin`.`{0}`", "x . {0}"]
PLACES = [
    "select {call}",
    "select 1 from segments where {call} is not null",
    "select tier from segments group by tier having {call} = 'a'",
    "select tier from segments order by {call}",
    "select rank() over (partition by {call} order by tier) from segments",
    "with a as (select {call} as x) select * from a",
    "select * from (select {call} as x) t",
    "select (select {call})",
    "select 1 from segments where exists (select {call})",
    "select transform(array(1), x -> {call})",
    "select upper({call})",
    "select case when true then {call} end",
    "select 1 union all select {call}",
    "values ({call})",
    "select * from segments s join customer_tier t on {call} = s.tier",
    "select * from segments lateral view explode(array({call})) e as n",
    "select * from segments, lateral (select {call})",
    "explain select {call}",
    "explain extended with a as (select {call}) select * from a",
    "(select {call})",
    "select max(tier) filter (where {call} = 'a') from segments",
    "select * from segments limit {call}",
    "select * from values ({call}) as t(a)",
    "select cast({call} as string)",
    "select array({call})[0]",
    "/* a */ select {call} -- b",
]
HIDDEN = [
    "select * from segments |> where {call} = 'a'",
    "from segments |> select {call}",
    "execute immediate 'select {name}(1)'",
    "begin select {call}; end",
    "create temporary function f as '{name}'",
    "create or replace temporary view v as select {call}",
    "prepare p as select {call}",
    "select identifier('{name}'){arguments}",
    "select identifier('{name}')",
    "select /*+ {call} */ /* */ {call}",
    "select '{name}'{arguments}",
    'select "{name}"{arguments}',
    "select 1 /* /* */ , {call} /* */ */",
    "select 1 /*! , {call} */ , {call}",
    "select 1 /* a /*+ b */ , {call} -- */",
    "select 'a\\', {call} , '",
    "select 'a\\\\', {call}, 'b'",
    "select r'a\\', {call}, 'b'",
    "select 'a''', {call}, 'b'",
    "select `a```, {call}",
    "select 1 -- a \\\n\n, {call}",
    "select 1 -- a\r, {call}",
    "select 1 /* {call}",
    "select transform(tier) using 'cat' from segments",
    "select transform(tier) using /* a */ 'cat' from segments",
    "from segments map tier using 'cat' as b",
    "from segments insert overwrite directory '/tmp/x' select *",
    "select {call}; select 1",
    "select ?", "select :x", "select '${{env:HOME}}'", "select 1 as `${{system:user.home}}`", "select ${{env:X}}",
    "select * from csv.`/etc/passwd`", "select * from `csv`.`/etc/passwd`", "select * from read_files('/etc/passwd')",
    "select * from table_changes('gold.segments', 0)", "select * from table_changes_by_path('/lake/gold/x', 0)",
    "select * from python_worker_logs()", "select * from segments with ('versionAsOf' = 1)",
    "select from_avro(x, 'y', map('avroSchemaUrl', '/etc/passwd'))", "select input_file_name() from segments",
    "select from_xml(x, 'y', map('rowValidationXSDPath', '/etc/passwd'))",
    "select " + "(" * 5_000 + "1" + ")" * 5_000, "select " + "1 + " * 100_000 + "1",
]  # fmt: skip


def passes(statement: str) -> bool:
    try:
        bind(statement, tables=TABLES, schema="published_7")
    except Refused:
        return False
    return True


@pytest.fixture(scope="module")
def functions(spark: SparkSession) -> list[str]:
    """Every function that this Spark has and that is written as a name; `when` is a word of CASE."""
    names = [row[0] for row in spark.sql("show functions").collect()]
    return [name for name in names if re.fullmatch(r"\w+", name)]


def names_in_plan(spark: SparkSession, statement: str) -> Iterator[str]:
    """The functions that Spark's own parser finds in a statement, sub-queries included."""
    parser = spark._jsparkSession.sessionState().sqlParser()
    found: list[Any] = [json.loads(parser.parsePlan(statement).toJSON())]
    while found:
        node = found.pop()
        if isinstance(node, dict):
            if str(node.get("class", "")).endswith((".UnresolvedFunction", ".UnresolvedTableValuedFunction")):
                parts = re.findall(r"\w+", str(node.get("nameParts", node.get("name"))))
                yield parts[-1].lower() if len(parts) == 1 else ".".join(parts)
            found += node.values()
        elif isinstance(node, list):
            found += node


def test_only_functions_of_the_list_pass_in_any_spelling(functions: list[str]) -> None:
    assert len(functions) > 500
    assert {"reflect", "java_method", "try_reflect", "table_changes_by_path", "from_avro"} <= set(functions) - ALLOWED
    wrong = []
    for name in functions:
        for style in STYLES:
            call = style.format(name, upper=name.upper())
            # Unquoted words of the grammar are operators there: `and (1)` is refused by the parser, or calls nothing.
            if name in KEYWORDS and "`" not in style:
                continue
            if passes(f"select {call}(tier, 1) from segments") and name not in ALLOWED:
                wrong.append(call)
        wrong += [call for style in QUALIFIED if passes(f"select {(call := style.format(name))}(1)")]
    assert wrong == []


@pytest.mark.parametrize("kind", [kind for kind in FUNCTIONS if kind != "table"])
def test_every_function_of_the_list_can_be_called(kind: str) -> None:
    refused = []
    for name in FUNCTIONS[kind]:
        for call in (f"{name}(tier)", f"`{name}`(tier)"):
            try:
                bind(f"select {call} from segments", tables=TABLES, schema="published_7")
            except Refused as error:
                # Some want their own words inside, which sqlglot knows: extract(year from x), cast(x as int).
                if "not allowed" in error.message:
                    refused.append(call)
    assert refused == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["reflect", "`reflect`", "ReFlEcT", "builtin.reflect", "`java_method`", "no_such"])
def test_a_call_is_refused_wherever_it_stands(place: str, name: str) -> None:
    assert passes(place.format(call="upper('a')")), "the place itself is sound"
    with pytest.raises(Refused, match="is not allowed"):
        bind(place.format(call=name + ARGUMENTS), tables=TABLES, schema="published_7")


@pytest.mark.parametrize("statement", HIDDEN)
def test_nothing_hides_from_the_check(statement: str) -> None:
    for name in ("reflect", "`reflect`"):
        assert not passes(statement.format(call=name + ARGUMENTS, name=name, arguments=ARGUMENTS))


# Spark makes functions of these operators.
OPERATORS = {"between", "and", "or", "not", "in", "when"}
PIECES = st.sampled_from(
    [
        *(
            "reflect('a')",
            "`reflect`('a')",
            "upper('a')",
            "'",
            '"',
            "`",
            "''",
            "``",
            "\\",
            "\\'",
            "/*",
            "*/",
            "--",
            "\n",
        ),
        *(",", " ", "a", "r'", 'R"', "x'", "1", "(", ")", "/*+", "\\\n", "\r", "-", "*", "/", "as", ".", "e'", "||"),
    ]
)


def test_what_passes_calls_nothing_else_by_spark_s_own_parser(spark: SparkSession) -> None:
    """Statements put together at random: where our lexer and Spark's differ, a call would slip through here."""
    looked_at = []

    @settings(max_examples=1500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.lists(PIECES, min_size=1, max_size=9))
    def look(pieces: list[str]) -> None:
        statement = "select 1, " + "".join(pieces)
        try:
            bound = bind(statement, tables=TABLES, schema="published_7")
        except Refused:
            return
        looked_at.append(bound.sql)
        with contextlib.suppress(ParseException):  # Spark refuses it: nothing is called
            assert set(names_in_plan(spark, bound.sql)) <= ALLOWED | OPERATORS, statement

    look()
    assert len(looked_at) > 100
    assert list(names_in_plan(spark, "select (select `reflect`('a'))")) == ["reflect"], "the plan tells"
    assert list(names_in_plan(spark, "select builtin.reflect('a')")) == ["builtin.reflect"]


@pytest.mark.parametrize(
    "statement", ["/* user: x */ SHOW TABLES", "-- a\nSHOW TABLES", " \n-- a\n/* b */show tables;"]
)
def test_a_statement_may_begin_with_a_comment(statement: str) -> None:
    assert bind(statement, tables=TABLES, schema="published_7").sql.lower() == "show tables in published"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("-- a\nDESCRIBE segments", "DESCRIBE published.segments"),
        ("/* a */ explain select 1", "explain select 1"),
        ("/* a */ select tier from segments", "select tier from `published_7`.segments"),
        ("select 1 -- it's open", "select 1"),
        ("select '/* no comment */', '-- none'", "select '/* no comment */', '-- none'"),
        ("select /*+ broadcast(s) */ tier from segments s", "select tier from `published_7`.segments s"),
        ("select 'it''s', 'a\\'b', r'\\d+', \"d\"", "select 'it''s', 'a\\'b', r'\\d+', \"d\""),
        ("select 'explain' from segments", "select 'explain' from `published_7`.segments"),
        ("explain select 'explain'", "explain select 'explain'"),
    ],
)
def test_comments_are_left_out_and_text_stays(statement: str, expected: str) -> None:
    assert bind(statement, tables=TABLES, schema="published_7").sql == expected


@pytest.mark.parametrize(
    "statement",
    [
        "select `tier`, count(distinct customer_id) as n from `published`.`segments` group by 1 order by 2 limit 10",
        "select date_trunc('month', current_date()), extract(year from current_date), dateadd(day, -7, now())",
        "select cast(sum(1) as decimal(18, 2)), try_cast('a' as varchar(10)), round(avg(2), 2)",
        "with x (a, b) as (select 1, 2), `y` (c) as (values (3)) select * from x join y on (a = c)",
        "select * from values (1, 'a'), (2, 'b') as t(id, name) where id in (1, 2) and not (id = 3)",
        "select percentile_cont(0.5) within group (order by 1), count(*) filter (where tier = 'vip') from segments",
        "select tier, sum(1) over (partition by tier order by customer_id rows between 1 preceding and current row)"
        " from segments window w as (partition by tier)",
        "select tier, count(*) from segments group by grouping sets ((tier), ()) having (count(*) > 1)",
        "select * from (select tier, customer_id from segments) pivot (count(customer_id) for tier in ('vip', 'a'))",
        "select * from segments tablesample (10 percent) repeatable (1)",
        "select case when (1 = 1) then (2) else (3) end, if(true, 1, 2), 1 between (0) and (2), coalesce(null, 1)",
        "select tier from segments union all (select tier from customer_tier) except select 'x' intersect select 'y'",
        "select trim(both 'x' from 'xax'), substring('abc' from 1 for 2), position('a' in 'ba')",
        "select overlay('a' placing 'b' from 1)",
        "select aggregate(array(1, 2), 0, (acc, x) -> acc + x), filter(array(1), x -> x > 0), map('a', 1)['a']",
        "select * from segments s left anti join customer_tier t using (customer_id)",
        "select current_timestamp, current_date, current_user(), interval '1' day, date '2024-01-01'",
        "select `größe` from (select 1 as `größe`)",
    ],
)
def test_what_bi_tools_write_passes_and_is_what_spark_understands(spark: SparkSession, statement: str) -> None:
    bound = bind(statement, tables=TABLES, schema="published_7")
    assert set(names_in_plan(spark, bound.sql)) <= ALLOWED | OPERATORS


def test_the_document_lists_what_is_allowed() -> None:
    text = (Path(__file__).parents[2] / "docs" / "sql-server.md").read_text(encoding="utf-8")
    for kind, names in FUNCTIONS.items():
        line = next(line for line in text.splitlines() if line.startswith(f"- **{kind}**"))
        assert set(re.findall(r"\w+", line.removeprefix(f"- **{kind}**"))) == set(names), kind
    assert TABLE_FUNCTIONS <= ALLOWED
