"""How a change becomes durable: one file behind a lock, transactions, and counts committed with the rows they count."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, Self

from msgspec import Struct, field
from msgspec.structs import replace

from rollcall_agent.journal import attaches, file
from rollcall_agent.journal.file import JournalError
from rollcall_agent.journal.reader import Reader, Value

Count = Literal["read", "listed", "not_a_root", "foreign", "nested", "end_read"]
"""What its caller counts; `duplicate`, `dropped`, `end_matched` and `end_unmatched` the journal counts itself."""

_REASONS = {
    sqlite3.SQLITE_FULL: ("disk_full", "free some space where it lies"),
    sqlite3.SQLITE_BUSY: ("locked", "end the program that keeps it locked"),
    sqlite3.SQLITE_IOERR: ("disk_error", "look at the disk that it lies on"),
    sqlite3.SQLITE_READONLY: ("disk_error", "is its disk mounted read-only now?"),
    sqlite3.SQLITE_CANTOPEN: ("disk_error", "is its folder still there?"),
}
"""Why SQLite could not write (https://www.sqlite.org/rescode.html), and what a person can do."""

_Tally = Counter[tuple[str, str | int]]
"""Counts by name and reason, or by name and row of the attach."""


class NotCommittedError(Exception):
    """A transaction could not be made durable, and nothing of it is in the journal: `reason` says why in a word.

    That is disk_full, disk_error or locked. Make the same changes again later, or give the starts among them up inside
    `Journal.forfeit`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class JournalCorruptError(Exception):
    """The file was found damaged while in use, and nothing of this transaction is in it: call `Journal.renew`."""


class Memory(Struct, kw_only=True):
    """What the writer keeps in memory about the file; it goes back where a transaction does.

    `pending`, `ready` and `in_hand` count starts in these states (`in_hand`: ready, and with a sequence), `sequence` is
    the last one given and `last_row` the newest start's number. `full` says that nothing is left to make room, `room`
    how many more starts surely fit. `attaches` gives the row of an open attach by its number, and `stored` when its
    counters were stored last (wall-clock ns).
    """

    pending: int
    ready: int
    in_hand: int
    sequence: int
    last_row: int
    full: bool = False
    room: int = 0
    attaches: dict[int, int] = field(default_factory=dict)
    stored: dict[int, int] = field(default_factory=dict)

    def copy(self) -> Self:
        """Give one that shares nothing with this."""
        return replace(self, attaches=dict(self.attaches), stored=dict(self.stored))


class Ledger(Reader):
    """The journal's file as its writer holds it, and the counts of what has no row."""

    def __init__(self, path: Path, held: int, *, boot_id: str, max_bytes: int, now: Callable[[], int]) -> None:
        """Open the file behind a lock that is held; `open_journal` does both."""
        self.path = path
        self.boot_id = boot_id
        self.set_aside: Path | None = None
        """Where a damaged journal was put when this one was opened or renewed."""
        self._lock = held
        self._max_bytes = max_bytes
        self._now = now
        self._held: _Tally = Counter()
        self._tally: _Tally = Counter()
        self._forfeiting: str | None = None
        self._read_before: set[int] = set()
        super().__init__(self._connect())
        self._memory = self._begin()

    def close(self) -> None:
        """Close the file in order, then let the next writer in. Once closed, it stays so."""
        super().close()
        held, self._lock = self._lock, -1
        if held >= 0:
            os.close(held)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all that is changed inside, durably, with the counts of it; or nothing of it, where anything raises.

        Raises NotCommittedError where the disk is full or fails, JournalCorruptError where the file is damaged.
        """
        memory = self._memory.copy()
        self._tally = Counter()
        before = self._connection.total_changes
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._flush()
            if self._connection.total_changes != before:
                self._connection.execute(
                    "UPDATE journal SET durable_ns = ?, sequence = ?", (self._now(), self._memory.sequence)
                )
            self._connection.execute("COMMIT")
            self._held.clear()
        except BaseException as error:
            self._memory = memory
            with suppress(sqlite3.Error):  # SQLite has rolled back by itself after some errors
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                self._translate(error)
            raise

    @contextmanager
    def forfeit(self, reason: str) -> Iterator[None]:
        """Count inside what could not be committed, and write nothing: `add` drops its start for this reason.

        Only `count`, `add` and `end` may be called inside; every other change can be made later. The counts are kept in
        memory, and become durable with the next transaction that succeeds.
        """
        self._tally = Counter()
        self._forfeiting = reason
        try:
            yield
            self._held.update(self._tally)
        finally:
            self._forfeiting = None

    def renew(self) -> None:
        """Set a damaged file aside and begin a new epoch. Rows, attaches and counts of the old one are gone with it.

        Numbers of rows go on, so that an answer about an old row is never taken for one about a new row.
        """
        super().close()
        self._held.clear()
        self._read_before = set(self._memory.attaches)
        self._connection = self._renewed()
        self._connection.execute("INSERT INTO sqlite_sequence VALUES ('starts', ?)", (self._memory.last_row,))
        self._memory = self._begin()

    def count(self, name: Count, n: int = 1, *, reason: str = "", attach: int | None = None) -> None:
        """Count what has no row. `read` and `end_read` need the number of an open attach, `not_a_root` a reason.

        Every start and end that comes in is counted once as `read`, `listed` or `end_read`; where it goes is counted
        here too, or by `add` or `end`.
        """
        if not self._forfeiting:
            self._inside()
        if name in {"read", "end_read"}:
            self._tally[name, self._attach(attach)] += n
        else:
            self._tally[name, reason] += n

    @property
    def connection(self) -> sqlite3.Connection:
        """The file, for the history in it: to be changed inside a `transaction` alone, and asked for anew in each."""
        return self._connection

    @property
    def size_bytes(self) -> int:
        """What the file and its log take on disk."""
        return sum(
            part.stat().st_size for part in (self.path, self.path.with_name(self.path.name + "-wal")) if part.exists()
        )

    def _connect(self) -> sqlite3.Connection:
        try:
            return file.connect(self.path, self._max_bytes, self._now())
        except sqlite3.Error as error:
            if file.is_corrupt(error):
                return self._renewed()
            raise JournalError(
                f"{self.path}: can't be opened: {error}; is its disk full, or not to be written?"
            ) from error

    def _renewed(self) -> sqlite3.Connection:
        now = self._now()
        self.set_aside = file.set_aside(self.path, now)
        connection = file.connect(self.path, self._max_bytes, now)
        attaches.add_gap(connection, 0, now, "journal_corrupt", None)
        return connection

    def _begin(self) -> Memory:
        return Memory(
            pending=self._value("SELECT count(*) FROM starts WHERE state = 'pending'"),
            ready=self._value("SELECT count(*) FROM starts WHERE state = 'ready' AND sequence IS NULL"),
            in_hand=self._value("SELECT count(*) FROM starts WHERE state = 'ready' AND sequence IS NOT NULL"),
            sequence=self._value("SELECT sequence FROM journal"),
            last_row=self._value("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'starts'"),
        )

    def _flush(self) -> None:
        for (name, key), n in (self._tally + self._held).items():
            if name == "read":
                self._connection.execute("UPDATE attaches SET read = read + ? WHERE id = ?", (n, key))
            elif name == "end_read":
                self._connection.execute("UPDATE attaches SET end_read = end_read + ? WHERE id = ?", (n, key))
            else:
                self._connection.execute(
                    "INSERT INTO counters (name, reason, value) VALUES (?, ?, ?) "
                    "ON CONFLICT (name, reason) DO UPDATE SET value = value + excluded.value",
                    (name, key, n),
                )

    def _attach(self, number: int | None) -> int:
        if number is None or number not in self._memory.attaches:
            raise ValueError(f"attach {number} is not open in this journal")
        return self._memory.attaches[number]

    def _inside(self) -> None:
        if not self._connection.in_transaction:
            raise RuntimeError("the journal changes inside `with journal.transaction():` alone")

    def _rows(self, statement: str, *arguments: Value) -> list[sqlite3.Row]:
        try:
            return super()._rows(statement, *arguments)
        except sqlite3.Error as error:
            if file.is_corrupt(error):
                self._translate(error)
            raise

    def _translate(self, error: sqlite3.Error) -> None:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if file.is_corrupt(error):
            raise JournalCorruptError(f"{self.path}: the journal is damaged: {error}") from error
        if code in _REASONS:
            reason, help_ = _REASONS[code]
            raise NotCommittedError(reason, f"{self.path}: can't be written: {error}; {help_}") from error
