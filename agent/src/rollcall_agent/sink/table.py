"""The live table of a terminal: one line a start, in columns as wide as the terminal allows, with colour."""

from __future__ import annotations

from typing import Final

from rich.cells import set_cell_size

from rollcall.record import ContainerCreate, Resolution
from rollcall.text import printable

_COLUMNS: Final = (  # name, least width, share of the room that is left
    ("TIME", 12, 0),
    ("RUNTIME", 11, 0),
    ("WHOSE", 16, 3),
    ("CONTAINER", 12, 2),
    ("IMAGE", 16, 4),
    ("DIGEST", 13, 0),
    ("ANSWER", 12, 2),
)
_COLOURS: Final = {
    Resolution.RESOLVED: "32",
    Resolution.PARTIAL: "33",
    Resolution.UNRESOLVED: "31",
    Resolution.NESTED: "36",
    Resolution.NO_RUNTIME_API: "33",
}
_CELL: Final = 256


def widths(columns: int) -> list[int]:
    """Share `columns` of a terminal out; a narrow one gets the least widths and wraps."""
    room = max(0, columns - sum(least + 1 for _, least, _ in _COLUMNS))
    shares = sum(share for _, _, share in _COLUMNS)
    return [least + room * share // shares for _, least, share in _COLUMNS]


def cells(record: ContainerCreate) -> list[str]:
    """Return a record's cells, made safe for a terminal."""
    pod = record.pod
    if pod.name or pod.namespace:
        whose = f"{pod.namespace or '?'}/{pod.name or '?'}"
    elif record.nested_below:
        whose = f"in {record.nested_below[:12]}"
    else:
        whose = "(no pod)" if pod.sandbox is False else "?"
    name = "(sandbox)" if pod.sandbox else record.container.name or record.container_id[:12]
    answer = record.resolution.value + (f" {record.reason}" if record.reason else "")
    texts = (
        record.ctime[11:23] if record.ctime else "?",
        record.runtime.name or "?",
        whose,
        name,
        record.image.requested or "?",
        record.image.short_digest or "?",
        answer,
    )
    return [printable(text, _CELL) for text in texts]


class Table:
    """Lines for a terminal of so many columns, in colour or not."""

    def __init__(self, columns: int, *, colour: bool) -> None:
        self._widths = widths(columns)
        self._colour = colour

    def header(self) -> bytes:
        """See `Format`."""
        return self._row([name for name, _, _ in _COLUMNS], "1")

    def line(self, record: ContainerCreate) -> bytes:
        """See `Format`."""
        return self._row(cells(record), _COLOURS[record.resolution])

    def _row(self, texts: list[str], colour: str) -> bytes:
        fitted = [_fit(text, width) for text, width in zip(texts, self._widths, strict=True)]
        if self._colour:
            fitted[-1] = f"\x1b[{colour}m{fitted[-1]}\x1b[0m"
        return (" ".join(fitted).rstrip() + "\n").encode()


def _fit(text: str, width: int) -> str:
    sized = set_cell_size(text, width)
    if sized.rstrip() != text.rstrip():
        sized = set_cell_size(text, width - 1) + "…"
    return sized
