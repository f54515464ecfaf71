"""Silver: versions of entities, resolved transactions, closing balances. Pure transforms; the jobs read and write."""

from portrait.entities.versions import as_of

__all__ = ["as_of"]
