"""silver.configured_products: all numbers that were ever issued, with their terms."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.products.numbering import canonical
from portrait.errors import PortraitError
from portrait.lake import Lake
from portrait.spark.frames import frame_of

REGISTER = "silver.configured_products"


def issued_rows(offers: DataFrame, *, as_of: date) -> DataFrame:
    """One row per number and terms in gold.product_offers."""
    terms = offers.select("number", "template", "version", "kind", canonical().alias("terms"))
    return terms.distinct().withColumn("issued_on", F.lit(as_of))


def refuse_collisions(issued: DataFrame, known: DataFrame) -> None:
    """Raise PortraitError, naming both terms, where one number stands for two."""
    both = issued.select("number", "terms").union(known.select("number", "terms"))
    twice = both.groupBy("number").agg(F.min("terms").alias("one"), F.max("terms").alias("other"))
    for row in twice.where(F.col("one") != F.col("other")).orderBy("number").limit(1).collect():
        raise PortraitError(
            f"the number {row['number']} stands for two products: {row['one']} and {row['other']}",
            where=REGISTER,
            remedy="raise the version of the template in conf/products: its terms then get new numbers",
        )


def new_rows(issued: DataFrame, known: DataFrame) -> DataFrame:
    """The numbers that were not issued before."""
    return issued.join(known.select("number"), on="number", how="left_anti")


def issue(lake: Lake, offers: DataFrame, *, as_of: date) -> None:
    """Add the numbers of gold.product_offers that were not issued before; a collision is refused (see above)."""
    issued = issued_rows(offers, as_of=as_of)
    contract = lake.catalogue.table(REGISTER)
    known = lake.read(REGISTER) if lake.has(REGISTER) else frame_of(lake.spark, [], contract.struct_type)
    refuse_collisions(issued, known)
    lake.append(REGISTER, new_rows(issued, known))
