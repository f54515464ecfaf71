"""UUIDs that are the same in every bundle, so that a second import updates what the first one made."""

from __future__ import annotations

import uuid

_NAMESPACE = uuid.UUID("6f0e0d2e-3f0a-5d0c-9a53-70727472616b")


def identity(kind: str, name: str) -> str:
    """The UUID of a database, dataset, chart or dashboard of that name."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}/{name}"))
