"""What the model of purchases says about products, for who ranks them; and where it says it."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.lake import Lake

QUALITY = "gold.recommendation_quality"
RECOMMENDED = "gold.shopping_recommendations"


def product_affinities(lake: Lake, as_of: date) -> tuple[DataFrame | None, str | None]:
    """What gold.shopping_recommendations says about products; or None, and why no model is used."""
    if as_of not in lake.slices(QUALITY):
        return None, "what customers buy was not judged for this day"
    chief = lake.slice(QUALITY, as_of).where("basis = 'new' and kind = 'all' and method = 'als'").collect()[0]
    if not chief["used"]:
        return None, chief["reason"]
    return lake.slice(RECOMMENDED, as_of).where(F.col("kind") == "product"), None
