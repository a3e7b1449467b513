"""What a run keeps on disk: the directory, typed records, checkpoints."""

from sculptnet.records.codec import read_record, write_record
from sculptnet.runs.directory import (
    SPECIALIZE,
    FileCheckpoint,
    RunDirectory,
    RunInfo,
    append_line,
    append_record,
    read_lines,
    read_records,
)

__all__ = [
    "SPECIALIZE",
    "FileCheckpoint",
    "RunDirectory",
    "RunInfo",
    "append_line",
    "append_record",
    "read_lines",
    "read_record",
    "read_records",
    "write_record",
]
