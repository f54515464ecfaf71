"""A slice that the configuration names is an input like the slice before: recomputed, it makes a job stale."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from portrait.contracts import job_graph, load_catalogue
from portrait.lake import Lake, Lease
from portrait.run.staleness import fixed_slices, input_stamps

MODEL = "gold.value_model"
JUNE, JULY, AUGUST = date(2025, 6, 30), date(2025, 7, 31), date(2025, 8, 31)


@pytest.fixture
def conf(tmp_path: Path, conf_dir: Path) -> Path:
    """A scale and a reference that are those of June."""
    value = yaml.safe_load((conf_dir / "score.yml").read_text())
    (tmp_path / "contribution.yml").write_text((conf_dir / "contribution.yml").read_text())
    trust = yaml.safe_load((conf_dir / "trust.yml").read_text())
    value["rfm"]["scale_of"] = trust["reference"] = JUNE
    (tmp_path / "score.yml").write_text(yaml.safe_dump(value))
    (tmp_path / "trust.yml").write_text(yaml.safe_dump(trust))
    return tmp_path


def test_slices_that_the_configuration_names_count_for_later_ones_alone(conf: Path, conf_dir: Path) -> None:
    assert fixed_slices(conf, AUGUST) == {MODEL: JUNE, "gold.label_statistics": JUNE}
    assert fixed_slices(conf, JUNE) == {}
    assert fixed_slices(conf_dir, AUGUST) == {}


@pytest.mark.delta
def test_a_job_is_stale_when_the_named_slice_was_made_again(
    spark: SparkSession, tmp_path: Path, schemas_dir: Path
) -> None:
    catalogue = load_catalogue(schemas_dir)
    job = next(job for job in job_graph(catalogue) if job.name == "customer_value")

    def stamps(*days: date) -> dict[str, str]:
        """What August would read after one more run made these slices."""
        with Lease(tmp_path) as lease:
            lake = Lake(spark, tmp_path, catalogue, lease=lease)
            for day in days:
                lake.replace(MODEL, spark.createDataFrame([], catalogue.table(MODEL).struct_type), day)
                lake.complete("customer_value", as_of=day, inputs={}, seconds=0.0)
            return input_stamps(lake, job, AUGUST, fixed={MODEL: JUNE})

    before = stamps(JUNE, JULY)
    assert before.keys() >= {f"{MODEL}@{JUNE}", f"{MODEL}@{JULY}"}
    again = stamps(JUNE)
    assert {key for key in again if again[key] != before[key]} == {f"{MODEL}@{JUNE}"}
