"""A declared chart as Superset keeps it: what the editor shows (params), and the query behind it (query context)."""

from __future__ import annotations

import json
from typing import Any

from portrait.superset.declaration import Chart, Dataset

_ROWS = 1000
"""Rows of a chart at the most."""

_VIZ = {
    "number": "big_number_total",
    "date": "big_number_total",
    "bar": "echarts_timeseries_bar",
    "pie": "pie",
    "table": "table",
    "heatmap": "heatmap_v2",
}


def viz_type(chart: Chart) -> str:
    """Superset's name of the kind of chart."""
    return _VIZ[chart.kind]


def params(chart: Chart, dataset: Dataset) -> dict[str, Any]:
    """The controls of the chart's editor. A metric is named, not repeated: the dataset defines it."""
    particular = {"number": _number, "date": _date, "bar": _bar, "pie": _pie, "table": _table, "heatmap": _heatmap}
    return {
        "viz_type": viz_type(chart),
        **particular[chart.kind](chart, dataset.metrics[chart.metrics[0]].format),
        "adhoc_filters": _filters(chart),
        "row_limit": _ROWS,
        # A published table holds one slice: there is no range to choose from.
        "time_range": "No filter",
    }


def _number(chart: Chart, style: str) -> dict[str, Any]:
    return {"metric": chart.metrics[0], "header_font_size": 0.4, "y_axis_format": style}


def _date(chart: Chart, style: str) -> dict[str, Any]:
    return {
        "metric": chart.metrics[0],
        "header_font_size": 0.4,
        "force_timestamp_formatting": True,
        "time_format": style,
    }


def _bar(chart: Chart, style: str) -> dict[str, Any]:
    """Bars by the first column, largest first; a second column stacks them."""
    stacked = bool(chart.by[1:])
    return {
        "x_axis": chart.by[0],
        "xAxisForceCategorical": True,
        "metrics": chart.metrics,
        "groupby": chart.by[1:],
        "stack": "Stack" if stacked else None,
        "x_axis_sort": chart.metrics[0],
        "x_axis_sort_asc": False,
        "show_legend": stacked,
        "show_value": not stacked,
        "rich_tooltip": True,
        "y_axis_format": style,
    }


def _pie(chart: Chart, style: str) -> dict[str, Any]:
    return {
        "groupby": chart.by,
        "metric": chart.metrics[0],
        "sort_by_metric": True,
        "label_type": "key_percent",
        "show_labels": True,
        "show_legend": False,
        "number_format": style,
    }


def _table(chart: Chart, style: str) -> dict[str, Any]:
    """A row for each combination; every metric is written in the format of the dataset."""
    return {
        "query_mode": "aggregate",
        "groupby": chart.by,
        "metrics": chart.metrics,
        "order_desc": True,
        "show_cell_bars": True,
        "include_search": True,
    }


def _heatmap(chart: Chart, style: str) -> dict[str, Any]:
    """The first column across, the second down."""
    return {
        "x_axis": chart.by[0],
        "groupby": chart.by[1],
        "metric": chart.metrics[0],
        "normalize_across": "heatmap",
        "show_values": True,
        "y_axis_format": style,
        "sort_x_axis": "alpha_asc",
        "sort_y_axis": "alpha_asc",
    }


def query_context(chart: Chart, dataset: Dataset) -> str:
    """The query of the chart as JSON: for reports, alerts and the cache, which work without a browser.

    Import puts the id of the dataset in.
    """
    query = {
        "columns": chart.by,
        "metrics": chart.metrics,
        "orderby": [[chart.metrics[0], False]] if chart.by else [],
        "filters": [],
        "extras": {"having": "", "where": f"({chart.where})" if chart.where else ""},
        "row_limit": _ROWS,
        "time_range": "No filter",
        "annotation_layers": [],
    }
    context = {
        "datasource": {"id": 0, "type": "table"},
        "force": False,
        "queries": [query],
        "form_data": params(chart, dataset),
        "result_format": "json",
        "result_type": "full",
    }
    return json.dumps(context, sort_keys=True)


def _filters(chart: Chart) -> list[dict[str, Any]]:
    if chart.where is None:
        return []
    return [
        {
            "clause": "WHERE",
            "expressionType": "SQL",
            "sqlExpression": chart.where,
            "filterOptionName": "filter_where",
            "isExtra": False,
            "isNew": False,
        }
    ]
