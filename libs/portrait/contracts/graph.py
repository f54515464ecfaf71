"""The job graph: which job writes which tables from which, derived from the contracts."""

from __future__ import annotations

from dataclasses import dataclass

from portrait.contracts.catalogue import Catalogue
from portrait.contracts.contract import Contract
from portrait.errors import ConfigurationError
from portrait.ordering import in_order

# Who writes a table without being a job of jobs/: the runner its records, commands what people did.
BOOKKEEPERS = {"runner": "the runner", "command": "a command of `portrait`", "models": "the model store"}


@dataclass(frozen=True)
class Job:
    """A job of `jobs/`: what it writes, what it needs, what it uses when present, where its settings are."""

    name: str
    writes: tuple[str, ...]
    reads: tuple[str, ...]
    reads_optional: tuple[str, ...]
    reads_previous: tuple[str, ...]
    config: tuple[str, ...]
    script: str
    """Its place below `jobs/`, without .py: `ingest`, `tiers/customer_tier`."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Needed and optional inputs."""
        return self.reads + self.reads_optional


def job_graph(catalogue: Catalogue) -> list[Job]:
    """The jobs in an order in which every input is written before it is read; ties by name.

    Raises ConfigurationError when the contracts describe a circle.
    """
    jobs: dict[str, Job] = {}
    for name in sorted({contract.job for contract in catalogue if contract.job} - set(BOOKKEEPERS)):
        tables = [contract for contract in catalogue if contract.job == name]
        own = {contract.id for contract in tables}

        def collect(lists: list[list[str]], own: set[str] = own) -> tuple[str, ...]:
            return tuple(dict.fromkeys(item for items in lists for item in catalogue.expand(items) if item not in own))

        reads = collect([contract.reads for contract in tables])
        optional = collect([contract.reads_optional for contract in tables])
        previous = tuple(dict.fromkeys(item for contract in tables for item in contract.reads_previous))
        config = tuple(dict.fromkeys(item for contract in tables for item in contract.custom("config", [])))
        optional = tuple(item for item in optional if item not in reads)
        jobs[name] = Job(name, tuple(sorted(own)), reads, optional, previous, config, _script(name, tables))
    order = in_order(
        upstream(list(jobs.values())),
        circle=lambda path: ConfigurationError(
            f"the jobs read each other in a circle: {path}",
            where="schemas/",
            remedy="remove one of the reads, or make it readsPrevious",
        ),
    )
    return [jobs[name] for name in order]


def _script(name: str, tables: list[Contract]) -> str:
    """The one script of a job. Raises ConfigurationError when its contracts name several."""
    scripts = sorted({contract.script or name for contract in tables})
    if len(scripts) > 1:
        raise ConfigurationError(
            f"the job '{name}' has several scripts: {', '.join(scripts)}",
            where=", ".join(contract.id for contract in tables),
            remedy="give every job a name of its own, and name its script alike in all contracts of its tables",
        )
    return scripts[0]


def upstream(jobs: list[Job]) -> dict[str, list[str]]:
    """For each job, in the order of `jobs`, those of them that write a table which it reads, needed or optional.

    Earlier slices are no edge: the run of the day before wrote them.
    """
    writer = {table: job.name for job in jobs for table in job.writes}
    needed = {job.name: {writer[table] for table in job.inputs if table in writer} - {job.name} for job in jobs}
    return {name: [job.name for job in jobs if job.name in needed[name]] for name in needed}


def downstream(jobs: list[Job], names: set[str]) -> set[str]:
    """The named jobs and every job that depends on one of them."""
    selected = set(names)
    for job in jobs:  # topological order: one pass is enough
        written = {table for other in jobs if other.name in selected for table in other.writes}
        if written & set(job.inputs):
            selected.add(job.name)
    return selected
