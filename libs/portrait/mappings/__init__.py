"""Mapping files: how the files of a source, as they are, become records of the bank's feeds.

`model` is the form of a file, `load` reads and checks all of them before Spark starts, `claims` says which mapping a
landed file belongs to. What applies them to rows is a part of ingest (`portrait.ingest.mapped`).
"""

from typing import TYPE_CHECKING

from portrait.lazy import exports

if TYPE_CHECKING:
    from portrait.mappings.load import load_mappings
    from portrait.mappings.model import ColumnMapping, FileFormat, FileMapping, Snapshot
    from portrait.mappings.source import Mappings, SourceMapping

_PLACES = {
    "ColumnMapping": "portrait.mappings.model",
    "FileFormat": "portrait.mappings.model",
    "FileMapping": "portrait.mappings.model",
    "Mappings": "portrait.mappings.source",
    "Snapshot": "portrait.mappings.model",
    "SourceMapping": "portrait.mappings.source",
    "load_mappings": "portrait.mappings.load",
}
__all__ = [
    "ColumnMapping",
    "FileFormat",
    "FileMapping",
    "Mappings",
    "Snapshot",
    "SourceMapping",
    "load_mappings",
]
if not TYPE_CHECKING:  # or type checkers would take any name for one of the package
    __getattr__ = exports(__name__, _PLACES)
