"""`rollcall books`: where every start went, by the kernel's count and by the agent's, and whether the sums close."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from rollcall.times import rfc3339
from rollcall_agent.command.failing import failing_clearly
from rollcall_agent.journal.books import AgentLedger, Books, Gap, KernelRow
from rollcall_agent.journal.file import JournalError
from rollcall_agent.journal.reader import DEFAULT_PATH, open_reader

_WAYS = (
    ("seen", "seen"),
    ("other_hierarchy", "- in another hierarchy than the one that is followed"),
    ("never_a_container", "- by their place never a container"),
    ("throttled", "- beyond the limit inside one container"),
    ("quiet", "- while nobody had read for a while"),
    ("submitted", "- submitted to the agent"),
    ("lost", "- lost, for the ring buffer was full"),
)


class BooksForm(StrEnum):
    """How the books are printed."""

    TABLE = "table"
    JSON = "json"


def books(
    journal: Annotated[Path, typer.Option(help="The journal to read; its writer may be running.")] = DEFAULT_PATH,
    output: Annotated[BooksForm, typer.Option(help="Words and columns, or one JSON object.")] = BooksForm.TABLE,
) -> None:
    """Show where every start went, and whether the sums close.

    Exit status 0: they close. 1: they do not, or the journal can't be read.
    """
    with failing_clearly():
        try:
            with open_reader(journal) as reader:
                found = reader.books()
        except sqlite3.Error as error:
            raise JournalError(f"{journal}: can't be read: {error}") from error
    if output is BooksForm.JSON:
        typer.echo(msgspec.json.encode(as_object(found)))
    else:
        typer.echo("\n".join(in_words(found)))
    raise typer.Exit(0 if found.closed else 1)


def in_words(books: Books) -> Iterator[str]:
    """Give the lines that a person reads."""
    yield f"Books of epoch {books.epoch}, begun {rfc3339(books.created_ns)}, as of {rfc3339(books.durable_ns)}"
    for row in books.kernel:
        yield ""
        yield from _kernel(row)
    yield ""
    yield from _agent(books.agent)
    yield ""
    yield from _gaps(books.gaps)
    yield ""
    faults = list(_faults(books))
    yield "The books do NOT close:" if faults else "The books close: every start that was seen is accounted for."
    yield from (f"  {fault}" for fault in faults)


def as_object(books: Books) -> dict[str, Any]:
    """Give the books with each difference, for JSON."""
    return {
        **msgspec.structs.asdict(books),
        "kernel": [
            {
                **msgspec.structs.asdict(row),
                "difference": row.ledger.mkdirs.difference,
                "end_difference": row.ledger.rmdirs.difference,
                "unread": row.unread,
                "end_unread": row.end_unread,
                "closed": row.closed,
            }
            for row in books.kernel
        ],
        "agent": {
            **msgspec.structs.asdict(books.agent),
            "difference": books.agent.difference,
            "end_difference": books.agent.end_difference,
        },
        "closed": books.closed,
    }


def _kernel(row: KernelRow) -> Iterator[str]:
    until = "now" if row.closed_ns is None else rfc3339(row.closed_ns)
    name = "Earlier attaches, summed up" if row.number == 0 else f"Attach {row.number}"
    yield f"{name}: {row.collector}, hierarchy {row.hierarchy}, from {rfc3339(row.opened_ns)} to {until}"
    yield _line("Kernel: directories of cgroups", "made", "removed")
    for name, words in _WAYS:
        yield _line(words, getattr(row.ledger.mkdirs, name), getattr(row.ledger.rmdirs, name))
    yield _line("difference", row.ledger.mkdirs.difference, row.ledger.rmdirs.difference)
    yield _line("read by the agent", row.read, row.end_read)
    if row.unread or row.end_unread:
        yield _line(_unread(row), row.unread, row.end_unread)
    if row.ledger.recursion_misses:
        yield _line("lost beside these, for the program could not be run", row.ledger.recursion_misses)


def _unread(row: KernelRow) -> str:
    if row.closed_ns is None:
        return "submitted and not read yet"
    if row.interrupted:
        return "never read, or below 0 read twice, for the agent was killed"
    return "submitted and never read"


def _agent(agent: AgentLedger) -> Iterator[str]:
    yield _line("Agent: starts and ends", "starts", "ends")
    yield _line("read from the kernel", agent.read, agent.end_read)
    yield _line("taken from runtimes' listings", agent.listed)
    for reason, n in sorted(agent.not_a_root.items()):
        yield _line(f"- no container root: {reason}", n)
    yield _line("- of another node", agent.foreign)
    yield _line("- inside a container, beyond its budget", agent.nested)
    yield _line("- sandboxes, which nobody asked for", agent.sandbox)
    yield _line("- known already", agent.duplicate)
    yield _line("- waiting for an answer", agent.pending)
    late = f" ({agent.late:,} of them revised)" if agent.late else ""
    yield _line(f"- waiting to be written{late}", agent.ready)
    yield _line("- written", agent.written)
    for reason, n in sorted(agent.dropped.items()):
        yield _line(f"- dropped: {reason}", n)
    yield _line("- ends of a known start", "", agent.end_matched)
    yield _line("- ends of no known start", "", agent.end_unmatched)
    yield _line("difference", agent.difference, agent.end_difference)


def _gaps(gaps: tuple[Gap, ...]) -> Iterator[str]:
    if not gaps:
        yield "No gaps."
        return
    yield "Gaps, in which starts may have been missed:"
    for gap in gaps:
        begin = rfc3339(gap.from_ns) if gap.from_ns else "an unknown time"
        bound = "" if gap.bound is None else f", at most {gap.bound:,}"
        yield f"  from {begin} to {rfc3339(gap.to_ns)}: {gap.reason}{bound}"


def _faults(books: Books) -> Iterator[str]:
    for row in books.kernel:
        if row.closed:
            continue
        which = f"attach {row.number} ({row.collector})"
        off = row.ledger.mkdirs.difference, row.ledger.rmdirs.difference
        if any(off) and row.closed_ns is None:
            yield f"{which}: the kernel's sums are off by {off[0]:,} and {off[1]:,}; they are exact only once quiet"
        elif any(off):
            yield f"{which}: the kernel's sums are off by {off[0]:,} and {off[1]:,}"
        else:
            yield f"{which}: {row.unread:,} starts and {row.end_unread:,} ends were submitted and not read"
    if books.agent.difference:
        yield f"the agent's sum of starts is off by {books.agent.difference:,}"
    if books.agent.end_difference:
        yield f"the agent's sum of ends is off by {books.agent.end_difference:,}"


def _line(words: str, *values: int | str) -> str:
    columns = "".join(f"{value:>14}" if isinstance(value, str) else f"{value:>14,}" for value in values)
    return f"  {words:<54}{columns}".rstrip()
