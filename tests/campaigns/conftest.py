"""Hillstrom's e-mail experiment, where it is at hand."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.conftest import SHARED_DATA

FILE = SHARED_DATA / "hillstrom" / "hillstrom.csv.gz"


@pytest.fixture(scope="session")
def hillstrom(spark: SparkSession) -> dict[str, DataFrame]:
    """mail -> rows with that mail and without any; `mailed` 1 or 0."""
    if not FILE.is_file():
        pytest.skip(f"real data is absent: {FILE.name} (set PORTRAIT_TEST_DATA to the folder that holds hillstrom/)")
    rows = spark.read.csv(str(FILE), header=True, inferSchema=True)
    mails = {"women's": "Womens E-Mail", "men's": "Mens E-Mail"}
    return {
        name: rows.where(F.col("treatment").isin(mail, "No E-Mail"))
        .withColumn("mailed", (F.col("treatment") == mail).cast("int"))
        .cache()
        for name, mail in mails.items()
    }
