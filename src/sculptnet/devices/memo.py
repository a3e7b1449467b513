"""Where measurements are kept while a plan runs, so that a killed run goes on where it was."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Protocol, final

from sculptnet.devices.plan import Measurement, Quality
from sculptnet.errors import InvalidValue
from sculptnet.files import reading


class Memo(Protocol):
    """A mapping from keys to single chunks; `put` must survive a kill at any moment."""

    def get(self, key: str) -> Measurement | None:
        """What was put under `key`, or None."""
        ...

    def put(self, key: str, measurement: Measurement) -> None:
        """Keeps `measurement`."""
        ...


@final
class NoMemo:
    """Keeps nothing: for measurements that are short or not worth resuming."""

    def get(self, key: str) -> Measurement | None:
        """Nothing was kept."""
        return None

    def put(self, key: str, measurement: Measurement) -> None:
        """Drops its arguments."""


@final
class FileMemo:
    """One JSON line for each chunk, appended and flushed. A torn last line, from a kill, is measured again.

    Raises:
        InvalidValue: another line is no measurement.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept: dict[str, Measurement] = {}
        with reading(path, "the measurements as they were written, or remove that file to measure anew"):
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
        whole, newline, _ = text.rpartition("\n")
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                row = json.loads(line)
                key = row.pop("key")
                self._kept[key] = Measurement(**row)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise InvalidValue(
                    f"{path}, line {number}: not a measurement ({error}); delete the line to measure that chunk again"
                ) from error
        if len(whole) + len(newline) < len(text):
            path.write_text(whole + newline)

    def get(self, key: str) -> Measurement | None:
        """What was put under `key`, or None."""
        return self._kept.get(key)

    def put(self, key: str, measurement: Measurement) -> None:
        """Appends one line; the folder is made if it does not exist."""
        self._kept[key] = measurement
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps({"key": key, **asdict(measurement)}) + "\n")


def memo_key(what: str, quality: Quality, round_index: int) -> str:
    """The key of one chunk: `what` is measured where and beside what, the protocol's numbers, the round.

    The number of rounds is not part of it: more rounds keep the first ones.
    """
    numbers = (quality.chunk_ms, quality.chunk_runs, quality.warm_up_runs, quality.drift_percent, quality.tries)
    return f"{what}/{'/'.join(f'{number:g}' for number in numbers)}/{round_index}"
