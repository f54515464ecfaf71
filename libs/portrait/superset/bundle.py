"""The import bundle for Apache Superset: a zip of YAML documents, equal bytes for equal contracts and settings."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from portrait.contracts import Catalogue, Column, Contract
from portrait.errors import ConfigurationError
from portrait.lake.publication import PUBLISHED
from portrait.superset.charts import params, query_context, viz_type
from portrait.superset.dashboard import dashboard
from portrait.superset.declaration import Chart, Dataset, Declaration
from portrait.superset.identity import identity

PLACEHOLDER = f"hive://USER@HOST:10000/{PUBLISHED}?auth=LDAP"
"""The address of the suite's SQL server; the bank fills in user and host, in Superset or with `--uri`."""

MASK = "XXXXXXXXXX"
"""What Superset itself writes for a password that it knows."""

_FIRST_DAY_OF_ZIP = (1980, 1, 1, 0, 0, 0)


def write_bundle(path: Path, declaration: Declaration, catalogue: Catalogue, *, uri: str = PLACEHOLDER) -> None:
    """Write the bundle to `path`; folders are made. Raises ConfigurationError for an address with a password in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    documents = bundle(declaration, catalogue, uri=uri)
    # Stored, not compressed: versions of zlib differ in their bytes.
    with zipfile.ZipFile(path, "w") as archive:
        for name, document in documents.items():
            text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120)
            archive.writestr(zipfile.ZipInfo(f"portrait/{name}", _FIRST_DAY_OF_ZIP), text)


def bundle(declaration: Declaration, catalogue: Catalogue, *, uri: str = PLACEHOLDER) -> dict[str, dict[str, Any]]:
    """The documents of the bundle by path.

    `metadata.yaml` names no type on purpose: so Superset takes the bundle both as a dashboard (command line, web page)
    and as assets (REST API), and only the latter brings existing datasets and charts up to date.
    """
    documents: dict[str, dict[str, Any]] = {
        "metadata.yaml": {"version": "1.0.0"},
        "databases/portrait.yaml": _database(declaration, uri),
    }
    for table, dataset in declaration.datasets.items():
        contract = catalogue.table(table)
        documents[f"datasets/portrait/{contract.name}.yaml"] = _dataset(contract, dataset, declaration)
    for name, chart in declaration.charts.items():
        documents[f"charts/{name}.yaml"] = _chart(name, chart, declaration)
    documents[f"dashboards/{declaration.slug}.yaml"] = dashboard(declaration, catalogue)
    return documents


def _database(declaration: Declaration, uri: str) -> dict[str, Any]:
    if urlsplit(uri).password not in (None, MASK):
        remedy = f"leave it out and enter it in Superset; or write {MASK}, which keeps the one that Superset has"
        raise ConfigurationError("a bundle holds no password", where="--uri", remedy=remedy)
    return {
        "database_name": declaration.title,
        "sqlalchemy_uri": uri,
        "cache_timeout": None,
        "expose_in_sqllab": True,
        "allow_run_async": False,
        # Published tables are read, never written.
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_file_upload": False,
        "extra": {"allows_virtual_table_explore": True},
        "impersonate_user": False,
        "uuid": identity("database", "portrait"),
        "version": "1.0.0",
    }


def _dataset(contract: Contract, dataset: Dataset, declaration: Declaration) -> dict[str, Any]:
    certification = {"certified_by": declaration.certified_by, "details": f"Contract {contract.id}: {contract.grain}"}
    return {
        "table_name": contract.name,
        "main_dttm_col": "as_of" if contract.sliced else None,
        "description": f"{contract.description} {contract.grain}",
        "default_endpoint": None,
        "offset": 0,
        "cache_timeout": None,
        "catalog": None,
        "schema": PUBLISHED,
        "sql": None,
        "params": None,
        "template_params": None,
        "filter_select_enabled": True,
        "fetch_values_predicate": None,
        "extra": {"certification": certification},
        "uuid": identity("dataset", contract.id),
        "metrics": [
            {
                "metric_name": name,
                "verbose_name": metric.title,
                "metric_type": None,
                "expression": metric.sql,
                "description": metric.description,
                "d3format": metric.format,
                "extra": {"certification": certification},
                "warning_text": None,
            }
            for name, metric in dataset.metrics.items()
        ],
        "columns": [_column(column) for column in contract.columns],
        "version": "1.0.0",
        "database_uuid": identity("database", "portrait"),
    }


def _column(column: Column) -> dict[str, Any]:
    kind = column.physical_type.upper()
    single = not kind.startswith(("MAP", "ARRAY", "STRUCT"))
    protected = column.classification in ("personal", "sensitive")
    warning = {"warning_markdown": f"Class of the contract: **{column.classification}**."} if protected else None
    return {
        "column_name": column.name,
        "verbose_name": None,
        "is_dttm": kind in ("DATE", "TIMESTAMP"),
        "is_active": True,
        "type": kind,
        "advanced_data_type": None,
        "groupby": single,
        "filterable": single,
        "expression": "",
        "description": column.description,
        "python_date_format": None,
        "extra": warning,
    }


def _chart(name: str, chart: Chart, declaration: Declaration) -> dict[str, Any]:
    dataset = declaration.datasets[chart.dataset]
    return {
        "slice_name": chart.title,
        "description": "; ".join(dataset.metrics[metric].description for metric in chart.metrics),
        "certified_by": declaration.certified_by,
        "certification_details": f"Over published.{chart.dataset.split('.')[1]}",
        "viz_type": viz_type(chart),
        "params": params(chart, dataset),
        "query_context": query_context(chart, dataset),
        "cache_timeout": None,
        "uuid": identity("chart", name),
        "version": "1.0.0",
        "dataset_uuid": identity("dataset", chart.dataset),
    }
