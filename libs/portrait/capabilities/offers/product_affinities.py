"""What the model of purchases says about products, for who ranks them; and where it says it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.lake import Lake

QUALITY = "gold.recommendation_quality"
RECOMMENDED = "gold.shopping_recommendations"


def product_affinities(lake: Lake, as_of: date) -> tuple[DataFrame | None, str | None]:
    """What gold.shopping_recommendations says about products; or None, and why it is not used."""
    if as_of not in lake.slices(QUALITY):
        return None, "what customers buy was not judged for this day"
    measured = lake.slice(QUALITY, as_of).where("basis = 'new' and method = 'als'").collect()  # a row per kind of item
    why = why_not_used({row["kind"]: row.asDict() for row in measured})
    return (None, why) if why else (lake.slice(RECOMMENDED, as_of).where(F.col("kind") == "product"), None)


def why_not_used(measured: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Why products are ranked without the model; None: with it. `measured`: kind to its row on new items.

    The model is judged on all new items. Few customers open a product within the days held out, so that products alone
    seldom prove anything; but where they show that it ranks worse than popularity, it does not rank them.
    """
    chief, products = measured["all"], measured.get("product")
    if not chief["used"]:
        return str(chief["reason"])
    high = products["difference_high"] if products else None
    if high is not None and high < 0:
        assert products is not None
        return (
            f"it ranks new products worse than popularity does: difference of NDCG {products['difference']:+.4f} "
            f"({products['difference_low']:+.4f} to {high:+.4f})"
        )
    return None
