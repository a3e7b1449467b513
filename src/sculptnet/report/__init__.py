"""The report of a run: one HTML page that needs nothing else, and its figures as PNG."""

from sculptnet.report.page import write_report
from sculptnet.report.source import ReportData

__all__ = ["ReportData", "write_report"]
