"""`conf/superset.yml`: metrics, charts and the dashboard, checked against the contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import sqlglot
from pydantic import Field
from sqlglot import exp

from portrait.contracts import Catalogue, Contract
from portrait.errors import ConfigurationError
from portrait.settings import Strict, line_of, load_yaml

Kind = Literal["number", "date", "bar", "pie", "table", "heatmap"]
_DIMENSIONS = {"number": (0, 0), "date": (0, 0), "bar": (1, 2), "pie": (1, 1), "table": (1, 8), "heatmap": (2, 2)}
ROW_WIDTH = 12


class Metric(Strict):
    """A figure over a dataset: an aggregate in Spark SQL, and how it is written (d3 format)."""

    title: str
    sql: str
    format: str
    description: str


class Dataset(Strict):
    """A published table; its columns are those of the contract."""

    metrics: dict[str, Metric]


class Chart(Strict):
    """One chart: metrics of a dataset by some of its columns, perhaps of some rows only."""

    title: str
    dataset: str
    kind: Kind
    metrics: Annotated[list[str], Field(min_length=1)]
    by: list[str] = []
    where: str | None = None


class Section(Strict):
    """A heading of the dashboard and rows of charts below it; a chart's number is its width."""

    title: str
    rows: list[dict[str, Annotated[int, Field(ge=1, le=ROW_WIDTH)]]]


class Part(Strict):
    """One file of `conf/superset/`: what a capability adds to the dashboard."""

    datasets: dict[str, Dataset] = {}
    charts: dict[str, Chart] = {}
    dashboard: list[Section] = []


class Declaration(Strict):
    """`conf/superset.yml` with what the files of `conf/superset/` add."""

    title: str
    slug: str
    description: str
    certified_by: str
    datasets: dict[str, Dataset]
    charts: dict[str, Chart]
    dashboard: list[Section]


def load_declaration(conf: Path, catalogue: Catalogue) -> Declaration:
    """`conf/superset.yml` and the files of `conf/superset/`, checked against the contracts.

    Raises ConfigurationError, with file, line and remedy, for a table or column that no contract has, a table that is
    not published, SQL that is not one expression, a metric or chart that is not declared, or a row that is too wide.
    """
    path = conf / "superset.yml"
    declaration = _used(load_yaml(path, Declaration), catalogue)
    _check(declaration, catalogue, path)
    for file in sorted((conf / "superset").glob("*.yml")):
        declaration = _used(_joined(declaration, load_yaml(file, Part), file), catalogue)
        _check(declaration, catalogue, file)
    return declaration


def _used(declaration: Declaration, catalogue: Catalogue) -> Declaration:
    """The declaration without datasets of capabilities that the bank does not use, and without their charts."""
    off = catalogue.switched_off
    charts = {name: chart for name, chart in declaration.charts.items() if chart.dataset not in off}
    gone = declaration.charts.keys() - charts.keys()
    sections = [
        section.model_copy(
            update={"rows": [kept for row in section.rows if (kept := {k: v for k, v in row.items() if k not in gone})]}
        )
        for section in declaration.dashboard
    ]
    datasets = {table: dataset for table, dataset in declaration.datasets.items() if table not in off}
    return declaration.model_copy(update={"datasets": datasets, "charts": charts, "dashboard": sections})


def _joined(declaration: Declaration, part: Part, path: Path) -> Declaration:
    """The declaration with a part; ConfigurationError where both have a chart or metric of one name."""
    datasets = dict(declaration.datasets)
    for table, dataset in part.datasets.items():
        known = datasets[table].metrics if table in datasets else {}
        if twice := sorted(known.keys() & dataset.metrics.keys()):
            raise _refusal(f"{table} has a metric '{twice[0]}' already", path, ("datasets", table), "rename it")
        datasets[table] = Dataset(metrics=known | dataset.metrics)
    if twice := sorted(declaration.charts.keys() & part.charts.keys()):
        raise _refusal(f"there is a chart '{twice[0]}' already", path, ("charts", twice[0]), "rename it")
    charts = declaration.charts | part.charts
    dashboard = [*declaration.dashboard, *part.dashboard]
    return declaration.model_copy(update={"datasets": datasets, "charts": charts, "dashboard": dashboard})


