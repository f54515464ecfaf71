"""The only access to storage: Delta tables below one root, written one run at a time, published by one pointer."""

from typing import TYPE_CHECKING

from portrait.lazy import exports

if TYPE_CHECKING:
    from portrait.lake.compaction import compact_records
    from portrait.lake.digests import digest
    from portrait.lake.lake import Lake
    from portrait.lake.lease import Lease
    from portrait.lake.models import Model, ModelStore
    from portrait.lake.pointer import Publication
    from portrait.lake.publication import (
        publications,
        publish,
        published_slice,
        register_views,
        rollback,
        slice_at,
    )
    from portrait.lake.reader import Reader
    from portrait.lake.records import Write
    from portrait.lake.selection import Selection

_PLACES = {
    "Lake": "portrait.lake.lake",
    "Lease": "portrait.lake.lease",
    "Model": "portrait.lake.models",
    "ModelStore": "portrait.lake.models",
    "Publication": "portrait.lake.pointer",
    "Reader": "portrait.lake.reader",
    "Selection": "portrait.lake.selection",
    "Write": "portrait.lake.records",
    "compact_records": "portrait.lake.compaction",
    "digest": "portrait.lake.digests",
    "publications": "portrait.lake.publication",
    "publish": "portrait.lake.publication",
    "published_slice": "portrait.lake.publication",
    "register_views": "portrait.lake.publication",
    "rollback": "portrait.lake.publication",
    "slice_at": "portrait.lake.publication",
}
__all__ = [
    "Lake",
    "Lease",
    "Model",
    "ModelStore",
    "Publication",
    "Reader",
    "Selection",
    "Write",
    "compact_records",
    "digest",
    "publications",
    "publish",
    "published_slice",
    "register_views",
    "rollback",
    "slice_at",
]
if not TYPE_CHECKING:  # or type checkers would take any name for one of the package
    __getattr__ = exports(__name__, _PLACES)
