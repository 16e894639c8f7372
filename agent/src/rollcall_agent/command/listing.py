"""How the listings of the past are printed and filtered: a table, JSON lines or CSV; times and patterns as options."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
import typer

from rollcall.patterns import Glob, ImagePattern, InvalidPatternError, image_pattern, name_pattern
from rollcall.text import printable
from rollcall.times import moment
from rollcall_agent.command.failing import failing_clearly
from rollcall_agent.history.reader import HistoryReader, open_history
from rollcall_agent.journal.file import JournalError

Item = TypeVar("Item")

_CELL: Final = 96
_LONGEST: Final = 4096
_MEASURED: Final = 200
"""Rows that a table's widths are taken from: the rest is written as it comes."""
_AGO: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_FORMULA: Final = tuple("=+-@\uff1d\uff0b\uff0d\uff20")  # the latter four are the wide forms, for Japanese locales


class ListForm(StrEnum):
    """How a listing is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def _pattern(text: str | None) -> str | None:
    return _checked(text, image_pattern)


def _name(text: str | None) -> str | None:
    return _checked(text, name_pattern) if text else text


def _checked(text: str | None, read: Callable[[str], object]) -> str | None:
    if text is not None:
        try:
            read(text)
        except InvalidPatternError as error:
            raise typer.BadParameter(str(error)) from error
    return text


def _time(text: str | None) -> str | None:
    if text is not None:
        try:
            nanoseconds_of(text, 0)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    return text


Output = Annotated[ListForm, typer.Option(help="Columns, one JSON object a line, or CSV.")]
Journal = Annotated[Path, typer.Option(help="The journal to read; its writer may be running.")]
Since = Annotated[
    str | None,
    typer.Option(callback=_time, help="Only from then on: RFC 3339, as 2026-11-24T08:00:00Z, or ago: 90m, 24h, 7d."),
]
Until = Annotated[str | None, typer.Option(callback=_time, help="Only before then; as --since.")]
Image = Annotated[
    str | None,
    typer.Option(
        callback=_pattern, help="Only of these repositories: a pattern as policies have them, 'ghcr.io/acme/**'."
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option(callback=_name, help="Only of these namespaces: a name or a pattern; '' is outside Kubernetes."),
]
Node = Annotated[str | None, typer.Option(callback=_name, help="Only of these nodes: a name or a pattern.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many.")]


def nanoseconds_of(text: str, now: int) -> int:
    """Read a time as --since takes it; ns since 1970. Raises ValueError."""
    if match := _AGO.fullmatch(text):
        return now - int(match[1]) * _SECONDS[match[2]] * 10**9
    try:
        return moment(text)
    except ValueError as error:
        raise ValueError(f"'{printable(text, 80)}' is no time: write 2026-11-24T08:00:00Z, or 90m, 24h, 7d") from error


def when(text: str | None) -> int | None:
    """Read an option's time; ns since 1970."""
    return None if text is None else nanoseconds_of(text, time.time_ns())


def images_like(text: str | None) -> ImagePattern | None:
    """Read an option's pattern of repositories."""
    return None if text is None else image_pattern(text)


def names_like(text: str | None) -> Callable[[str], bool]:
    """Read an option's pattern of names; the empty text is the empty name alone."""
    if text is None:
        return lambda _: True
    pattern = Glob(text)
    return pattern.matches


@contextmanager
def the_past(journal: Path) -> Iterator[HistoryReader]:
    """Open the history, and fail with one clear message."""
    with failing_clearly():
        try:
            with open_history(journal) as history:
                yield history
        except sqlite3.Error as error:
            raise JournalError(f"{journal}: can't be read: {error}") from error


def write(
    form: ListForm,
    items: Iterable[Item],
    *,
    columns: Mapping[str, Callable[[Item], str]],
    fields: Mapping[str, Callable[[Item], str]],
    as_object: Callable[[Item], object],
) -> None:
    """Write a listing: a table's `columns`, CSV's `fields`, or each item's object as JSON."""
    if form is ListForm.JSON:
        for item in items:
            sys.stdout.buffer.write(msgspec.json.encode(as_object(item)) + b"\n")
    elif form is ListForm.CSV:
        sys.stdout.writelines(_csv(items, fields))
    else:
        sys.stdout.writelines(_table(items, columns))
    sys.stdout.flush()


def spreadsheet_safe(text: str) -> str:
    """Return a text that a spreadsheet shows and never runs as a formula (OWASP, CSV injection)."""
    shown = printable(text, _LONGEST)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def _csv(items: Iterable[Item], fields: Mapping[str, Callable[[Item], str]]) -> Iterator[str]:
    for row in chain([list(fields)], ([read(item) for read in fields.values()] for item in items)):
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(map(spreadsheet_safe, row))
        yield line.getvalue()


def _table(items: Iterable[Item], columns: Mapping[str, Callable[[Item], str]]) -> Iterator[str]:
    from rich.cells import cell_len  # noqa: PLC0415  # for people alone

    rows = ([printable(read(item), _CELL) for read in columns.values()] for item in items)
    first = list(islice(rows, _MEASURED))
    widths = [max(map(cell_len, column)) for column in zip(list(columns), *first, strict=True)]
    for row in chain([list(columns)], first, rows):
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        yield " ".join(padded).rstrip() + "\n"
