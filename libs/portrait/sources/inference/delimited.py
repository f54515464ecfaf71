"""Delimiter, quote, header, banner and trailer of a text with delimiters.

The delimiter is the one with the highest product of how regular the rows become and how many of their cells are of a
known kind (van den Burg, Nazábal, Sutton: Wrangling messy CSV files by detecting row and type patterns, 2019).
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

_DELIMITERS = (",", ";", "\t", "|", "~", "^", " ")
_LINES = 300  # on which a delimiter is judged
_CELL = re.compile(
    r"""\s*(?:
    | [+-]?\d+(?:[.,\u00a0\u202f '\u2019]\d+)*[+-]?                    # a number
    | \d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[T ]\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})?)?  # a date
    | [^\W\d_][\w .'&/()%+*:#@!?-]*                                    # words
    | [\w.#*/-]+                                                       # a code
    )\s*""",
    re.VERBOSE,
)
_NUMBERS = re.compile(r"\d[\d., ]*\d|\d")
_NAME = re.compile(r"[^\W\d][\w .()/%#&'-]{0,60}")


@dataclass(frozen=True)
class Delimited:
    """How a text with delimiters is laid out, and its records as far as they were read."""

    delimiter: str
    quote: str | None
    skip_lines: int
    header: bool
    names: list[str]
    records: list[list[str]]
    trailer: str | None
    doubts: tuple[str, ...]


def delimited(text: str, *, rows: int, whole: bool) -> Delimited | None:
    """The text as records; None where no delimiter makes rows of several cells of it.

    `rows`: records to keep. `whole`: whether the text is all of the file; else its last line is none.
    """
    lines = text.splitlines(keepends=True)
    if not whole and len(lines) > 1:
        lines = lines[:-1]
    stated = re.fullmatch(r"\"?sep=(.)\"?\s*", lines[0], re.IGNORECASE) if lines else None
    delimiter, score = (stated[1], 1.0) if stated else _delimiter(lines[1 if stated else 0 :][:_LINES])
    if score == 0:
        return None
    quote = _quote(lines[:_LINES], delimiter)
    table = list(islice(_numbered("".join(lines), delimiter, quote), rows + 60))
    width = Counter(len(cells) for _, cells in table[: 10 * _LINES] if any(cells)).most_common(1)[0][0]
    start = _first(table, width)
    skip = table[start - 1][0] if start else 0
    body = [cells for _, cells in table[start:]]
    trailer, doubts = None, tuple[str, ...]()
    if whole:
        trailer, doubts = _trailer(body[:41], width, lines[max(skip, len(lines) - 41) :], delimiter, len(lines) - skip)
        while body and (not any(body[-1]) or (trailer and body[-1] == _last(lines, delimiter))):
            body.pop()
    header = _has_header(body)
    names = [cell.strip() for cell in body[0]] if header else []
    records = [cells for cells in body[1 if header else 0 :] if any(cells)]
    if odd := sum(len(cells) != width for cells in records):
        doubts = (*doubts, f"{odd:,} of {len(records):,} records do not have {width} cells")
    kept = [(cells + [""] * width)[:width] for cells in records[:rows]]
    return Delimited(delimiter, quote, skip, header, names, kept, trailer, doubts)


def _numbered(text: str, delimiter: str, quote: str | None) -> Iterator[tuple[int, list[str]]]:
    """Each record with the number of the line on which it ends."""
    csv.field_size_limit(16_000_000)
    lines = io.StringIO(text, newline="")
    if quote is None:
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=delimiter, quotechar=quote)
    return ((reader.line_num, cells) for cells in reader)


def _delimiter(lines: Sequence[str]) -> tuple[str, float]:
    scores = {sign: _score("".join(lines), sign) for sign in _DELIMITERS if any(sign in line for line in lines)}
    best = max(scores, key=lambda sign: scores[sign], default=",")
    return best, scores.get(best, 0.0)


def _score(text: str, delimiter: str) -> float:
    rows = [cells for _, cells in _numbered(text, delimiter, '"') if cells]
    widths = Counter(map(len, rows))
    if not rows or widths.most_common(1)[0][0] == 1:
        return 0.0
    pattern = sum(count * (width - 1) / width for width, count in widths.items()) / len(widths) / len(rows)
    cells = [cell for row in rows for cell in row]
    return pattern * sum(_CELL.fullmatch(cell) is not None for cell in cells) / len(cells)


def _quote(lines: Sequence[str], delimiter: str) -> str | None:
    """The quote that stands at ends of cells; `"` where none does, for it is what everybody means."""
    edge = re.escape(delimiter)
    counts = {
        sign: sum(len(re.findall(rf"(?:^|{edge}){sign}[^{sign}]*{sign}(?={edge}|\s*$)", line)) for line in lines)
        for sign in ('"', "'")
    }
    if counts["'"] > 2 * counts['"'] and counts["'"] >= len(lines) / 2:
        return "'"
    torn = sum(line.count('"') % 2 for line in lines)
    return None if counts['"'] == 0 and torn else '"'


def _first(table: Sequence[tuple[int, list[str]]], width: int) -> int:
    """The place of the first record of the table itself: banners above it are narrower, or mostly empty."""
    for place, (_, cells) in enumerate(table[:50]):
        if len(cells) == width and sum(bool(cell.strip()) for cell in cells) * 2 > width:
            return place
    return 0


def _last(lines: Sequence[str], delimiter: str) -> list[str]:
    """The cells of the last line that is not empty."""
    line = next((text for text in reversed(lines) if text.strip()), "")
    return next(iter(csv.reader([line], delimiter=delimiter)), [])


def _trailer(
    head: Sequence[list[str]], width: int, tail: Sequence[str], delimiter: str, lines: int
) -> tuple[str | None, tuple[str, ...]]:
    """The last line where it is none of the records, as a regular expression, and what is doubtful of it."""
    line = next((text.rstrip("\r\n") for text in reversed(tail) if text.strip()), "")
    last, before = _last(tail, delimiter), [cells for cells in head[1:-1] if any(cells)]
    if len(before) < 2 or not last:
        return None, ()
    narrow = len(last) != width or sum(map(bool, last)) * 2 < min(sum(map(bool, cells)) for cells in before)
    strange = bool(last[0]) and not last[0][0].isdigit() and all(cells[0][:1].isdigit() for cells in before)
    if not narrow and not strange:
        return None, ()
    possible = range(lines, max(lines - 6, 0), -1)  # with header, trailer and empty lines, or without
    counted = next((n for n in possible if re.search(rf"(?<!\d)0*{n}(?!\d)", line)), None)
    doubts = () if counted is not None else ("the last line is no record and does not say how many there are",)
    return trailer_pattern(line, counted), doubts


def trailer_pattern(line: str, records: int | None) -> str:
    """A regular expression for lines like this one; the number of records is its group `records`."""
    parts, end = [], 0
    for match in _NUMBERS.finditer(line):
        parts.append(re.sub(r"\\([ ;,|'\"=:/_-])", r"\1", re.escape(line[end : match.start()])))
        is_count = records is not None and match[0].lstrip("0") == str(records)
        parts.append(r"(?P<records>\d+)" if is_count else r"[\d., ]+")
        records = None if is_count else records
        end = match.end()
    return "".join(parts) + re.escape(line[end:]).replace(r"\;", ";")


def _has_header(body: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has names: words, each once, unlike the cells below them."""
    if len(body) < 2:
        return True
    names, rows = [cell.strip() for cell in body[0]], body[1:200]
    filled = [name for name in names if name]
    if len(set(filled)) < len(filled) or not all(_NAME.fullmatch(name) for name in filled) or not filled:
        return False
    votes = 0
    for place, name in enumerate(names):
        below = [row[place].strip() for row in rows if place < len(row) and row[place].strip()]
        if not name or not below:
            continue
        numeric = sum(cell[:1].isdigit() or cell[:1] in "+-" for cell in below) > len(below) / 2
        unlike = abs(len(name) - len(below[0])) > 1 or name.islower()
        votes += 2 if numeric else -2 if name in below else int(unlike)
    return votes > 0
