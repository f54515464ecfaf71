"""The allow-list: every attack and every mistake is refused before Spark, with the text and what to write instead."""

from __future__ import annotations

import time

import pytest

from portrait.errors import ConfigurationError
from portrait.expressions.expression import check_expression

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
    ("pmod(a, b) > 1", "pmod"),
    ("power(a, 100) > 1", "not allowed"),
    ("concat(name, name) = 'x'", "not allowed"),
    ("rpad(name, 1000000000, 'x') = 'y'", "not allowed"),
    ("regexp_replace(name, '(a+)+b', '') = 'x'", "not allowed"),
    ("split(name, 'x') is null", "not allowed"),
    ("a = 99999999999999999999999999999999999999999", "18 digits"),
    ("day > date'2024-02-31'", "invalid date literal"),
    ("day > date'yesterday'", "invalid date literal"),
    ("round(score, 1000) > 1", "digits"),
    ("round(score, a) > 1", "digits"),
    ("greatest(a) > 1", "at least two"),
    ("if(yes, a)", "three arguments"),
    # types that Spark would cast, and fail on the first row that cannot be
    ("name > 3", "integer and string do not go together"),
    ("name = 3", "integer and string do not go together"),
    ("a in (1, 'x')", "integer and string do not go together"),
    ("day > '2024-01-01'", "date and string do not go together"),
    ("day - as_of > 3", "datediff"),
    ("name + 1 > 3", "a number is needed"),
    ("a and yes", "this is integer, and boolean is needed"),
    ("not name", "this is string, and boolean is needed"),
    ("case when a then 1 end", "this is integer, and boolean is needed"),
    ("case when yes then 1 when not yes then 'x' end", "integer and string do not go together"),
    ("case name when 1 then 'x' end", "integer and string do not go together"),
    ("coalesce(name, 0)", "integer and string do not go together"),
    ("if(yes, day, 0)", "date and integer do not go together"),
    ("lower(a) = 'x'", "string is needed"),
    ("abs(name) > 1", "a number is needed"),
    ("year(name) > 2000", "date column"),
    ("a = null", "a is null"),
    ("a <> null", "a is null"),
    ("name in ('x', null)", "a is null"),
    ("a is true", "boolean is needed"),
    ("datediff(month, day, as_of) > 3", "not allowed"),
    # other ways out
    ("sys_context('x')", "sys_context"),
    ("load_file('x') = 'y'", "load_file"),
    ("current_catalog() = name", "not allowed"),
    ("session_user() = name", "not allowed"),
    ("version() = name", "not allowed"),
    ("assert_true(yes)", "assert_true"),
    ("raise_error('x')", "raise_error"),
    ("sleep(1000)", "sleep"),
    ("shuffle(array(a)) is null", "not allowed"),
    ("stack(2, a, b) > 1", "not allowed"),
    ("schema_of_json('x') = name", "schema_of_json"),
    ("python_udf(a) > 1", "python_udf"),
    ("a > (values (1))", "not allowed"),
    ("a > all (select 1)", "not allowed"),
    ("a ~ 1 > 0", ""),
    ("a & b > 0", "not allowed"),
    ("a << 63 > 0", "not allowed"),
    ("struct(a, b) is null", "not allowed"),
    ("map(a, b) is null", "not allowed"),
    ("a[0] > 1", "not allowed"),
    ("name collate unicode = 'x'", "not allowed"),
    ("interval 1 day > interval 2 day", "not allowed"),
    ("parquet.tmp > 1", "several parts"),
    ("a > 1 or", "not one Spark SQL expression"),
    ("insert into x values (1)", "not allowed"),
    ("delete from x", "not allowed"),
    ("create table x (a int)", "not allowed"),
    ("set spark.sql.ansi.enabled = false", "not allowed"),
    ("use gold", "not allowed"),
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
    ("text", "named"),
    [
        ("name = '" + "x" * 5_000_000 + "'", "more than 4000 characters"),
        (" and ".join(["a > 1"] * 300_000), "more than 4000 characters"),
        ("(" * 1900 + "yes" + ")" * 1900, "not one Spark SQL expression"),
        ("(" * 60 + "yes" + ")" * 60, "not one Spark SQL expression"),
        ("not " * 390 + "yes", "not one Spark SQL expression"),
        ("a > " + "- " * 390 + "1", "nested deeper than 150"),
        ("a in (" + ", ".join(["1"] * 410) + ")", "more than 400 terms"),
    ],
    ids=["text", "conditions", "parentheses", "fewer parentheses", "not", "minus", "list"],
)
def test_what_would_keep_parsers_busy_is_refused_at_once(text: str, named: str) -> None:
    started = time.process_time()
    with pytest.raises(ConfigurationError, match=named) as refused:
        check_expression(text, columns=COLUMNS, where="x")
    assert time.process_time() - started < 1
    assert len(str(refused.value)) < 400


