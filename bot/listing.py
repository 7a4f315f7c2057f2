"""Writes everything that a verification found to a file, line by line as it comes: JSON lines, or CSV where the name ends so.

It decides nothing, and keeps nothing in memory.
"""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

from engine.errors import InputRejected
from engine.model import Found

_COLUMNS = tuple(Found.model_fields)


@contextmanager
def listing(path: Path | None) -> Iterator[Callable[[Found], None] | None]:
    """Opens the file and yields what takes each line; None where no file was asked for.

    What it held is replaced by the first finding, or at the end where there is none: not by a verification that did not begin.

    In CSV a key, a bound and the fields are JSON, so that the key 7 and the key "7" stay two.

    Raises:
        InputRejected: The file cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        file = path.open("a", encoding="utf-8", newline="")
    except OSError as error:
        raise _unwritable(path, error) from error

    @cache
    def begun() -> Callable[[Found], None]:
        if path.is_file():
            file.truncate(0)
        return _csv(file) if path.suffix.lower() == ".csv" else _json_lines(file)

    def guarded(found: Found) -> None:
        try:
            begun()(found)
        except OSError as error:
            raise _unwritable(path, error) from error

    with file:
        yield guarded
        try:
            begun()
        except OSError as error:
            raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> InputRejected:
    return InputRejected(
        f"{path} cannot be written: {error.strerror}.",
        state="Neither source nor target was changed.",
        next_step="Give --mismatches a path with room, in a folder that you may write to.",
    )


def _json_lines(file: IO[str]) -> Callable[[Found], None]:
    def write(found: Found) -> None:
        file.write(json.dumps(found.model_dump(mode="json"), ensure_ascii=False) + "\n")

    return write


def _csv(file: IO[str]) -> Callable[[Found], None]:
    rows = csv.writer(file)
    rows.writerow(_COLUMNS)

    def write(found: Found) -> None:
        values = found.model_dump(mode="json")
        for name in ("pk", "lower", "upper", "fields"):
            values[name] = "" if values[name] is None else json.dumps(values[name])
        rows.writerow([values[name] for name in _COLUMNS])

    return write
