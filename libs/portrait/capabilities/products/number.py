"""The unique number of a configured product: template, version, hash of its terms, check digits. Nothing of Spark.

number = template (4) + version (2) + the first 8 characters of base32(sha256(canonical JSON of the terms)) + 2 check
digits of ISO 7064 MOD 97-10, as IBANs have them. Equal terms of a template and version have one number for ever.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from portrait.errors import ConfigurationError

TEMPLATE: Final = r"[A-Z]{2}[0-9]{2}"
VERSION: Final = r"[0-9]{2}"
HASH: Final = 8
"""Characters of the hash, 5 bits each."""
SCALES: Final = {"annual_rate": 4, "fee_rate": 4, "start_amount": 2, "yearly_fee": 2}
"""Digits after the point with which terms are written."""
_NUMBER: Final = re.compile(rf"({TEMPLATE})({VERSION})([A-Z2-7]{{{HASH}}})([0-9]{{2}})")
_LENGTH: Final = 16
_REMEDY: Final = "numbers look like TD01012GCEQQ4F91: copy it again; `portrait product list` has those that were issued"


def canonical_terms(terms: Mapping[str, object]) -> str:
    """Terms as JSON that is the same for equal terms: keys in order, no spaces, decimals as text of a fixed scale.

    A term that is None or an empty list does not apply, and is left out.

    >>> canonical_terms({"start_amount": Decimal("50000"), "currency": "CNY", "holding_days": 180, "benefits": []})
    '{"currency":"CNY","holding_days":180,"start_amount":"50000.00"}'
    """
    given = {name: _plain(name, value) for name, value in terms.items() if value is not None and value != []}
    return json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(name: str, value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:.{SCALES.get(name, 2)}f}"
    return value.isoformat() if isinstance(value, date) else value


def check_digits(text: str) -> str:
    """The two digits that make `text` a number whose remainder by 97 is 1 (ISO 7064 MOD 97-10).

    >>> check_digits("TD01012GCEQQ4F")
    '91'
    """
    return f"{98 - _remainder(text + '00'):02d}"


def _remainder(text: str) -> int:
    """What is left of the number by 97; a letter is two digits, A = 10 to Z = 35."""
    return int("".join(str(int(character, 36)) for character in text)) % 97


def product_number(template: str, version: str, canonical: str) -> str:
    """The number of the terms, as `canonical_terms` writes them, of a template and its version."""
    digest = hashlib.sha256(canonical.encode("utf-8")).digest()
    body = template + version + base64.b32encode(digest).decode("ascii")[:HASH]
    return body + check_digits(body)


def checked_number(given: str) -> tuple[str, str, str]:
    """The number without spaces, in capitals, with its template and version.

    Raises ConfigurationError that says what is wrong with it: its length, a character, or the check digits.
    """
    number = re.sub(r"[\s-]", "", given).upper()
    shown = repr(number[:40])
    if len(number) != _LENGTH:
        raise ConfigurationError(
            f"{shown} has {len(number)} characters; a product number has {_LENGTH}", where="NUMBER", remedy=_REMEDY
        )
    parts = _NUMBER.fullmatch(number)
    if parts is None:
        raise ConfigurationError(
            f"{shown} is not made as product numbers are: two letters and two digits (template), two digits (version), "
            f"{HASH} of A-Z and 2-7, two check digits",
            where="NUMBER",
            remedy=_REMEDY,
        )
    if _remainder(number) != 1:
        raise ConfigurationError(
            f"the check digits {number[-2:]} do not belong to {number[:-2]}: a character is wrong or misplaced",
            where="NUMBER",
            remedy=_REMEDY,
        )
    return number, parts[1], parts[2]
