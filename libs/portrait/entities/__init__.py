"""Silver: versions of entities, resolved transactions, closing balances. Pure transforms; the jobs read and write.

Exports nothing: who imports one module of it must not depend on the others, or a change of one makes every job stale.
"""
