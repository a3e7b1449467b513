"""What a run keeps on disk: the directory, typed records, checkpoints."""

from sculptnet.runs.codec import read_record, write_record
from sculptnet.runs.directory import FileCheckpoint, RunDirectory, RunInfo, append_line, read_lines

__all__ = ["FileCheckpoint", "RunDirectory", "RunInfo", "append_line", "read_lines", "read_record", "write_record"]
