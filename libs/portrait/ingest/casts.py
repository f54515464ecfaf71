"""From a text to a value of its column's type: exactly, or not at all.

Accepted is what common systems write by default; a cast that would lose digits, guess a date or read `y` as true fails.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.contracts import Column as ContractColumn
from portrait.contracts.contract import quoted

_DAY = r"\d{4}-\d{2}-\d{2}"
_DATE = rf"^{_DAY}$"
# What pandas and SQL Server make of a day: accepted at midnight exactly, and without an offset, which would move it.
_MIDNIGHT = rf"^{_DAY}[ Tt]00:00:00(\.0+)?$"
_WHOLE = r"^[+-]?\d+\.0*$"
_TIMESTAMP = rf"^{_DAY}[ T]\d{{2}}:\d{{2}}:\d{{2}}(\.\d{{1,6}})?(Z|[+-]\d{{2}}:\d{{2}})?$"
# Further spellings: day, clock, fraction (whole in microseconds), zone as Postgres, SQL Server and Java write it.
_ZONE = r"[Zz]|[Uu][Tt][Cc]|([+-]\d{2})(?::?(\d{2}))?"
_ANY_TIMESTAMP = rf"^({_DAY})[ Tt](\d{{2}}:\d{{2}}:\d{{2}})(?:(\.\d{{1,6}})0*)?(?: ?(?:{_ZONE}))?$"


def cast_exactly(column: ContractColumn) -> Column:
    """The column's text as its type, null where it is not exactly that."""
    name, kind = quoted(column.name), column.physical_type
    cast = f"try_cast({name} as {kind})"
    if kind == "STRING":
        return F.col(column.name)
    if kind == "DATE":
        midnight = f"when {name} rlike r'{_MIDNIGHT}' then try_cast(left({name}, 10) as date)"
        return F.expr(f"case when {name} rlike r'{_DATE}' then {cast} {midnight} end")
    if kind == "TIMESTAMP":
        usual = f"case when {name} rlike r'{_TIMESTAMP}' then {cast} end"
        return F.expr(f"coalesce({usual}, case when {name} rlike r'{_ANY_TIMESTAMP}' then {_respelled(name)} end)")
    if kind == "BOOLEAN":
        return F.expr(f"case when lower({name}) in ('true', 'false', 't', 'f') then {cast} end")
    if kind == "DOUBLE":
        return F.expr(f"case when abs({cast}) < double('infinity') then {cast} end")
    if kind.startswith("DECIMAL"):
        # A cast rounds: 0.005 would become 0.01. More digits than the type keeps are accepted only when they are zeros.
        scale = int(kind.rstrip(")").split(",")[1])
        short = f"instr({name}, '.') = 0 or length({name}) - instr({name}, '.') <= {scale}"
        no_exponent = f"instr({name}, 'e') = 0 and instr({name}, 'E') = 0"
        exact = f"({short}) and {no_exponent} or try_cast({name} as decimal(38, 18)) = {cast}"
        return F.expr(f"case when {exact} then {cast} end")
    # An integer column that pandas read with gaps is written 2.0. An exponent is refused: it hides lost digits.
    whole = f"when {name} rlike r'{_WHOLE}' then try_cast(substring_index({name}, '.', 1) as {kind})"
    return F.expr(f"case when {cast} is not null then {cast} {whole} end")


def _respelled(name: str) -> str:
    """SQL for a text that matches `_ANY_TIMESTAMP`; 24:00:00 is 00:00:00 of the next day."""
    day, clock, fraction, hours, minutes = (f"regexp_extract({name}, r'{_ANY_TIMESTAMP}', {n})" for n in range(1, 6))
    utc = f"if({name} rlike '[ZzCc]$', 'Z', '')"
    zone = f"if({hours} = '', {utc}, concat({hours}, ':', if({minutes} = '', '00', {minutes})))"
    next_day = f"cast(date_add(try_cast({day} as date), 1) as string)"
    midnight = f"if({fraction} rlike '[1-9]', null, try_cast(concat({next_day}, ' 00:00:00', {zone}) as timestamp))"
    instant = f"try_cast(concat({day}, ' ', {clock}, {fraction}, {zone}) as timestamp)"
    return f"if({clock} = '24:00:00', {midnight}, {instant})"
