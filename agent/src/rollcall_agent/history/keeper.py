"""Keeps the history of one machine: counts what is handed out, has it judged, notes ends, forgets what is too old.

What is counted and judged is durable with the sequence of its start. Everything else is level-triggered: whatever a
process that was killed left undone, the next one finds undone.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rollcall.record import ContainerCreate
from rollcall_agent.history.counting import Counting
from rollcall_agent.journal.room import forget_before
from rollcall_agent.journal.start import Start, unpack
from rollcall_agent.journal.writer import Journal

if TYPE_CHECKING:
    from rollcall.judge import Verdict
    from rollcall_agent.history.judging import Judging

KEPT_DAYS: Final = 400
"""How long the history of a start is kept, if there is room: a year, and time to look at it."""

_DAY_NS: Final = 24 * 3600 * 10**9
_FORGET_TICKS: Final = 60
_PAGE: Final = 256


class Keeper:
    """The history's writer. `judge_with` gives it policies, unless there are none; then `begin`."""

    def __init__(self, journal: Journal, *, now: Callable[[], int] = time.time_ns) -> None:
        self._journal = journal
        self._now = now
        self._ticks = itertools.count(1)
        self.counting = Counting(journal)
        self.judging: Judging | None = None

    def judge_with(self, judging: Judging) -> None:
        """Have starts judged from now on."""
        self.judging = judging

    def begin(self) -> None:
        """Take what is stored, and put the policies that are there now in force.

        To be called before anything else here, and where the journal was renewed. Raises NotCommittedError and
        JournalCorruptError, as every transaction.
        """
        if self.judging is not None:
            self.judging.recall()
            self.judging.has_changed(self._now())
            with self._transaction():
                self.judging.renew(self._now())

    def take(self, start: Start, placed: ContainerCreate) -> Verdict | None:
        """Count and judge a start that a sink is being handed, inside the transaction that gives it its sequence.

        One that is handed out again is not counted again, and keeps its verdict. Call `recall` where the transaction
        fails.
        """
        counted = self.counting.count(start, placed)
        if self.judging is None:
            return None
        return self.judging.take(counted, self._now(), has_ended=start.ended_ns is not None)

    def recall(self) -> None:
        """Forget what a failed transaction would have changed."""
        if self.judging is not None:
            self.judging.recall()

    def tick(self) -> bool:
        """Do what is due, to be called each second: ends, policies that have changed, and what lives judged by them.

        Returns whether more is left to do at once. Raises NotCommittedError and JournalCorruptError.
        """
        now = self._now()
        with self._transaction():
            more = self._note_ends(now)
            if next(self._ticks) % _FORGET_TICKS == 0:
                forget_before(self._journal.connection, now - KEPT_DAYS * _DAY_NS)
            if self.judging is not None:
                if self.judging.has_changed(now):
                    self.judging.renew(now)
                if not more:  # in this order: what has ended keeps its verdict
                    more = self.judging.judge_again(now)
        return more

    def _note_ends(self, now: int) -> bool:
        """Note the ends that the journal knows, and of what it has forgotten; say whether there may be more."""
        ended = self._journal.connection.execute(
            "SELECT history.id, history.identity, known.ended_ns, known.ended_source, history_details.record "
            "FROM history JOIN history_details USING (id) LEFT JOIN starts AS known USING (identity) "
            "WHERE history.ended_ns IS NULL AND (known.id IS NULL OR known.ended_ns IS NOT NULL) LIMIT ?",
            (_PAGE,),
        ).fetchall()
        for row in ended:
            self._journal.connection.execute(
                "UPDATE history SET ended_ns = ?, ended_source = ? WHERE id = ?",
                (row["ended_ns"] or now, row["ended_source"], row["id"]),
            )
            if self.judging is not None:
                self.judging.end(unpack(row["record"]).node.name, row["identity"], now)
        return len(ended) == _PAGE

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._journal.transaction():
                yield
        except BaseException:
            self.recall()
            raise
