"""The report of a run: one HTML file with what the slice says of customers, and how good the data behind it is."""

from portrait.report.page import build_report, write_report

__all__ = ["build_report", "write_report"]
