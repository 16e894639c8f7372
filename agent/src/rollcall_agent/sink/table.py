"""The live table of a terminal: one line a start, in columns as wide as the terminal allows, with colour."""

from __future__ import annotations

from typing import Final

from rich.cells import set_cell_size

from rollcall.record import ContainerCreate, Resolution
from rollcall.text import printable

_COLUMNS: Final = {  # name: least width, share of the room that is left
    "TIME": (12, 0),
    "RUNTIME": (11, 0),
    "WHOSE": (16, 3),
    "CONTAINER": (12, 2),
    "IMAGE": (16, 4),
    "DIGEST": (13, 0),
    "ANSWER": (12, 2),
}
_LEFT_OUT: Final = ("RUNTIME", "TIME", "CONTAINER")
"""What a narrow terminal does without, in this order."""

_COLOURS: Final = {
    Resolution.RESOLVED: "32",
    Resolution.PARTIAL: "33",
    Resolution.UNRESOLVED: "31",
    Resolution.NESTED: "36",
    Resolution.NO_RUNTIME_API: "33",
}
_CELL: Final = 256


def widths(columns: int) -> dict[str, int]:
    """Share the columns of a terminal out among those of the table that fit, each with a space behind it."""
    shown = dict(_COLUMNS)
    for name in _LEFT_OUT:
        if _least(shown) > columns:
            del shown[name]
    room = max(0, columns - _least(shown))
    shares = sum(share for _, share in shown.values())
    return {name: least + room * share // shares for name, (least, share) in shown.items()}


def _least(columns: dict[str, tuple[int, int]]) -> int:
    return sum(least + 1 for least, _ in columns.values())


def cells(record: ContainerCreate) -> dict[str, str]:
    """Return a record's cells by their columns' names, made safe for a terminal."""
    pod = record.pod
    if pod.name or pod.namespace:
        whose = f"{pod.namespace or '?'}/{pod.name or '?'}"
    elif record.nested_below:
        whose = f"in {record.nested_below[:12]}"
    else:
        whose = "(no pod)" if pod.sandbox is False else "?"
    name = "(sandbox)" if pod.sandbox else record.container.name or record.container_id[:12]
    answer = record.resolution.value + (f" {record.reason}" if record.reason else "")
    texts = {
        "TIME": record.ctime[11:23] if record.ctime else "?",
        "RUNTIME": record.runtime.name or "?",
        "WHOSE": whose,
        "CONTAINER": name,
        "IMAGE": record.image.requested or "?",
        "DIGEST": record.image.short_digest or "?",
        "ANSWER": answer,
    }
    return {column: printable(text, _CELL) for column, text in texts.items()}


class Table:
    """Lines for a terminal of so many columns, in colour or not."""

    def __init__(self, columns: int, *, colour: bool) -> None:
        self._widths = widths(columns)
        self._colour = colour

    def header(self) -> bytes:
        """See `Format`."""
        return self._row({name: name for name in self._widths}, "1")

    def line(self, record: ContainerCreate) -> bytes:
        """See `Format`."""
        return self._row(cells(record), _COLOURS[record.resolution])

    def _row(self, texts: dict[str, str], colour: str) -> bytes:
        fitted = [_fit(texts[name], width) for name, width in self._widths.items()]
        if self._colour:
            fitted[-1] = f"\x1b[{colour}m{fitted[-1].rstrip()}\x1b[0m"
        return (" ".join(fitted).rstrip() + "\n").encode()


def _fit(text: str, width: int) -> str:
    sized = set_cell_size(text, width)
    if sized.rstrip() != text.rstrip():
        sized = set_cell_size(text, width - 1) + "…"
    return sized
