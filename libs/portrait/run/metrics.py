"""The newest run as a text file for Prometheus' node exporter (textfile collector), or for anything that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from portrait.errors import PortraitError
from portrait.lake.runs import RunStatus


def write_metrics(
    file: Path,
    *,
    run: int | None,
    status: RunStatus,
    seconds: float,
    jobs: Mapping[str, float],
    rows: Mapping[str, int | None],
    served: date | None,
    products: Mapping[str, date] | None = None,
) -> None:
    """Replace the file, whole; raises PortraitError when its folder cannot be written.

    `run` is None for a run that failed before it had a number, `jobs` are seconds by job, `rows` what was written by
    table (None: Delta did not say), `served` the business date that readers see, None while nothing is published;
    `products` the same by data product.
    """
    registry = CollectorRegistry()

    def gauge(name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"portrait_{name}", meaning, labels, registry=registry)

    if run is not None:
        gauge("run_number", "Number of the newest run.").set(run)
    gauge("run_success", "1 when the newest run succeeded, 0 when it failed or was refused.").set(
        status == RunStatus.DONE
    )
    gauge("run_seconds", "Wall time of the newest run.").set(seconds)
    took = gauge("job_seconds", "Wall time of a job that ran in the newest run.", "job")
    for job, duration in jobs.items():
        took.labels(job).set(duration)
    written = gauge("table_rows_written", "Rows that the newest run wrote.", "table")
    for table, count in rows.items():
        if count is not None:
            written.labels(table).set(count)
    if served is not None:
        midnight = datetime.combine(served, time(), UTC)
        gauge("served_as_of_timestamp_seconds", "Midnight UTC of the business date that readers see.").set(
            midnight.timestamp()
        )
    by_product = gauge(
        "product_served_as_of_timestamp_seconds",
        "The same by data product: one that is refused stays behind.",
        "product",
    )
    for product, day in (products or {}).items():
        by_product.labels(product).set(datetime.combine(day, time(), UTC).timestamp())
    try:
        write_to_textfile(str(file), registry)
    except OSError as error:
        raise PortraitError(
            "the file of metrics cannot be written", where=str(file), remedy="correct the setting `metrics`"
        ) from error