def _check(declaration: Declaration, catalogue: Catalogue, path: Path) -> None:
    for table, dataset in declaration.datasets.items():
        contract = _published(catalogue, table, path)
        for name, metric in dataset.metrics.items():
            _check_sql(metric.sql, contract, path, ("datasets", table, "metrics", name))
    for name, chart in declaration.charts.items():
        _check_chart(chart, declaration, catalogue, path, ("charts", name))
    placed = [name for section in declaration.dashboard for row in section.rows for name in row]
    for index, section in enumerate(declaration.dashboard):
        for row in section.rows:
            if sum(row.values()) > ROW_WIDTH:
                text = f"the row {', '.join(row)} is {sum(row.values())} wide"
                raise _refusal(text, path, ("dashboard", index), f"a row has {ROW_WIDTH} units")
    for name in placed:
        if name not in declaration.charts or placed.count(name) > 1:
            text = f"the chart '{name}' is {'there twice' if name in declaration.charts else 'not declared'}"
            raise _refusal(text, path, ("dashboard",), f"charts: {', '.join(declaration.charts)}")


def _published(catalogue: Catalogue, table: str, path: Path) -> Contract:
    contract = catalogue.table(table)
    # A view with SQL of its own has other columns than the contract's.
    if contract.layer != "gold" or contract.custom("publishedAs"):
        raise _refusal(f"{table} is not published as it is", path, ("datasets", table), "name a table of gold")
    return contract


def _check_chart(
    chart: Chart, declaration: Declaration, catalogue: Catalogue, path: Path, place: tuple[Any, ...]
) -> None:
    if chart.dataset not in declaration.datasets:
        names = ", ".join(declaration.datasets)
        raise _refusal(f"there is no dataset '{chart.dataset}'", path, (*place, "dataset"), f"datasets: {names}")
    metrics = declaration.datasets[chart.dataset].metrics
    for name in chart.metrics:
        if name not in metrics:
            text = f"{chart.dataset} has no metric '{name}'"
            raise _refusal(text, path, (*place, "metrics"), f"its metrics: {', '.join(metrics)}")
    contract = catalogue.table(chart.dataset)
    for name in chart.by:
        if name not in contract.column_names:
            text = f"{chart.dataset} has no column '{name}'"
            raise _refusal(text, path, (*place, "by"), f"its columns: {', '.join(contract.column_names)}")
    low, high = _DIMENSIONS[chart.kind]
    if not low <= len(chart.by) <= high:
        text = f"a {chart.kind} by {len(chart.by)} columns"
        raise _refusal(text, path, (*place, "by"), f"a {chart.kind} has from {low} to {high}")
    if chart.kind != "table" and len(chart.metrics) > 1:
        raise _refusal(f"a {chart.kind} of {len(chart.metrics)} metrics", path, (*place, "metrics"), "name one")
    if chart.where:
        _check_sql(chart.where, contract, path, (*place, "where"))


def _check_sql(sql: str, contract: Contract, path: Path, place: tuple[Any, ...]) -> None:
    try:
        tree = sqlglot.parse_one(sql, dialect="spark")
    except sqlglot.errors.SqlglotError as error:
        raise _refusal(f"not an SQL expression: {sql}", path, place, "write one expression of Spark SQL") from error
    # A sub-query could read what is not published.
    if isinstance(tree, exp.Query | exp.Command) or tree.find(exp.Query):
        raise _refusal(f"not an expression over columns: {sql}", path, place, "write one without SELECT")
    unknown = sorted({column.name for column in tree.find_all(exp.Column)} - set(contract.column_names))
    if unknown:
        text = f"{contract.id} has no column '{unknown[0]}'"
        raise _refusal(text, path, place, f"its columns: {', '.join(contract.column_names)}")


def _refusal(message: str, path: Path, place: tuple[Any, ...], remedy: str) -> ConfigurationError:
    return ConfigurationError(message, where=f"{path}:{line_of(path, place)}", remedy=remedy)
