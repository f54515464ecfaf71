"""The columns that files of conf/prospects add to tables; who only looks reads them too, without Spark."""

from __future__ import annotations

from portrait.capabilities.prospects.declaration import target_columns

COLUMNS = {"gold.prospect_scores": target_columns}
"""Table to its columns, by `conf`."""
