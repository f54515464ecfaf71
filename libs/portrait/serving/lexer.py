"""The words of a statement as Spark's own lexer sees them, without its comments.

What is checked and what Spark gets is one text, from which every comment and hint is gone, so that nothing can hide in
a place that one parser passes over and another one reads. Grammar: `SqlBaseLexer.g4` of Spark 4.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from portrait.errors import ConfigurationError

# A comment may go on behind a backslash at the end of its line; brackets in brackets are closed differently by
# different parsers (a hint in a comment is none to Spark), so they are refused.
_LINE_COMMENT = re.compile(r"--(?:\\\n|[^\r\n])*")
_QUOTED = re.compile(
    r"""
    (?P<string> [rR]'[^']*' | [rR]"[^"]*" | '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" )
    | (?P<name> `(?:[^`]|``)*` )
    """,
    re.DOTALL | re.VERBOSE,
)
_WORD = re.compile(r"\w+")
_SYMBOLS = frozenset("()[]<>=!,.:;+-*/%&|^~")


class Refused(ConfigurationError):
    """A statement that this server does not run; nothing of it reached Spark."""


@dataclass(frozen=True)
class Token:
    """A piece of a statement: kind is word, name (in back quotes), string or symbol."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def identifier(self) -> str:
        """The lower-case name that Spark looks up for a word or a quoted name."""
        return (self.text[1:-1].replace("``", "`") if self.kind == "name" else self.text).lower()


def read_tokens(statement: str) -> tuple[str, list[Token]]:
    """The statement without comments, and its tokens with their places in it.

    Raises Refused for what no lexer should have to guess: open quotes and comments, nested comments, parameters,
    variables and templates.
    """
    clean, tokens, place, length = "", [], 0, 0
    while place < len(statement):
        if statement[place].isspace():
            place, kind, piece = place + 1, "", " "
        elif comment := _comment(statement, place):
            place, kind, piece = place + len(comment), "", " "
        elif quoted := _QUOTED.match(statement, place):
            place, kind, piece = quoted.end(), str(quoted.lastgroup), quoted.group()
        elif word := _WORD.match(statement, place):
            place, kind, piece = word.end(), "word", word.group()
        else:
            place, kind, piece = place + 1, "symbol", _symbol(statement, place)
        if kind:
            tokens.append(Token(kind, piece, length, length + len(piece)))
        elif clean.endswith(" "):
            continue
        clean += piece
        length = len(clean)
    return clean, tokens


def _comment(statement: str, place: int) -> str:
    if line := _LINE_COMMENT.match(statement, place):
        return line.group()
    if not statement.startswith("/*", place):
        return ""
    end = statement.find("*/", place + 2)
    if end < 0:
        raise Refused("a comment has no end", where="/*", remedy="close it with */")
    if "/*" in statement[place + 2 : end]:
        raise Refused("comments in comments are not allowed", where="/* /*", remedy="write them one after another")
    return statement[place : end + 2]


def _symbol(statement: str, place: int) -> str:
    symbol = statement[place]
    if symbol in "'\"`":
        raise Refused("a quote has no end", where=symbol, remedy="close it; a quote inside text is written twice")
    if symbol not in _SYMBOLS:
        raise Refused(
            f"the character {symbol!r} is not allowed outside of quotes",
            where="the statement",
            remedy="write the value itself: variables, parameters and templates are not available",
        )
    return symbol
