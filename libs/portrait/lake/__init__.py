"""The only door to storage: Delta tables below one root, written one run at a time, published by one pointer."""

from portrait.lake.compaction import compact_records
from portrait.lake.digest import digest
from portrait.lake.lake import Lake
from portrait.lake.lease import Lease
from portrait.lake.publication import (
    Publication,
    publications,
    publish,
    published_slice,
    register_views,
    rollback,
    slice_at,
)
from portrait.lake.records import Write

__all__ = [
    "Lake",
    "Lease",
    "Publication",
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
