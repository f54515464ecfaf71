"""In which encoding a text is written.

Detectors that judge a whole text by statistics need more of it than the few accented names of an export: they take
Czech for Western, or find nothing. Here the letters beside a to z are counted that a language of the encoding has.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Mapping, Sequence

_MARKS = (
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_LATIN = 0x24F  # the last of the letters that Latin scripts have
_PIECE = 4_000_000  # bytes in which letters are looked for


def detect_encoding(content: bytes, letters: Mapping[str, Sequence[str]]) -> tuple[str, str | None]:
    """The encoding, and why it is in doubt, if it is.

    `letters`: encoding to the letters of each language that is written in it, in order of preference.
    """
    for mark, name in _MARKS:
        if content.startswith(mark):
            return name, None
    head = content[:2000]
    if head and head.count(0) * 3 > len(head):  # every other byte of Latin text in UTF-16
        return ("UTF-16BE" if head[0] == 0 else "UTF-16LE"), None
    if _is_utf8(content):
        return "UTF-8", None
    piece = content[:_PIECE] if any(byte > 127 for byte in content[:_PIECE]) else content[-_PIECE:]
    scores = {name: _score(piece, name, languages) for name, languages in letters.items()}
    best = max(scores, key=lambda name: scores[name])
    text = piece.decode(best, errors="replace")
    rivals = [
        name
        for name, score in scores.items()
        if name != best and score >= scores[best] and piece.decode(name, errors="replace") != text
    ]
    doubt = f"{' or '.join(rivals)} would do as well" if rivals else None
    return best, "few of its letters are of a known language" if scores[best] < 0.5 else doubt


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(content) - 4 and error.reason == "unexpected end of data"
    return True


def _score(content: bytes, encoding: str, languages: Sequence[str]) -> float:
    """The share of the letters beside a to z that the best of the languages has."""
    text = content.decode(encoding, errors="replace")
    counted: Counter[str] = Counter()
    for place, sign in enumerate(text):
        if ord(sign) > 127:
            before, after = text[place - 1 : place], text[place + 1 : place + 2]
            inside = before.isalpha() and after.isalpha()
            if sign.isalpha() or inside or sign == "\N{REPLACEMENT CHARACTER}" or 128 <= ord(sign) < 160:
                # No word has a capital between small letters, or letters of two scripts.
                mixed = ord(sign) > _LATIN and any(side.isascii() and side.isalpha() for side in (before, after))
                torn = mixed or (sign.isupper() and before.islower())
                counted["" if torn else sign.lower()] += 1
    total = sum(counted.values())
    known = (sum(number for sign, number in counted.items() if sign and sign in set(each)) for each in languages)
    return max(known) / total if total else 0.0
