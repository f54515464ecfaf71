"""The allow-list: every attack and every mistake is refused before Spark, with the text and what to write instead."""

from __future__ import annotations

import pytest

from portrait.errors import ConfigurationError
from portrait.labels.expression import check_expression

COLUMNS = {
    "a": "BIGINT", "b": "BIGINT", "amount": "DECIMAL(18,2)", "score": "DOUBLE", "name": "STRING", "yes": "BOOLEAN",
    "day": "DATE", "as_of": "DATE", "localtimestamp": "BIGINT",
}  # fmt: skip

REFUSED = [
    # closing the expression early, or adding statements
    ("1=1) OR (1=1", "not one Spark SQL expression"),
    ("a > 1) as x, (select 1", "not one Spark SQL expression"),
    ("a > 1; drop table gold.customer_tier", ";"),
    ("a > 1;", ";"),
    # sub-queries and other tables
    ("a in (select customer_id from gold.customer_tier)", "not allowed"),
    ("exists (select 1)", "not allowed"),
    ("(select max(a) from silver.transactions) > 1", "not allowed"),
    ("(with t as (select 1) select * from t) > 1", "not allowed"),
    ("a in unnest(array(1))", "not allowed"),
    # functions that reach outside
    ("java_method('java.lang.Runtime', 'getRuntime')", "java_method"),
    ("reflect('java.lang.System', 'exit', '0')", "reflect"),
    ("read_files('/etc/passwd')", "read_files"),
    ("input_file_name() = 'x'", "input_file_name"),
    ("from_json(name, 'x int')", "not allowed"),
    ("xpath_string(name, 'x')", "xpath_string"),
    ("ai_query('model', name)", "ai_query"),
    ("some_udf(a)", "some_udf"),
    ("spark_catalog.default.some_udf(a)", "not allowed"),
    # clocks and chance
    ("current_date > day", "as_of"),
    ("current_date() > day", "as_of"),
    ("now() > day", "now"),
    ("current_timestamp() > day", "as_of"),
    ("unix_timestamp() > a", "not allowed"),
    ("rand() > 0.5", "same value every time"),
    ("uuid() = name", "same value every time"),
    ("current_user() = name", "not allowed"),
    ("monotonically_increasing_id() > 1", "monotonically_increasing_id"),
    # windows, aggregates, generators
    ("row_number() over (order by a) > 1", "feature"),
    ("sum(a) > 1", "feature"),
    ("max(a) over () > 1", "feature"),
    ("explode(array(a))", "not allowed"),
    ("transform(array(a), x -> x) is null", "not allowed"),
    # names in quotes, of several parts, paths
    ("`a` > 1", "`"),
    ("t.a > 1", "several parts"),
    ("parquet.`/etc/passwd`", "`"),
    ("a.b.c > 1", "several parts"),
    ("customer_id = '17'", "no such column"),
    ("localtime > a", "no such column"),
    # text that hides
    ("a > 1 -- or true", "description"),
    ("a > 1 /* or true */", "description"),
    ("a > 1 or name = 'x\\' or 1=1'", "escapes"),
    ("${a} > 1", "value itself"),
    ("{{ a }} > 1", "value itself"),
    (":a > 1", "value itself"),
    ("a > ?", "value itself"),
    ("@a > 1", "variables"),
    ("a\u202e > 1", "printable"),
    ("a > 1\x00", "printable"),
    ("", "one expression"),
    ("   ", "one expression"),
    ("*", "name the columns"),
    ("a as b", "remove 'as"),
    ("name = 'é<script>=#'", "literal"),
    # what would stop or slow the whole run
    ("a / b > 1", "try_divide"),
    ("a % b > 1", "try_divide"),
    ("a div b > 1", "try_divide"),
    ("cast(name as int) > 1", "try_cast"),
    ("name::int > 1", "try_cast"),
    ("try_cast(name as array<int>) is null", "try_cast"),
    ("name rlike '(a+)+$'", "$"),
    ("name rlike '(a+)+b'", "="),
    ("name like '%a%'", "="),
    ("repeat(name, 100000000) = 'x'", "repeat"),
    ("datediff(name, day) > 1", "date"),
    (" and ".join(["a > 1"] * 200), "feature"),
    ("(" * 2000 + "a" + ")" * 2000, ""),
    # not an expression of SQL at all
    ("a >", "not one Spark SQL expression"),
    ("drop table x", "not allowed"),
    ("select a", "not allowed"),
    ("a in b", "list of values"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "named"), REFUSED)
def test_what_is_not_listed_is_refused(text: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_expression(text, columns=COLUMNS, where="conf/labels/x/y.yml:7 value")
    assert named in str(refused.value)
    assert refused.value.where == "conf/labels/x/y.yml:7 value"
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("a >= 3", "boolean"),
        ("yes and not a between 1 and 2", "boolean"),
        ("name in ('x', 'y') or name is null", "boolean"),
        ("a", "integer"),
        ("floor(try_divide(a, 365.25))", "integer"),
        ("datediff(as_of, day)", "integer"),
        ("amount * 3 - amount", "decimal"),
        ("try_divide(amount, a)", "decimal"),
        ("round(score, 1)", "decimal"),
        ("greatest(a, b)", "integer"),
        ("case when a > 1 then 'x' when b > 1 then 'y' end", "string"),
        ("case greatest(a, b) when 0 then null when a then 'a' end", "string"),
        ("coalesce(name, 'none')", "string"),
        ("day", "date"),
        ("if(a > 1, date'2024-01-01', day)", "date"),
        ("try_cast(name as int)", "integer"),
    ],
)
def test_what_labels_need_is_allowed_and_typed(text: str, family: str) -> None:
    assert check_expression(text, columns=COLUMNS, where="here").family == family


def test_spark_gets_the_checked_tree_not_the_text() -> None:
    assert check_expression("A>1   or\n b<2", columns=COLUMNS | {"A": "BIGINT"}, where="here").sql == "A > 1 OR b < 2"
