"""Names of a package that are imported when they are asked for.

A command that only looks needs a few modules of a package whose other modules import Spark; with the names of the
package in a mapping it does not wait for these. Type checkers read the imports below `if TYPE_CHECKING`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def exports(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package; `places`: each name that it exports, and the module that has it."""

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(places[name]), name)
        setattr(sys.modules[package], name, found)  # asked for once
        return found

    return get
