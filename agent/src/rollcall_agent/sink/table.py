"""The live table of a terminal: one line a start, in columns as wide as the terminal allows, with colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from rich.cells import set_cell_size

from rollcall.record import ContainerCreate, Resolution
from rollcall.text import printable

if TYPE_CHECKING:
    from rollcall.judge import Verdict
    from rollcall.violations import Transition

_COLUMNS: Final = {  # name: least width, share of the room that is left
    "TIME": (12, 0),
    "RUNTIME": (11, 0),
    "WHOSE": (16, 3),
    "CONTAINER": (12, 2),
    "IMAGE": (16, 4),
    "DIGEST": (13, 0),
    "ANSWER": (12, 2),
}
_VERDICT: Final = {"VERDICT": (10, 3)}
_LEFT_OUT: Final = ("RUNTIME", "TIME", "CONTAINER", "ANSWER")
"""What a narrow terminal does without, in this order."""

_COLOURS: Final = {
    Resolution.RESOLVED: "32",
    Resolution.PARTIAL: "33",
    Resolution.UNRESOLVED: "31",
    Resolution.NESTED: "36",
    Resolution.NO_RUNTIME_API: "33",
}
_BY_VERDICT: Final = {"Violation": "1;31", "Error": "35", "Allowed": "32", "Unmatched": "33", "Skipped": "2"}
_BY_CHANGE: Final = {"opened": "1;31", "repeated": "31", "unknown": "33", "known": "31", "over": "32"}
_CELL: Final = 256
_SAID: Final = 1024


def widths(columns: int, *, judged: bool = False) -> dict[str, int]:
    """Share the columns of a terminal out among those of the table that fit, each with a space behind it.

    Where starts are judged, the verdict is the last of them, and a narrow terminal does without the answer.
    """
    shown = _COLUMNS | _VERDICT if judged else dict(_COLUMNS)
    for name in _LEFT_OUT if judged else _LEFT_OUT[:-1]:
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


def said(verdict: Verdict) -> str:
    """Return a verdict in a few words: its result, what an approval trusts, and the first that decided or failed."""
    words = [verdict.result.value]
    if verdict.trust is not None:
        words.append(f"by {verdict.trust.value}")
    words += [f"{ruling.policy}/{ruling.rule}" for ruling in verdict.deciding[:1]]
    if len(verdict.failing) > 1:
        words.append(f"+{len(verdict.failing) - 1}")
    return " ".join(words)


class Table:
    """Lines for a terminal of so many columns, in colour or not; with verdicts where starts are `judged`."""

    def __init__(self, columns: int, *, colour: bool, judged: bool = False) -> None:
        self._widths = widths(columns, judged=judged)
        self._colour = colour
        self.tells = judged

    def header(self) -> bytes:
        """See `Format`."""
        return self._row({name: name for name in self._widths}, dict.fromkeys(self._widths, "1"))

    def line(self, record: ContainerCreate, verdict: Verdict | None = None) -> bytes:
        """See `Format`."""
        texts = cells(record) | {"VERDICT": printable(said(verdict), _CELL) if verdict is not None else ""}
        colours = {"ANSWER": _COLOURS[record.resolution]}
        if verdict is not None:
            colours["VERDICT"] = _BY_VERDICT[verdict.result]
        return self._row(texts, colours)

    def alert(self, transition: Transition) -> bytes:
        """See `Format`."""
        violation = transition.violation
        key = violation.key
        whose = f"{key.namespace or '(no pod)'} {key.workload} {key.container}"
        why = violation.why or violation.message
        said = printable(f"{key.policy}/{key.rule}, {whose}, {violation.image}: {why}", _SAID)
        word = f"violation {transition.change.value}"
        if self._colour:
            word = f"\x1b[{_BY_CHANGE[transition.change]}m{word}\x1b[0m"
        return f"{transition.at[11:23]} {word}: {said}\n".encode()

    def _row(self, texts: Mapping[str, str], colours: Mapping[str, str]) -> bytes:
        fitted = {name: _fit(texts[name], width) for name, width in self._widths.items()}
        if self._colour:
            for name in fitted.keys() & colours.keys():
                text = fitted[name].rstrip()
                if text:
                    fitted[name] = f"\x1b[{colours[name]}m{text}\x1b[0m" + fitted[name][len(text) :]
        return (" ".join(fitted.values()).rstrip() + "\n").encode()


def _fit(text: str, width: int) -> str:
    sized = set_cell_size(text, width)
    if sized.rstrip() != text.rstrip():
        sized = set_cell_size(text, width - 1) + "…"
    return sized
