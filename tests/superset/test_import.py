"""The bundle in a real Superset; `make test-superset` prepares a fresh metadata database and runs this.

First `superset import-dashboards`, as a user does it; then a changed bundle through the REST API, which updates; then
the queries of the charts over a small DuckDB file whose figures are counted by hand.
"""

from __future__ import annotations

import contextvars
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("superset", reason="Superset has an environment of its own: make test-superset")

CHECKOUT = Path(__file__).resolve().parents[2]
# Nobody listens there: an import must not need the SQL server.
ADDRESS = "hive://portrait@127.0.0.1:1/published?auth=LDAP"
TABLES = [
    "segments",
    "customer_tier",
    "tier_migration",
    "group_summary",
    "group_profile",
    "label_statistics",
    "recommendations",
]
CHARTS = 16


def make_bundle(path: Path, uri: str, conf: str = "conf", schemas: str = "schemas") -> Path:
    command = [CHECKOUT / ".venv/bin/portrait", "superset", "--write", path, "--uri", uri, "--conf", conf]
    subprocess.run(command, cwd=CHECKOUT, env={**os.environ, "PORTRAIT_SCHEMAS": schemas}, check=True)
    return path


def columns_of(table: str) -> dict[str, str]:
    """Name to type, read from the contract without the suite's code."""
    document = yaml.safe_load((CHECKOUT / "schemas" / "gold" / f"{table}.yml").read_text())
    return {column["name"]: column["physicalType"] for column in document["schema"][0]["properties"]}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Superset after the first import, by the command that the documentation names."""
    bundle = make_bundle(tmp_path_factory.mktemp("first") / "bundle.zip", ADDRESS)
    superset = Path(sys.executable).parent / "superset"
    command = [superset, "import-dashboards", "--path", bundle, "--username", "admin"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    from superset.app import create_app

    made = create_app()
    with made.app_context():
        yield made


def stored(model: str) -> list[Any]:
    """The objects of one kind as the metadata database has them now."""
    from superset import db
    from superset.connectors.sqla.models import SqlaTable
    from superset.models.core import Database
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice

    db.session.expire_all()
    kinds = {"database": Database, "dataset": SqlaTable, "chart": Slice, "dashboard": Dashboard}
    return db.session.query(kinds[model]).all()


def post(app: Any, bundle: Path) -> None:
    """Import through the REST API, as the documentation says."""
    # The tests read within a context of the application, whose user is nobody; a request makes its own.
    contextvars.Context().run(_post, app, bundle)


def _post(app: Any, bundle: Path) -> None:
    client = app.test_client()
    login = {"username": "admin", "password": "admin", "provider": "db", "refresh": False}
    headers = {"Authorization": f"Bearer {client.post('/api/v1/security/login', json=login).json['access_token']}"}
    headers["X-CSRFToken"] = client.get("/api/v1/security/csrf_token/", headers=headers).json["result"]
    with bundle.open("rb") as file:
        answer = client.post("/api/v1/assets/import/", data={"bundle": (file, bundle.name)}, headers=headers)
    assert answer.status_code == 200, answer.text


class TestFirstImport:
    def test_there_is_one_database_without_a_password(self, app: Any) -> None:
        assert [(item.database_name, item.sqlalchemy_uri, item.password) for item in stored("database")] == [
            ("Portrait", ADDRESS, None)
        ]

    def test_the_datasets_are_published_tables(self, app: Any) -> None:
        assert [(item.schema, item.table_name) for item in stored("dataset")] == [
            ("published", name) for name in TABLES
        ]

    @pytest.mark.parametrize("table", TABLES)
    def test_a_dataset_has_the_columns_of_the_contract(self, app: Any, table: str) -> None:
        dataset = next(item for item in stored("dataset") if item.table_name == table)
        assert {column.column_name: column.type for column in dataset.columns} == columns_of(table)
        assert all(column.description for column in dataset.columns)
        assert {column.column_name for column in dataset.columns if column.is_dttm} >= {"as_of"}

    @pytest.mark.parametrize("table", TABLES)
    def test_a_metric_is_certified(self, app: Any, table: str) -> None:
        dataset = next(item for item in stored("dataset") if item.table_name == table)
        assert dataset.metrics
        assert all(metric.certified_by == "Portrait" for metric in dataset.metrics)

    def test_customers_are_counted_once(self, app: Any) -> None:
        segments = next(item for item in stored("dataset") if item.table_name == "segments")
        expressions = {metric.metric_name: metric.expression for metric in segments.metrics}
        assert expressions["customers"] == "count(distinct customer_id)"

    def test_the_dashboard_shows_every_chart(self, app: Any) -> None:
        (dashboard,) = stored("dashboard")
        assert dashboard.published
        assert len(dashboard.slices) == len(stored("chart")) == CHARTS
        placed = {node["meta"]["chartId"] for name, node in dashboard.position.items() if name.startswith("CHART-")}
        assert placed == {chart.id for chart in stored("chart")}

    def test_the_filter_leaves_out_charts_without_a_tier(self, app: Any) -> None:
        (dashboard,) = stored("dashboard")
        (chosen,) = dashboard.params_dict["native_filter_configuration"]
        without = {chart.id for chart in stored("chart") if "tier" not in columns_of(chart.table.table_name)}
        assert set(chosen["scope"]["excluded"]) == without
        assert [dataset.id for dataset in stored("dataset") if dataset.table_name == "segments"] == [
            chosen["targets"][0]["datasetId"]
        ]


@pytest.fixture(scope="module")
def before(app: Any) -> dict[str, list[int]]:
    """Ids after the first import; the bank has entered a password since."""
    from superset import db

    stored("database")[0].set_sqlalchemy_uri(ADDRESS.replace("portrait@", "portrait:entered@"))
    db.session.commit()
    return {kind: [item.id for item in stored(kind)] for kind in ("database", "dataset", "chart", "dashboard")}


@pytest.fixture(scope="module")
def segments(app: Any, before: dict[str, list[int]], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The dataset after a bundle with a column described anew, a metric renamed and a chart retitled."""
    folder = tmp_path_factory.mktemp("second")
    for name in ("conf", "schemas"):
        shutil.copytree(CHECKOUT / name, folder / name)
    contract = folder / "schemas/gold/segments.yml"
    contract.write_text(contract.read_text().replace('"Value score, points."', '"Value score, told anew."'))
    declared = folder / "conf/superset.yml"
    text = declared.read_text().replace("      score: {title: Mean value score", "      mean: {title: Mean value score")
    declared.write_text(text.replace("title: Customers by tier", "title: How many in each tier"))
    masked = ADDRESS.replace("portrait@", "portrait:XXXXXXXXXX@")
    post(app, make_bundle(folder / "bundle.zip", masked, str(folder / "conf"), str(folder / "schemas")))
    return next(item for item in stored("dataset") if item.table_name == "segments")


