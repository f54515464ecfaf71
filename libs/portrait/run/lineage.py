"""Which tables a job read and wrote, as OpenLineage events: one JSON file a job of a run, below `<lake>/ops/lineage`.

The format is OpenLineage 2 (https://openlineage.io/spec), the classes are those of its own client; an event can be
posted to any server that speaks it. Facts about tables only: names, versions, columns with types and meaning, counts.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
from openlineage.client.generated.error_message_run import ErrorMessageRunFacet
from openlineage.client.generated.output_statistics_output_dataset import OutputStatisticsOutputDatasetFacet
from openlineage.client.generated.parent_run import Job as ParentJob
from openlineage.client.generated.parent_run import ParentRunFacet
from openlineage.client.generated.parent_run import Run as ParentRun
from openlineage.client.generated.schema_dataset import SchemaDatasetFacet, SchemaDatasetFacetFields
from openlineage.client.generated.symlinks_dataset import Identifier, SymlinksDatasetFacet
from openlineage.client.serde import Serde

from portrait import __version__
from portrait.lake import Lake, Write
from portrait.lake.runs import RunStatus

NAMESPACE = "portrait"
PRODUCER = f"urn:portrait:{__version__}"
SUITE = "suite"


def record_job(lake: Lake, job: str, *, inputs: dict[str, str], rows: Mapping[Write, int | None]) -> Path:
    """The event of a job that succeeded; `inputs` are the stamps of what it read, `rows` what it wrote."""
    event = _event(lake, job, RunState.COMPLETE, [_input(lake, table, stamp) for table, stamp in inputs.items()])
    event.outputs = [_output(lake, write, count) for write, count in rows.items()]
    suite = ParentRunFacet(run=ParentRun(_run_id(lake, SUITE)), job=ParentJob(NAMESPACE, SUITE))
    event.run.facets = {"parent": suite}
    return _write(lake, event, job)


def record_run(lake: Lake, status: RunStatus, message: str | None = None) -> Path:
    """The event of a run as a whole: `done`, or `refused` and `failed` with the reason."""
    event = _event(lake, SUITE, RunState.COMPLETE if status == RunStatus.DONE else RunState.FAIL, [])
    if message is not None:
        event.run.facets = {"errorMessage": ErrorMessageRunFacet(message=message, programmingLanguage="PYTHON")}
    return _write(lake, event, SUITE)


def _event(lake: Lake, job: str, state: RunState, inputs: list[InputDataset]) -> RunEvent:
    return RunEvent(
        eventTime=datetime.now(UTC).isoformat(),
        eventType=state,
        producer=PRODUCER,
        run=Run(_run_id(lake, job)),
        job=Job(NAMESPACE, job),
        inputs=inputs,
    )


def _run_id(lake: Lake, job: str) -> str:
    # The same for a job that was resumed: OpenLineage merges events of one id.
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{lake.root.as_uri()}#{lake.run_number}/{job}"))


def _facets(lake: Lake, table: str, version: str | None) -> dict[str, Any]:
    contract = lake.catalogue.table(table)
    fields = [
        SchemaDatasetFacetFields(name=column.name, type=column.physical_type, description=column.description)
        for column in contract.columns
    ]
    facets: dict[str, Any] = {
        "schema": SchemaDatasetFacet(fields=fields),
        "symlinks": SymlinksDatasetFacet([Identifier(namespace=NAMESPACE, name=table, type="TABLE")]),
    }
    if version is not None:
        facets["version"] = DatasetVersionDatasetFacet(datasetVersion=version)
    return facets


def _input(lake: Lake, table: str, stamp: str) -> InputDataset:
    name = table.split("@")[0]
    return InputDataset("file", str(lake.path(name)), facets=_facets(lake, name, stamp))


def _output(lake: Lake, write: Write, count: int | None) -> OutputDataset:
    rows = OutputStatisticsOutputDatasetFacet(rowCount=count)
    facets = _facets(lake, write.table, f"version {write.version}")
    return OutputDataset("file", str(lake.path(write.table)), facets=facets, outputFacets={"outputStatistics": rows})


def _write(lake: Lake, event: RunEvent, job: str) -> Path:
    folder = lake.root / "ops" / "lineage" / f"{lake.run_number:06d}"
    folder.mkdir(parents=True, exist_ok=True)
    file, draft = folder / f"{job}.json", folder / f".{job}.draft"
    draft.write_text(Serde.to_json(event), encoding="utf-8")
    draft.replace(file)  # a reader sees a whole event or none
    return file
