"""The reports: HTML pages that need nothing else, and their figures as PNG.

A section is a function from `ReportData` to a `Section` of plain values, or to an `Absent` that says what to run.
"""

from sculptnet.report.run_page import write_report
from sculptnet.report.source import ReportData, SectionMaker
from sculptnet.report.values import (
    Absent,
    Block,
    Code,
    Column,
    Command,
    Definitions,
    Details,
    Figure,
    Listing,
    Notes,
    Paragraph,
    Part,
    Ranged,
    Section,
    Strong,
    Table,
    Text,
    Tiles,
    columns,
)

__all__ = [
    "Absent",
    "Block",
    "Code",
    "Column",
    "Command",
    "Definitions",
    "Details",
    "Figure",
    "Listing",
    "Notes",
    "Paragraph",
    "Part",
    "Ranged",
    "ReportData",
    "Section",
    "SectionMaker",
    "Strong",
    "Table",
    "Text",
    "Tiles",
    "columns",
    "write_report",
]