class TestSecondImport:
    def test_nothing_is_there_twice(self, segments: Any, before: dict[str, list[int]]) -> None:
        assert {kind: [item.id for item in stored(kind)] for kind in before} == before
        assert len(stored("dashboard")[0].slices) == CHARTS

    def test_a_column_is_described_anew(self, segments: Any) -> None:
        assert {c.column_name: c.description for c in segments.columns}["score"] == "Value score, told anew."
        assert len(segments.columns) == len(columns_of("segments"))

    def test_a_metric_that_is_gone_is_gone(self, segments: Any) -> None:
        names = {metric.metric_name for metric in segments.metrics}
        assert "mean" in names
        assert "score" not in names

    def test_a_chart_has_its_new_title(self, segments: Any) -> None:
        assert "How many in each tier" in {chart.slice_name for chart in stored("chart")}

    def test_a_masked_address_keeps_the_password(self, segments: Any) -> None:
        assert stored("database")[0].password == "entered"


# Four customers: two diamonds (100.50 and 200.00), one ordinary (assets unknown), one vip (50.25).
ROWS = {
    "segments": [
        "(DATE '2025-03-31', 'a', 'diamond', 1, 'Savers', 100.50, 80)",
        "(DATE '2025-03-31', 'b', 'diamond', 1, 'Savers', 200.00, 90)",
        "(DATE '2025-03-31', 'c', 'ordinary', 2, 'Students', NULL, 10)",
        "(DATE '2025-03-31', 'd', 'vip', NULL, NULL, 50.25, 60)",
    ],
    "recommendations": [
        "(DATE '2025-03-31', 'a', 1, 'Card', 'card', 0.5)",
        "(DATE '2025-03-31', 'a', 2, 'Loan', 'loan', 0.3)",
        "(DATE '2025-03-31', 'b', 1, 'Card', 'card', 0.7)",
    ],
}
FILLED = {
    "segments": "as_of, customer_id, tier, group_id, group_name, assets, score",
    "recommendations": "as_of, customer_id, rank, product_name, product_kind, score",
}


@pytest.fixture(scope="module")
def figures(app: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What each chart's query gives, by title, over published tables in DuckDB."""
    import duckdb

    folder = tmp_path_factory.mktemp("duck")
    with duckdb.connect(str(folder / "bank.duckdb")) as bank:
        bank.execute("CREATE SCHEMA published")
        for table in TABLES:
            columns = ", ".join(f'"{name}" {kind}' for name, kind in columns_of(table).items())
            bank.execute(f"CREATE TABLE published.{table} ({columns.replace('MAP<', 'MAP(').replace('>', ')')})")
        for table, rows in ROWS.items():
            bank.execute(f"INSERT INTO published.{table} ({FILLED[table]}) VALUES {', '.join(rows)}")
    post(app, make_bundle(folder / "bundle.zip", f"duckdb:///{folder / 'bank.duckdb'}"))
    return {chart.slice_name: data_of(chart) for chart in stored("chart")}


def data_of(chart: Any) -> list[dict[str, Any]]:
    from superset import security_manager
    from superset.charts.schemas import ChartDataQueryContextSchema
    from superset.commands.chart.data.get_data_command import ChartDataCommand
    from superset.utils.core import override_user

    with override_user(security_manager.find_user("admin")):
        command = ChartDataCommand(ChartDataQueryContextSchema().load(json.loads(chart.query_context)))
        command.validate()
        return command.run()["queries"][0]["data"]


class TestCharts:
    def test_every_chart_has_a_query_that_runs(self, figures: dict[str, Any]) -> None:
        assert len(figures) == CHARTS

    @pytest.mark.parametrize(
        ("chart", "expected"),
        [
            ("Customers", [{"customers": 4}]),
            ("Assets under management", [{"assets": 350.75}]),
            ("Customers by tier", [{"tier": "diamond", "customers": 2}]),
            ("Best recommendation", [{"product_name": "Card", "customers": 2}]),
            ("Groups by tier", [{"group_name": "Savers", "tier": "diamond", "customers": 2}]),
        ],
    )
    def test_the_first_rows_of_a_chart_are_as_counted(
        self, figures: dict[str, Any], chart: str, expected: list[dict[str, Any]]
    ) -> None:
        rows = [{key: float(v) if key == "assets" else v for key, v in row.items()} for row in figures[chart]]
        assert rows[: len(expected)] == expected

    def test_a_chart_of_some_rows_leaves_the_others_out(self, figures: dict[str, Any]) -> None:
        assert len(figures["Best recommendation"]) == 1
        assert {row["group_name"] for row in figures["Groups by tier"]} == {"Savers", "Students"}
