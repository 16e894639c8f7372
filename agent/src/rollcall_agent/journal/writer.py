"""What the one writer of a journal can change in it: the states of a start, its end, attaches and gaps."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from msgspec.structs import replace

from rollcall.record import ContainerCreate, TimeSource
from rollcall_agent.collect.event import KernelLedger
from rollcall_agent.journal import attaches, file, room
from rollcall_agent.journal.ledger import JournalCorruptError, Ledger, NotCommittedError
from rollcall_agent.journal.reader import DEFAULT_PATH, Value
from rollcall_agent.journal.start import Start, State, columns, pack, signed

__all__ = ["IN_HAND", "MAX_BYTES", "Journal", "JournalCorruptError", "NotCommittedError", "open_journal"]

MAX_BYTES = 64 << 20
"""How large a journal may become, unless said: its file and its log together."""

IN_HAND = 64
"""How many starts may be handed to a sink and not settled."""

_SECOND = 1_000_000_000

_UNCHECKED = 64
"""How many starts are added, at the most, before the size is looked at again."""

_LARGEST_START = 32 << 10
"""More bytes than any start with its record takes, whose texts and labels are bounded."""

_INSERT = """
INSERT INTO starts (identity, container_id, runtime, namespace, pod_uid, nested_below, maker_has_api, sandbox, boot_id,
    cgroup_id, hierarchy, origin, read_ns, attach, path, path_cut, leaf, boot_ns, ctime_ns, ctime_source, started_ns,
    finished_ns)
VALUES (:identity, :container_id, :runtime, :namespace, :pod_uid, :nested_below, :maker_has_api, :sandbox, :boot_id,
    :cgroup_id, :hierarchy, :origin, :read_ns, :attach, :path, :path_cut, :leaf, :boot_ns, :ctime_ns, :ctime_source,
    :started_ns, :finished_ns)
