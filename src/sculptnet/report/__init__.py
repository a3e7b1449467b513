"""The reports: HTML pages that need nothing else, and their figures as PNG."""

from sculptnet.report.page import SectionMaker, write_report
from sculptnet.report.source import ReportData
from sculptnet.report.specialized_page import DeviceFront, SpecializedNetwork, write_specialized

__all__ = ["DeviceFront", "ReportData", "SectionMaker", "SpecializedNetwork", "write_report", "write_specialized"]
