"""Reads the ring into the journal: a batch is let go of when it is on disk, and waits in the ring until then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from rollcall_agent.collect.event import CgroupEvent, Collector
from rollcall_agent.journal.writer import Journal, JournalCorruptError, NotCommittedError
from rollcall_agent.roll.intake import Intake, Taken

_BATCH: Final = 512
_BATCHES: Final = 1000
"""Batches in a drain: far more than any ring holds, so that a record that stays busy ends it."""

_WAIT_S: Final = 1.0
_TRIES: Final = 5
"""How often a batch is tried while the disk is full; then its starts are given up, counted, and a listing is due."""

log = structlog.get_logger()


class Reading:
    """Drains one collector's ring. `on_taken` gets what came of each batch, once it is durable.

    `on_corrupt` must renew the journal; the batch in hand is then taken again.
    """

    def __init__(  # noqa: PLR0913  # the parts that it ties together
        self,
        collector: Collector,
        journal: Journal,
        intake: Intake,
        *,
        on_taken: Callable[[Taken], None],
        on_loss: Callable[[], None],
        on_corrupt: Callable[[JournalCorruptError], None],
    ) -> None:
        self._collector = collector
        self._journal = journal
        self._intake = intake
        self._on_taken = on_taken
        self._on_loss = on_loss
        self._on_corrupt = on_corrupt
        self._held: list[CgroupEvent] = []
        self._tries = 0

    def begin(self) -> None:
        """Read whenever something can be read."""
        asyncio.get_running_loop().add_reader(self._collector.fileno(), self.read)

    def end(self) -> None:
        """Stop reading."""
        asyncio.get_running_loop().remove_reader(self._collector.fileno())

    def read(self) -> None:
        """Take one batch from the ring into the journal."""
        self._held = self._held or self._collector.read(_BATCH)
        if not self._held:
            return
        try:
            with self._journal.transaction():
                taken = self._intake.take(self._held)
        except NotCommittedError as failure:
            self._failed(failure)
        except JournalCorruptError as failure:
            self._on_corrupt(failure)
        else:
            self._let_go()
            self._on_taken(taken)

    def drain_to(self, position: int) -> bool:
        """Read until everything below a position is on disk; False where the disk or a busy record forbids it."""
        for _ in range(_BATCHES):
            if self._held or self._collector.drained_to(position):
                break
            self.read()
        return self._collector.drained_to(position)

    def _let_go(self) -> None:
        self._collector.acknowledge()
        self._held = []
        self._tries = 0

    def _failed(self, failure: NotCommittedError) -> None:
        loop = asyncio.get_running_loop()
        self.end()
        loop.call_later(_WAIT_S, self.begin)
        self._tries += 1
        if self._tries < _TRIES:
            log.error("The journal can't be written; the ring keeps what was read.", error=str(failure))
            return
        log.error("What was read is given up and counted: the journal can't be written.", error=str(failure))
        with self._journal.forfeit(failure.reason):
            self._intake.take(self._held)
        self._on_loss()
        self._let_go()
