"""Where the charts stand: the grid of the dashboard, and its filter."""

from __future__ import annotations

from typing import Any

from portrait.contracts import Catalogue
from portrait.superset.declaration import Declaration
from portrait.superset.identity import identity

_HEIGHTS = {"number": 24, "date": 24, "bar": 50, "pie": 50, "table": 60, "heatmap": 60}
"""Height of a chart in grid units of 8 pixels."""


def dashboard(declaration: Declaration, catalogue: Catalogue) -> dict[str, Any]:
    """The document `dashboards/<slug>.yaml`."""
    return {
        "dashboard_title": declaration.title,
        "description": declaration.description,
        "css": "",
        "slug": declaration.slug,
        "certified_by": declaration.certified_by,
        "certification_details": "Made from the contracts; change conf/superset.yml, not the dashboard.",
        "published": True,
        "uuid": identity("dashboard", declaration.slug),
        "position": _position(declaration),
        "metadata": {
            "color_scheme": "supersetColors",
            "cross_filters_enabled": True,
            "refresh_frequency": 0,
            "native_filter_configuration": _tier_filter(declaration, catalogue),
        },
        "version": "1.0.0",
    }


def _position(declaration: Declaration) -> dict[str, Any]:
    numbers = _numbers(declaration)
    grid: dict[str, Any] = {"id": "GRID_ID", "type": "GRID", "parents": ["ROOT_ID"], "children": []}
    header = {"id": "HEADER_ID", "type": "HEADER", "meta": {"text": declaration.title}}
    root = {"id": "ROOT_ID", "type": "ROOT", "children": ["GRID_ID"]}
    position: dict[str, Any] = {"DASHBOARD_VERSION_KEY": "v2", "ROOT_ID": root, "GRID_ID": grid, "HEADER_ID": header}
    for place, section in enumerate(declaration.dashboard):
        heading = f"HEADER-{place}"
        words = {"text": section.title, "headerSize": "LARGE_HEADER", "background": "BACKGROUND_TRANSPARENT"}
        position[heading] = _node(heading, "HEADER", ["ROOT_ID", "GRID_ID"], words)
        grid["children"].append(heading)
        for line, charts in enumerate(section.rows):
            row = f"ROW-{place}-{line}"
            position[row] = _node(row, "ROW", ["ROOT_ID", "GRID_ID"], {"background": "BACKGROUND_TRANSPARENT"})
            position[row]["children"] = [f"CHART-{name}" for name in charts]
            grid["children"].append(row)
            height = max(_HEIGHTS[declaration.charts[name].kind] for name in charts)
            for name, width in charts.items():
                meta = {
                    "chartId": numbers[name],
                    "uuid": identity("chart", name),
                    "sliceName": declaration.charts[name].title,
                    "width": width,
                    "height": height,
                }
                position[f"CHART-{name}"] = _node(f"CHART-{name}", "CHART", ["ROOT_ID", "GRID_ID", row], meta)
    return position


def _node(name: str, kind: str, parents: list[str], meta: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "type": kind, "parents": parents, "children": [], "meta": meta}


def _numbers(declaration: Declaration) -> dict[str, int]:
    """Stand-ins for the ids of the charts, all different; import replaces them, found by uuid."""
    return {name: number for number, name in enumerate(declaration.charts, start=1)}


def _tier_filter(declaration: Declaration, catalogue: Catalogue) -> list[dict[str, Any]]:
    """A choice of tiers, for the charts whose table has one."""
    table = "gold.segments"
    if table not in declaration.datasets:
        return []
    numbers = _numbers(declaration)
    without = [
        numbers[name]
        for name, chart in declaration.charts.items()
        if "tier" not in catalogue.table(chart.dataset).column_names
    ]
    return [
        {
            "id": "NATIVE_FILTER-tier",
            "name": "Tier",
            "type": "NATIVE_FILTER",
            "filterType": "filter_select",
            "targets": [{"datasetUuid": identity("dataset", table), "column": {"name": "tier"}}],
            "controlValues": {"multiSelect": True, "enableEmptyFilter": False, "searchAllOptions": False},
            "defaultDataMask": {"extraFormData": {}, "filterState": {}},
            "cascadeParentIds": [],
            "scope": {"rootPath": ["ROOT_ID"], "excluded": without},
            "description": "Charts over tables without a tier stay as they are.",
        }
    ]
