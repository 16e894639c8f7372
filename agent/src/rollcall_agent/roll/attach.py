"""This process's attach in the journal: opened, the kernel's counters stored as they grow, and closed."""

from __future__ import annotations

import time

import structlog

from rollcall_agent.collect.event import Collector, KernelLedger, settled
from rollcall_agent.collect.hierarchy import Hierarchy
from rollcall_agent.journal.writer import Journal, JournalCorruptError, NotCommittedError

log = structlog.get_logger()


class Attach:
    """The kernel's side of the books for the collector that is read, and for older rings that are read with it."""

    def __init__(self, collector: Collector, journal: Journal, hierarchy: Hierarchy) -> None:
        self._collector = collector
        self._journal = journal
        self._hierarchy = hierarchy
        self._ledger = KernelLedger(attach=0)
        self._drained: list[KernelLedger] = []

    def open(self) -> bool:
        """Open it, and close those that nobody reads any more. Returns whether the journal has had none before.

        Raises:
            NotCommittedError: the journal can't be written.
        """
        now_ns = time.time_ns()
        if self._journal.set_aside is not None:
            log.error("A damaged journal was set aside, and a new epoch begins.", file=str(self._journal.set_aside))
        first = self._journal.complete_since_ns() is None
        self._ledger = self._collector.ledger()
        self._drained = []
        self._collector.drained()  # a journal begun anew knows nothing of them
        attaches = [(self._collector.attach_number, self._collector.adopted)]
        attaches += [(older, True) for older in self._collector.older_attaches]
        with self._journal.transaction():
            for number, taken_over in attaches:
                self._journal.open_attach(
                    self._collector.name, number, self._hierarchy.id, now_ns, taken_over=taken_over
                )
            self._journal.close_lost_attaches(now_ns)
            self._journal.close_earlier_boots()
        return first

    def store(self) -> bool:
        """Store the kernel's counters where they changed, and close older attaches that were read to their end.

        Returns whether starts were not told of since.

        Raises:
            JournalCorruptError: the journal must be renewed.
        """
        ledger, before = settled(self._collector.ledger), self._ledger
        if not ledger.balanced:  # half an event would stay in the books if this process were killed now
            ledger = before
        self._drained += self._collector.drained()
        if ledger == before and not self._drained:
            return False
        self._ledger = ledger
        try:
            with self._journal.transaction():
                if ledger != before:
                    self._journal.update_attach(ledger)
                self._close_drained()
            self._drained = []
        except NotCommittedError as failure:
            log.debug("The kernel's counters wait for the journal.", error=str(failure))
        grown = _losses(ledger) > _losses(before)
        if grown:
            log.warning("Starts were not told of; every runtime is listed.", losses=_losses(ledger))
        return grown

    def close(self) -> None:
        """Store the last counters and close it; a pinned one stays open for the next process."""
        ledger = settled(self._collector.ledger)
        self._drained += self._collector.drained()
        try:
            with self._journal.transaction():
                self._close_drained()
                if self._collector.pinned:
                    if ledger.balanced:
                        self._journal.update_attach(ledger)
                else:
                    self._journal.close_attach(ledger, time.time_ns())
        except (NotCommittedError, JournalCorruptError) as failure:
            log.error("The books are not closed; the next start will name a gap.", error=str(failure))  # noqa: TRY400  # a user's message

    def _close_drained(self) -> None:
        for older in self._drained:
            self._journal.close_attach(older, time.time_ns())


def _losses(ledger: KernelLedger) -> int:
    """How many starts nobody was told of, also while this process stood still for so long that the probe went quiet."""
    return ledger.mkdirs.lost + ledger.mkdirs.throttled + ledger.mkdirs.quiet + ledger.recursion_misses
