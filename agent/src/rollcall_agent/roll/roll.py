"""The loop of one node: reads the ring, asks whose they are, lists what could have been missed, hands records out.

One asyncio loop, no threads. The ring is drained whenever it is readable, and let go of only when what was read is on
disk; everything after that can be done again by the next process from the journal alone.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Coroutine
from typing import Final

import structlog
from msgspec.structs import replace

from rollcall.record import ContainerCreate, Resolution
from rollcall_agent.collect.event import Collector
from rollcall_agent.collect.hierarchy import Hierarchy
from rollcall_agent.enrich.enricher import Enricher
from rollcall_agent.enrich.facts import Facts, Listing, Question, State
from rollcall_agent.history.keeper import Keeper
from rollcall_agent.journal.start import Start
from rollcall_agent.journal.writer import Journal, JournalCorruptError, NotCommittedError
from rollcall_agent.roll.attach import Attach
from rollcall_agent.roll.cgroup_files import limits_of
from rollcall_agent.roll.clock import WallClock
from rollcall_agent.roll.compose import compose, excess_record
from rollcall_agent.roll.doubts import Doubts
from rollcall_agent.roll.handing import Handing, HandOut, Wishes
from rollcall_agent.roll.intake import Intake, Taken
from rollcall_agent.roll.nesting import Nesting
from rollcall_agent.roll.node import NodeIdentity
from rollcall_agent.roll.reading import Reading
from rollcall_agent.roll.reconcile import Reconciler
from rollcall_agent.roll.walk import walk

_TICK_S: Final = 1.0
_RENEW_TICKS: Final = 5
_EXCESS_TICKS: Final = 60
_LIST_AFTER_LOSS_S: Final = 10.0
_LIST_EVERY_S: Final = 300.0
_LAST_ANSWERS_S: Final = 2.0

log = structlog.get_logger()


class Roll:
    """The roll of this node from attach to close; to be made inside the running loop."""

    def __init__(  # noqa: PLR0913  # the parts that it ties together
        self,
        *,
        collector: Collector,
        hierarchy: Hierarchy,
        journal: Journal,
        keeper: Keeper,
        node: NodeIdentity,
        endpoints: list[str],
        wishes: Wishes,
        hand_out: HandOut,
    ) -> None:
        self._collector = collector
        self._journal = journal
        self._keeper = keeper
        self._node = node
        self._hierarchy = hierarchy
        self._clock = WallClock()
        self._nesting = Nesting()
        self._reconciler = Reconciler(journal, node, hierarchy)
        self._handing = Handing(
            journal, keeper, wishes, compose=self._compose, hand_out=hand_out, on_corrupt=self._renew_journal
        )
        self.enricher = Enricher(
            endpoints, on_answer=self._handing.answered, on_listing=self._merge, on_back=self._list_one
        )
        intake = Intake(journal, node, self._nesting, self._clock, self.enricher.namespaces)
        self.mkdir_to_read, self.mkdir_to_written = intake.mkdir_to_read, self._handing.mkdir_to_written
        self._reading = Reading(
            collector,
            journal,
            intake,
            on_taken=self._taken,
            on_loss=self._want_listing,
            on_corrupt=self._renew_journal,
        )
        self._doubts = Doubts(journal, self.enricher, on_container=self._ask, on_corrupt=self._renew_journal)
        self._tasks: set[asyncio.Task[None]] = set()
        self._attach = Attach(collector, journal, hierarchy)
        self._first_start = False
        self._listed: set[str] = set()
        self._list_wanted = False
        self._listed_s = time.monotonic()  # every runtime is listed when it answers for the first time

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the roll until `stop` is set, then close the books.

        Raises:
            NobodyReadsError: from `hand_out`; the books are closed all the same.
        """
        self._open_books()
        self._reading.begin()
        for start in self._journal.pending():
            if start.candidate.namespace is None:
                self._ask(start)
            else:
                self._doubts.add([start])
        self._handing.begin()
        work = [asyncio.ensure_future(part) for part in (self.enricher.run(), self._tick(), _set(stop))]
        try:
            done, _ = await asyncio.wait([self._handing.broken, *work], return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
        finally:
            await self._close_books()
            for part in work:
                part.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    # -- the books ---------------------------------------------------------------------------------------------------

    def _open_books(self) -> None:
        """Open the books, and recall what runs."""
        self._first_start = self._attach.open()
        self._keeper.begin()
        self._list_wanted = bool(self._collector.leftovers)
        for start in self._journal.live(self._node.boot_id):
            if start.resolution in {Resolution.RESOLVED, Resolution.PARTIAL}:
                self._note_live(start)

    async def _close_books(self) -> None:
        """Detach, drain, wait a little for the last answers, and close the books."""
        loop = asyncio.get_running_loop()
        self._reading.end()
        self._collector.detach()
        self._reading.drain_to(self._collector.position())
        until = loop.time() + _LAST_ANSWERS_S
        while loop.time() < until and not self._handing.broken.done():
            if not self.enricher.waiting and self._handing.idle and self._doubts.idle:
                break
            await asyncio.sleep(0.01)
        self._doubts.clear()
        await self._handing.end()
        await self.enricher.close()
        self._attach.close()

    def _renew_journal(self, failure: JournalCorruptError) -> None:
        """Begin a new epoch. What was on its way goes with the damaged file; a listing finds what still runs."""
        log.error("The journal is damaged.", error=str(failure))
        self._journal.renew()
        self._handing.clear()
        self._doubts.clear()
        self._listed.clear()
        self._open_books()
        self._want_listing()

    async def _tick(self) -> None:
        """Each second: the clocks, the kernel's counters, and whatever is due."""
        for tick in itertools.count(1):
            await asyncio.sleep(_TICK_S)
            self._clock.sample_now()
            self._read_ledger()
            await self._keep_history()
            if tick % _RENEW_TICKS == 0:
                self._collector.renew()
            if tick % _EXCESS_TICKS == 0:
                for root in self._nesting.take_excess():
                    self._handing.tell(excess_record(root, self._node, self._hierarchy, time.time_ns()))
            since_s = time.monotonic() - self._listed_s
            if (self._list_wanted and since_s >= _LIST_AFTER_LOSS_S) or since_s >= _LIST_EVERY_S:
                self._list_wanted = False
                self._listed_s = time.monotonic()
                self._spawn(self.enricher.list_all())

    def _read_ledger(self) -> None:
        """Store the kernel's counters; a growth of the losses orders a listing."""
        try:
            if self._attach.store():
                self._collector.renew()
                self._want_listing()
        except JournalCorruptError as failure:
            self._renew_journal(failure)

    async def _keep_history(self) -> None:
        """Do what is due in the history, in turns of the loop that stay short."""
        try:
            more = self._keeper.tick()
            while more:
                await asyncio.sleep(0)
                more = self._keeper.tick()
        except NotCommittedError as failure:
            log.error("The history can't be written; what is due waits.", error=str(failure))  # noqa: TRY400  # a user's message
        except JournalCorruptError as failure:
            self._renew_journal(failure)

    # -- from the ring to the runtimes -------------------------------------------------------------------------------

    def _taken(self, taken: Taken) -> None:
        for cgroup_id in taken.ended:
            self._forget(cgroup_id)
        for start in taken.starts:
            self._ask(start)
        self._doubts.add(taken.doubtful)

    def _ask(self, start: Start) -> None:
        self.enricher.ask(
            Question(
                key=start.row, candidate=start.candidate, cgroup_id=start.cgroup_id, noticed_ns=time.monotonic_ns()
            )
        )

    def _compose(self, start: Start, facts: Facts) -> ContainerCreate:
        if facts.resolution in {Resolution.RESOLVED, Resolution.PARTIAL}:
            self._note_live(start)
        if facts.resources.source is None and facts.state is State.RUNNING:
            facts = replace(facts, resources=limits_of(start, self._hierarchy))
        return compose(start, facts, self._node, self._hierarchy)

    def _note_live(self, start: Start) -> None:
        """Remember a container that a runtime answered for as a root that others may lie in."""
        if start.cgroup_id != 0 and start.ended_ns is None and start.candidate.nested_below is None:
            self._nesting.add(start.cgroup_id, start.container_id)
            self._collector.limit_below(start.cgroup_id)

    def _forget(self, cgroup_id: int) -> None:
        self._nesting.remove(cgroup_id)
        self._collector.unlimit(cgroup_id)

    # -- listings ----------------------------------------------------------------------------------------------------

    def _want_listing(self) -> None:
        self._list_wanted = True

    def _list_one(self, endpoint: str) -> None:
        self._spawn(self.enricher.list_one(endpoint))

    def _merge(self, endpoint: str, listing: Listing) -> None:
        """Merge a listing, once the ring is drained to where it stands now that the listing has answered."""
        if listing.error is not None or not self._reading.drain_to(self._collector.position()):
            self._want_listing()
            return
        namespaces = self.enricher.namespaces().union(each.namespace for each in listing.items if each.namespace)
        standing = list(walk(self._hierarchy, self._node, namespaces))
        try:
            with self._journal.transaction():
                merged = self._reconciler.merge(listing, standing)
                self._reconciler.forget(listing, self.enricher.sockets)
        except NotCommittedError:
            self._want_listing()
            return
        except JournalCorruptError as failure:
            self._renew_journal(failure)
            return
        if self._first_start and endpoint not in self._listed:
            self._handing.mark_existing([start.row for start in merged.starts])
        self._listed.add(endpoint)
        for cgroup_id in merged.ended:
            self._forget(cgroup_id)
        for start in (*merged.starts, *merged.again):
            self._ask(start)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _set(stop: asyncio.Event) -> None:
    await stop.wait()
