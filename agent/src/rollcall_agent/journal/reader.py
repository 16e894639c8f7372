"""What can be asked of a journal, by its writer and by anybody beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from msgspec.structs import fields

from rollcall_agent.collect.event import KernelLedger, WaysOut
from rollcall_agent.journal.books import AgentLedger, Books, Gap, KernelRow
from rollcall_agent.journal.file import connect_readonly
from rollcall_agent.journal.start import Start, from_row

DEFAULT_PATH = Path("/var/lib/rollcall/journal.db")

WAYS = tuple(field.name for field in fields(WaysOut))
"""The kernel's counters of one tracepoint, in the words of WaysOut; `attaches` has each for mkdir and for rmdir."""

_PAGE = 256

Value = str | bytes | int | None
"""What SQLite stores."""


class Reader:
    """A journal, opened. Rows come as `Start`; nothing here changes the file.

    Every method raises sqlite3.DatabaseError where the file can't be read.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read through a connection whose rows are sqlite3.Row."""
        self._connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @property
    def epoch(self) -> str:
        """The random name made with the file."""
        return str(self._value("SELECT epoch FROM journal"))

    @property
    def newest_durable_ns(self) -> int:
        """Wall time of the last durable commit: what a gap begins with."""
        return int(self._value("SELECT durable_ns FROM journal"))

    def next_attach_number(self) -> int:
        """Give a number that no attach of this journal has had."""
        return int(self._value("SELECT coalesce(max(number), 0) + 1 FROM attaches"))

    def complete_since_ns(self) -> int | None:
        """Wall time since when every start is known here; None before the first attach.

        It is that attach's, and moves on where starts were retired for want of room: a container that a listing shows
        as exited and that started earlier is not new.
        """
        since = self._value("SELECT complete_since_ns FROM journal")
        return None if since is None else int(since)

    def settled_up_to(self) -> int:
        """Give the last sequence up to and including which every one is written or dropped."""
        unsettled = self._value("SELECT min(sequence) FROM starts WHERE state = 'ready' AND sequence IS NOT NULL")
        return int(self._value("SELECT sequence FROM journal")) if unsettled is None else int(unsettled) - 1

    def get(self, row: int) -> Start | None:
        """Give one row, None where it was retired."""
        return next(iter(self._starts("SELECT * FROM starts WHERE id = ?", row)), None)

    def pending(self) -> list[Start]:
        """Give what waits for an answer, oldest first."""
        return self._starts("SELECT * FROM starts WHERE state = 'pending' AND sequence IS NULL ORDER BY id")

    def ready(self) -> list[Start]:
        """Give what waits for a sink and has no sequence yet, oldest first."""
        return self._starts("SELECT * FROM starts WHERE state = 'ready' AND sequence IS NULL ORDER BY id")

    def unsettled(self) -> list[Start]:
        """Give what was handed to a sink and is not settled, by sequence: after a crash, to be handed over again."""
        return self._starts("SELECT * FROM starts WHERE state = 'ready' AND sequence > 0 ORDER BY sequence")

    def by_container_id(self, container_id: str) -> list[Start]:
        """Give every start known of an id, oldest first."""
        return self._starts("SELECT * FROM starts WHERE container_id = ? ORDER BY id", container_id)

    def live(self, boot_id: str) -> list[Start]:
        """Give every start of a boot whose end is not known, in any state, oldest first."""
        return self._starts("SELECT * FROM starts WHERE ended_ns IS NULL AND boot_id = ? ORDER BY id", boot_id)

    def has_row_within(self, container_id: str, created_ns: int, finished_ns: int) -> bool:
        """Whether a start of this id was made between these two wall-clock times, both included."""
        found = self._value(
            "SELECT 1 FROM starts WHERE container_id = ? AND coalesce(ctime_ns, read_ns) BETWEEN ? AND ? LIMIT 1",
            container_id,
            created_ns,
            finished_ns,
        )
        return found is not None

    def events(self, since_ns: int = 0) -> Iterator[Start]:
        """Iterate every row read or listed since a wall-clock time, in the order of reading.

        Page by page, each a snapshot of its own: a reader that stands still must not keep the log from being reused.
        """
        after = 0
        while True:
            page = self._starts(
                "SELECT * FROM starts WHERE id > ? AND read_ns >= ? ORDER BY id LIMIT ?", after, since_ns, _PAGE
            )
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].row

    def books(self) -> Books:
        """Give both ledgers and the gaps, as of one commit."""
        self._connection.execute("BEGIN")
        try:
            (journal,) = self._rows("SELECT * FROM journal")
            return Books(
                epoch=journal["epoch"],
                created_ns=journal["created_ns"],
                durable_ns=journal["durable_ns"],
                settled_up_to=self.settled_up_to(),
                kernel=tuple(_kernel(row) for row in self._rows("SELECT * FROM attaches ORDER BY opened_ns, id")),
                agent=self._agent(),
                gaps=tuple(
                    Gap(from_ns=row["from_ns"], to_ns=row["to_ns"], reason=row["reason"], bound=row["bound"])
                    for row in self._rows("SELECT * FROM gaps ORDER BY from_ns, id")
                ),
            )
        finally:
            self._connection.execute("ROLLBACK")

    def _agent(self) -> AgentLedger:
        counted: dict[str, dict[str, int]] = {}
        for row in self._rows("SELECT * FROM counters"):
            counted.setdefault(row["name"], {})[row["reason"]] = row["value"]
        plain = {name: sum(by_reason.values()) for name, by_reason in counted.items()}
        states = {row[0]: row[1] for row in self._rows("SELECT state, count(*) FROM starts GROUP BY state")}
        dropped = dict(counted.get("dropped", {}))
        for row in self._rows("SELECT drop_reason, count(*) FROM starts WHERE state = 'dropped' GROUP BY drop_reason"):
            dropped[row[0]] = dropped.get(row[0], 0) + row[1]
        ((read, end_read),) = self._rows("SELECT coalesce(sum(read), 0), coalesce(sum(end_read), 0) FROM attaches")
        return AgentLedger(
            read=read,
            listed=plain.get("listed", 0),
            not_a_root=counted.get("not_a_root", {}),
            foreign=plain.get("foreign", 0),
            nested=plain.get("nested", 0),
            sandbox=plain.get("sandbox", 0) + states.get("sandbox", 0),
            duplicate=plain.get("duplicate", 0),
            pending=states.get("pending", 0),
            ready=states.get("ready", 0),
            late=self._value("SELECT count(*) FROM starts WHERE revision = 'late' AND state = 'ready'"),
            written=plain.get("written", 0) + states.get("written", 0),
            dropped=dropped,
            end_read=end_read,
            end_matched=plain.get("end_matched", 0),
            end_unmatched=plain.get("end_unmatched", 0),
        )

    def _starts(self, statement: str, *arguments: Value) -> list[Start]:
        return [from_row(row) for row in self._rows(statement, *arguments)]

    def _value(self, statement: str, *arguments: Value) -> Any:  # noqa: ANN401  # SQLite's columns have no types that a checker knows
        rows = self._rows(statement, *arguments)
        return rows[0][0] if rows else None

    def _rows(self, statement: str, *arguments: Value) -> list[sqlite3.Row]:
        return self._connection.execute(statement, arguments).fetchall()


def open_reader(path: Path = DEFAULT_PATH) -> Reader:
    """Open the journal at `path` to read it, beside any writer. Raises JournalError where that can't be."""
    return Reader(connect_readonly(path))


def _kernel(row: sqlite3.Row) -> KernelRow:
    return KernelRow(
        collector=row["collector"],
        number=row["number"],
        boot_id=row["boot_id"],
        hierarchy=row["hierarchy"],
        opened_ns=row["opened_ns"],
        closed_ns=row["closed_ns"],
        interrupted=bool(row["interrupted"]),
        ledger=KernelLedger(
            attach=row["number"],
            mkdirs=WaysOut(**{name: row[f"mkdir_{name}"] for name in WAYS}),
            rmdirs=WaysOut(**{name: row[f"rmdir_{name}"] for name in WAYS}),
            recursion_misses=row["recursion_misses"],
        ),
        read=row["read"],
        end_read=row["end_read"],
    )