ON CONFLICT (identity) DO NOTHING
"""


class Journal(Ledger):
    """The journal, opened for writing; used from one thread. Nothing may be awaited inside a transaction.

    Every method that changes something must be called inside `with journal.transaction():` and raises RuntimeError
    elsewhere. Whatever meets a damaged file raises JournalCorruptError.
    """

    def add(self, start: Start) -> int | None:
        """Write a start down as pending and give its row. None where it got none, and is counted here.

        That is a `duplicate`, whose identity is known, or `dropped` for `overflow`, where the journal is full of what
        is not settled or still lives.
        """
        if not self._forfeiting:
            self._inside()
        if self._forfeiting or not self._has_room():
            known = self._value("SELECT 1 FROM starts WHERE identity = ?", start.identity)
            self._tally[("duplicate", "") if known else ("dropped", self._forfeiting or "overflow")] += 1
            return None
        made = self._connection.execute(_INSERT, columns(start))
        if made.rowcount == 0:
            self._tally["duplicate", ""] += 1
            return None
        self._memory.pending += 1
        self._memory.last_row = int(made.lastrowid or 0)
        return self._memory.last_row

    def resolve(
        self, row: int, record: ContainerCreate, *, started_ns: int | None = None, finished_ns: int | None = None
    ) -> None:
        """Answer a pending start: it is ready for a sink. Raises ValueError where it is not pending."""
        self._move(
            "UPDATE starts SET state = 'ready', record = ?, resolution = ?, started_ns = coalesce(?, started_ns), "
            "finished_ns = coalesce(?, finished_ns) WHERE id = ? AND state = 'pending'",
            (pack(record), record.resolution, started_ns, finished_ns, row),
        )
        self._memory.pending -= 1
        self._memory.ready += 1

    def resolve_sandbox(self, row: int) -> None:
        """Answer a pending start: a pod's sandbox that nobody asked for. Raises ValueError where it is not pending."""
        self._move("UPDATE starts SET state = 'sandbox', sandbox = 1 WHERE id = ? AND state = 'pending'", (row,))
        self._memory.pending -= 1
        self._memory.full = False

    def late(self, row: int, record: ContainerCreate) -> bool:
        """Give a start that was answered as unresolved its late answer; it is counted once, as before.

        A written one is ready again, revised. One that no sink has yet gets the new record in place of the first.
        False while a sink holds it: offer it again after `settle`. Raises ValueError in any other state.
        """
        self._inside()
        start = self.get(row)
        if start is None or start.state not in {State.READY, State.WRITTEN}:
            raise ValueError(f"row {row}: has no answer that a late one could supersede")
        if start.state is State.READY and start.sequence is not None:
            return False
        self._connection.execute(
            "UPDATE starts SET revision = CASE state WHEN 'written' THEN 'late' ELSE revision END, state = 'ready', "
            "sequence = NULL, record = ?, resolution = ? WHERE id = ?",
            (pack(record), record.resolution, row),
        )
        self._memory.ready += start.state is State.WRITTEN
        return True

    def next_ready(self, limit: int = IN_HAND) -> list[Start]:
        """Hand the oldest ready starts to a sink: each gets its sequence. At most 64 are unsettled at any time."""
        self._inside()
        memory = self._memory
        wanted = min(limit, IN_HAND - memory.in_hand, memory.ready)
        if wanted <= 0:
            return []
        starts = self._starts(
            "SELECT * FROM starts WHERE state = 'ready' AND sequence IS NULL ORDER BY id LIMIT ?", wanted
        )
        handed = [replace(start, sequence=memory.sequence + place) for place, start in enumerate(starts, 1)]
        self._connection.executemany(
            "UPDATE starts SET sequence = ? WHERE id = ?", [(start.sequence, start.row) for start in handed]
        )
        memory.sequence += len(handed)
        memory.ready -= len(handed)
        memory.in_hand += len(handed)
        return handed

    def settle(self, rows: Sequence[int]) -> None:
        """Note that a sink has these, which it was handed. Raises ValueError where one was not in its hands."""
        self._inside()
        if not rows:
            return
        settled = self._connection.execute(
            "UPDATE starts SET state = 'written' WHERE id IN (SELECT value FROM json_each(?)) "
            "AND state = 'ready' AND sequence IS NOT NULL",
            (json.dumps(list(rows)),),
        )
        if settled.rowcount != len(rows):
            raise ValueError(f"{len(rows) - settled.rowcount} of the rows {list(rows)} are in no sink's hands")
        self._memory.in_hand -= len(rows)
        self._memory.full = False

    def refuse(self, row: int, reason: str) -> None:
        """Take back a pending start that turned out to be no container root, and count it as that.

        Raises ValueError where it is not pending.
        """
        self._move("DELETE FROM starts WHERE id = ? AND state = 'pending'", (row,))
        self._tally["not_a_root", reason] += 1
        self._memory.pending -= 1
        self._memory.full = False

    def drop(self, row: int, reason: str) -> None:
        """Give up a start that is pending or ready. A revised one stays written, as its first answer was.

        Raises ValueError in any other state.
        """
        self._inside()
        start = self.get(row)
        self._move(
            "UPDATE starts SET state = CASE revision WHEN 'late' THEN 'written' ELSE 'dropped' END, drop_reason = ? "
            "WHERE id = ? AND state IN ('pending', 'ready')",
            (reason, row),
        )
        if start is not None and start.state is State.PENDING:
            self._memory.pending -= 1
        elif start is not None and start.sequence is None:
            self._memory.ready -= 1
        else:
            self._memory.in_hand -= 1
        self._memory.full = False

    def end(self, cgroup_id: int, hierarchy: int, at_ns: int, source: TimeSource) -> bool:
        """Note the end of the newest start in a cgroup of this boot, in any state; the first end that is told stays.

        Counts `end_matched`, or `end_unmatched` and returns False where no start had that cgroup.
        """
        if self._forfeiting:
            self._tally["end_unmatched", ""] += 1
            return False
        self._inside()
        newest = self._value(
            "SELECT id FROM starts WHERE cgroup_id = ? AND hierarchy = ? AND boot_id = ? ORDER BY id DESC LIMIT 1",
            signed(cgroup_id),
            hierarchy,
            self.boot_id,
        )
        matched = newest is not None and cgroup_id != 0
        self._tally["end_matched" if matched else "end_unmatched", ""] += 1
        if matched:
            self.end_row(newest, at_ns, source)
        return matched

    def end_row(self, row: int, at_ns: int, source: TimeSource) -> None:
        """Note the end of a start that a listing told of; the first end that is told stays."""
        self._inside()
        self._connection.execute(
            "UPDATE starts SET ended_ns = ?, ended_source = ? WHERE id = ? AND ended_ns IS NULL", (at_ns, source, row)
        )
        self._memory.full = False

    def close_earlier_boots(self) -> None:
        """Note that whatever ran before this boot has ended, by the last commit at the latest."""
        self._inside()
        self._connection.execute(
            "UPDATE starts SET ended_ns = ?, ended_source = ? WHERE ended_ns IS NULL AND boot_id != ?",
            (self.newest_durable_ns, TimeSource.RUNTIME, self.boot_id),
        )

    def forget_unknown(self, known_ids: Collection[str], older_than_ns: int) -> int:
        """Retire settled starts that ended before a wall-clock time and whose id no runtime knows any more.

        `known_ids` are those of all runtimes' listings. At most 1,000 at once; returns how many.
        """
        self._inside()
        self._memory.full = False
        return room.forget_unknown(self._connection, self.boot_id, known_ids, older_than_ns)

    def open_attach(self, collector: str, attach: int, hierarchy: int, at_ns: int, *, taken_over: bool = False) -> None:
        """Open the kernel's row of an attach; `taken_over` says that a pinned one is read on.

        So is what was open when this journal was renewed: part of it was read into the old file.
        """
        self._inside()
        taken_over = taken_over or attach in self._read_before
        self._memory.attaches[attach] = attaches.open_attach(
            self._connection, self.boot_id, (collector, attach, hierarchy), at_ns, taken_over=taken_over
        )

    def update_attach(self, ledger: KernelLedger) -> None:
        """Store the kernel's counters of an open attach, at most once a second."""
        self._inside()
        now = self._now()
        if not 0 <= now - self._memory.stored.get(ledger.attach, 0) < _SECOND:
            attaches.store(self._connection, self._attach(ledger.attach), ledger)
            self._memory.stored[ledger.attach] = now

    def close_attach(self, ledger: KernelLedger, at_ns: int) -> None:
        """Store the last counters of an attach that this process read to its end, and close it."""
        self._inside()
        row = self._attach(ledger.attach)
        attaches.store(self._connection, row, ledger)
        attaches.close_attach(self._connection, row, at_ns)

    def close_lost_attaches(self, at_ns: int) -> int:
        """Close all attaches of earlier processes that nobody took over, and name the one gap since the last commit.

        To be called once, after this process has attached. Returns how many there were.
        """
        self._inside()
        lost = attaches.close_orphans(self._connection, at_ns, self._memory.attaches.values())
        if lost:
            self.gap(self.newest_durable_ns, at_ns, "attach_lost", None)
        return lost

    def gap(self, from_ns: int, to_ns: int, reason: str, bound: int | None) -> None:
        """Name a time in which starts may have been missed, and at most how many (None: nobody knows)."""
        self._inside()
        attaches.add_gap(self._connection, from_ns, to_ns, reason, bound)

    def _has_room(self) -> bool:
        """Whether another start fits; what is settled makes room for it. An eighth of the size is left to the log."""
        memory = self._memory
        if memory.room > 0:
            memory.room -= 1
            return True
        limit = self._max_bytes - self._max_bytes // 8
        while not memory.full and (used := room.used_bytes(self._connection, memory.pending)) >= limit:
            memory.full = not room.make_room(self._connection, self.boot_id)
        memory.room = 0 if memory.full else min(_UNCHECKED, (limit - used) // _LARGEST_START)
        return not memory.full

    def _move(self, statement: str, arguments: tuple[Value, ...]) -> None:
        self._inside()
        if self._connection.execute(statement, arguments).rowcount != 1:
            raise ValueError(f"no row is in the right state for: {statement.split(' WHERE ', maxsplit=1)[0]}")


def open_journal(
    path: Path = DEFAULT_PATH, *, boot_id: str, max_bytes: int = MAX_BYTES, now: Callable[[], int] = time.time_ns
) -> Journal:
    """Open the journal at `path` as its one writer, or make it; `now` gives the wall clock in nanoseconds.

    A damaged file is set aside (`Journal.set_aside`), and a new epoch begins. Raises JournalInUseError,
    JournalTooNewError, and JournalError where it can't be opened.
    """
    held = file.lock(path)
    try:
        return Journal(path, held, boot_id=boot_id, max_bytes=max_bytes, now=now)
    except BaseException:
        os.close(held)
        raise
