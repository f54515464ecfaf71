"""What is not an identifier: one policy for all feeds and formats.

Programs on the way damage identifiers: a spreadsheet writes 1.91431E+18, a data frame with gaps writes 692.0, an export
writes the word NULL. Such a text still joins with nothing, or with the wrong thing, so its row goes to quarantine under
the rule `<column>.identifier`. Nothing is repaired: which identifier was meant is not known here.

A contract states it by the column property `identifier`: `true`, or, where the bank's identifiers look damaged by
nature, a mapping with `accepts` (a regular expression of what is an identifier all the same) or `longest`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

POLICY = (
    "An identifier is kept exactly as it came. It is damaged, and its row is quarantined, when it "
    "is a number with an exponent (`1.91431E+18`) or with a fraction of zeros (`692.0`), "
    "is a word for nothing (`NULL`, `\\N`, `nan`, `None`, `NA`, `undefined`, `unknown`, `true`) or an error of a "
    "spreadsheet (`#N/A`, `#REF!`), has no letter and no digit (`-`), begins or ends with a blank or a quote, contains "
    "a double quote, a brace, a formula or an invisible character, or is longer than 64 characters. An optional "
    "reference may be null."
)

# Characters that nobody sees, anywhere: controls, formats (zero width, byte order mark), blanks other than the plain
# one, private use, fillers and variation selectors (letters and marks by their category), what a wrong encoding left.
_INVISIBLE = (
    r"[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\x{FFFD}\x{00A0}\x{1680}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}"
    r"\x{034F}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180B}-\x{180F}\x{2800}\x{3164}\x{FE00}-\x{FE0F}\x{FFA0}"
    r"\x{E0100}-\x{E01EF}]"
)
_NOTHING = (
    r"null|nul|nil|none|nan|nat|na|n/a|n\.a\.?|undefined|undef|unknown|missing|empty|blank|true|false|inf|infinity"
)
_DAMAGED = "|".join(
    [
        _INVISIBLE,
        r'["{}]',
        r"^[ '=]|[ ']$",
        r"^[^\p{L}\p{N}]*$",
        rf"^(?i:[-+(<\[]?(?:{_NOTHING})[)>\]]?|\\N)$",
        r"^#(?:N/A|NULL!|REF!|VALUE!|DIV/0!|NUM!|NAME\?|SPILL!|CALC!|FIELD!|BLOCKED!|CONNECT!|UNKNOWN!|GETTING_DATA)",
        r"^[-+]?\d+(?:[.,]\d*[eE][-+]?|[eE][-+])\d+$",
        r"^[-+]?\d+[.,]0+$",
    ]
)
"""Java's regular expression of a damaged identifier, to be searched for."""

# Those of them that Python takes for printable.
_BLANK_LETTERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\ufffd" + "".join(
    map(chr, range(0xFE00, 0xFE10))
)

_LONGEST = 64
# Nearly all identifiers: letters, digits, `_`, `-` and `:`, one digit at least. None is damaged. The most usual ones,
# letters and then digits, are tried first.
_CLEAN = r"(?:[A-Za-z_:-]*[0-9]+(?![^\n])|(?![0-9]+[eE]-)[A-Za-z_:-]*[0-9][A-Za-z0-9_:-]*)?"


@dataclass(frozen=True)
class Identifier:
    """What a column says of its identifiers: how long they may be, and what is one although it looks damaged."""

    longest: int = _LONGEST
    accepts: str | None = None

    @property
    def is_ordinary(self) -> bool:
        """Whether what `all_clean` lets pass is an identifier here."""
        return self.longest >= _LONGEST

    def predicate(self, column: str) -> str:
        """SQL that holds for an identifier; `column` is SQL."""
        sound = f"length({column}) <= {self.longest} and not {column} rlike {_literal(_DAMAGED)}"
        return sound if self.accepts is None else f"{column} rlike {_literal(self.accepts)} or ({sound})"


def identifier_of(value: Any) -> Identifier | None:
    """What a contract's `identifier` says; raises ValueError, with what is wrong, for anything but its known forms."""
    if isinstance(value, bool):
        return Identifier() if value else None
    if not isinstance(value, dict) or not value or set(value) - {"longest", "accepts"}:
        raise ValueError("write true, or a mapping with 'accepts' (a regular expression) or 'longest' (a number)")
    longest, accepts = value.get("longest", _LONGEST), value.get("accepts")
    if isinstance(longest, bool) or not isinstance(longest, int) or longest < 1:
        raise ValueError("'longest' must be a whole number of characters, 1 or more")
    if accepts is not None:
        try:
            if not isinstance(accepts, str) or re.compile(accepts).match(""):
                raise ValueError("'accepts' must be a regular expression that does not accept nothing, as '^[0-9]+$'")
        except re.error as error:
            raise ValueError(f"'accepts' is not a regular expression: {error}") from error
    return Identifier(longest, accepts)


def all_clean(columns: Sequence[str]) -> str:
    """SQL that holds when every one of some columns is null or plainly an identifier: one search for all of them.

    Where it does not hold, each column must be asked by its own `predicate`. Columns are SQL.
    """
    # Each on a line of its own: a line feed within a value makes one line too many.
    lines = ", '\\n', ".join(f"coalesce({column}, '')" for column in columns)
    short = " and ".join(f"coalesce(octet_length({column}) <= {_LONGEST}, true)" for column in columns)
    whole = _literal("^" + r"\n".join([_CLEAN] * len(columns)) + r"\z")
    return f"{short} and concat({lines}) rlike {whole}"


def visible(text: str) -> str:
    """A value in quotes, with invisible characters escaped: `'A1\\xa0'`."""
    return "".join(_escaped(one) if one in _BLANK_LETTERS else one for one in repr(text))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
