"""What a run notes and keeps, as types: events, trials, the card of a model, and the codec that writes and reads them.

`card` is not imported here: it knows how images are prepared, which searches and the command line need not load.
"""

from sculptnet.records.base import Event, Log, OtherEvent, kind_of, newest_of, no_log, of_kind
from sculptnet.records.codec import from_plain, read_record, to_plain, write_record
from sculptnet.records.trials import Sample, TrialRecord

__all__ = [
    "Event",
    "Log",
    "OtherEvent",
    "Sample",
    "TrialRecord",
    "from_plain",
    "kind_of",
    "newest_of",
    "no_log",
    "of_kind",
    "read_record",
    "to_plain",
    "write_record",
]