def test_eighty_conditions_are_not_too_many() -> None:
    assert check_expression(" and ".join(["a > 1"] * 80), columns=COLUMNS, where="x").family == "boolean"


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
        ("a != 3 and b == 4", "boolean"),
        ("not (a > 1 or b > 1) and name <> 'x'", "boolean"),
        ("a is not null and name is null", "boolean"),
        ("yes is true", "boolean"),
        ("yes is not false", "boolean"),
        ("yes = false", "boolean"),
        ("a <=> b", "boolean"),
        ("name is distinct from 'x'", "boolean"),
        ("a between 0 and b", "boolean"),
        ("amount between 0.01 and 99.99", "boolean"),
        ("day between date'2024-01-01' and as_of", "boolean"),
        ("a not between 1 and 2", "boolean"),
        ("name not in ('x', 'y')", "boolean"),
        ("a in (1, 2, 3)", "boolean"),
        ("day in (date'2024-01-01', date'2024-07-01')", "boolean"),
        ("a + b - 3 * a > 0", "boolean"),
        ("-a < 0", "boolean"),
        ("abs(amount) > 1000", "boolean"),
        ("(a + b) * 2", "integer"),
        ("a * 0.5", "decimal"),
        ("a * score", "decimal"),
        ("try_divide(a, b) >= 0.5", "boolean"),
        ("round(try_divide(amount, a), 2)", "decimal"),
        ("ceil(score)", "integer"),
        ("ceiling(amount)", "integer"),
        ("sign(amount)", "integer"),
        ("year(day)", "integer"),
        ("month(as_of) = 12 and day(as_of) > 20", "boolean"),
        ("quarter(as_of)", "integer"),
        ("dayofmonth(day)", "integer"),
        ("datediff(as_of, day) <= 365", "boolean"),
        ("year(as_of) - year(day)", "integer"),
        ("nvl(name, 'none')", "string"),
        ("ifnull(a, 0) + ifnull(b, 0)", "integer"),
        ("coalesce(a, b, 0) > 0", "boolean"),
        ("nullif(name, '')", "string"),
        ("nullif(a, 0)", "integer"),
        ("least(a, b, 10)", "integer"),
        ("greatest(amount, 0)", "decimal"),
        ("upper(trim(name)) = 'X'", "boolean"),
        ("lower(name)", "string"),
        ("length(name) > 3", "boolean"),
        ("if(yes, 'yes', null)", "string"),
        ("if(a > b, a, b)", "integer"),
        ("case when yes then 1 else null end", "integer"),
        ("case when a > 1 then amount when b > 1 then score end", "decimal"),
        ("case name when 'x' then 'first' when 'y' then 'second' else null end", "string"),
        ("case when a > 1 then case when b > 1 then 'both' end end", "string"),
        ("case when day is null then null when day > date'2020-01-01' then 'new' end", "string"),
        ("try_cast(name as decimal(18,2)) > 10.5", "boolean"),
        ("try_cast(name as date) > day", "boolean"),
        ("a\n  is null", "boolean"),
        ("(a > 1) = yes", "boolean"),
        ("((a))", "integer"),
    ],
)
def test_what_labels_need_is_allowed_and_typed(text: str, family: str) -> None:
    assert check_expression(text, columns=COLUMNS, where="here").family == family


def test_spark_gets_the_checked_tree_not_the_text() -> None:
    assert check_expression("A>1   or\n b<2", columns=COLUMNS | {"A": "BIGINT"}, where="here").sql == "A > 1 OR b < 2"
