"""Paths as Spark's readers take them.

A reader takes its path for a pattern: `Bank [test] {1}` would match other folders or none. Writers do not.
"""

from __future__ import annotations

import re
from pathlib import Path

_SPECIAL = re.compile(r"([\\{}\[\]*?])")


def as_named(path: Path | str) -> str:
    r"""The path with each character of a pattern escaped, so that a reader finds what has exactly this name.

    >>> as_named("lakes/Bank [test] {1}")
    'lakes/Bank \\[test\\] \\{1\\}'
    """
    return _SPECIAL.sub(r"\\\1", str(path))
