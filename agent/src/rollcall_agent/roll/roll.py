"""The loop of one node: reads the ring, asks whose they are, lists what could have been missed, hands records out.

One asyncio loop, no threads. The ring is drained whenever it is readable, and let go of only when what was read is on
disk; everything after that can be done again by the next process from the journal alone.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Final

import structlog
from msgspec import Struct

from rollcall.record import ContainerCreate, Resolution
from rollcall_agent.collect.event import CgroupEvent, Collector, KernelLedger
from rollcall_agent.collect.hierarchy import Hierarchy
from rollcall_agent.enrich.enricher import Enricher
from rollcall_agent.enrich.facts import Facts, Listing, Question
from rollcall_agent.journal.start import Start, State
from rollcall_agent.journal.writer import Journal, JournalCorruptError, NotCommittedError
from rollcall_agent.roll.clock import WallClock
from rollcall_agent.roll.compose import compose, excess_record, placed
from rollcall_agent.roll.intake import Intake, Taken
from rollcall_agent.roll.nesting import Nesting
from rollcall_agent.roll.node import NodeIdentity
from rollcall_agent.roll.reconcile import Reconciler
from rollcall_agent.roll.walk import walk
from rollcall_agent.sink import NobodyReadsError

_BATCH: Final = 512
_RETRIES: Final = 5
"""Seconds that a batch waits for the disk, in the ring, before its starts are given up and counted."""

_TICK_S: Final = 1.0
_RENEW_TICKS: Final = 5
_EXCESS_TICKS: Final = 60
_LIST_AFTER_LOSS_S: Final = 10.0
_LIST_EVERY_S: Final = 300.0
_SETTLE_AFTER_S: Final = 0.05
_LAST_ANSWERS_S: Final = 2.0

log = structlog.get_logger()


class Wishes(Struct, frozen=True, kw_only=True):
    """What the user wants to see: containers that ran before the first start, and pods' sandboxes."""

    existing: bool = True
    sandboxes: bool = True


class Roll:
    """The roll of this node from attach to close. `hand_out` gets records in the order of their sequence."""

    def __init__(
        self,
        *,
        collector: Collector,
        hierarchy: Hierarchy,
        journal: Journal,
        node: NodeIdentity,
        endpoints: list[str],
        wishes: Wishes,
        hand_out: Callable[[ContainerCreate], Awaitable[None]],
    ) -> None:
        self._collector = collector
        self._journal = journal
        self._node = node
        self._hierarchy = hierarchy
        self._wishes = wishes
        self._hand_out = hand_out
        self._clock = WallClock()
        self._nesting = Nesting()
        self.enricher = Enricher(endpoints, on_answer=self._answered, on_listing=self._listed, on_back=self._came_back)
        self._intake = Intake(journal, node, self._nesting, self._clock, self.enricher.namespaces)
        self._reconciler = Reconciler(journal, node, hierarchy)
        self._held: list[CgroupEvent] = []
        self._failures = 0
        self._answers: list[tuple[int, Facts]] = []
        self._advance_due = False
        self._handing: asyncio.Task[None] | None = None
        self._unsettled: list[int] = []
        self._existing: set[int] = set()
        self._listed_endpoints: set[str] = set()
        self._broken: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ledger = KernelLedger(attach=0)
        self._list_wanted = False
        self._listed_s = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the roll until `stop` is set, then close the books.

        Raises:
            NobodyReadsError: from `hand_out`; the books are closed all the same.
        """
        loop = asyncio.get_running_loop()
        self._broken = loop.create_future()
        self._open_books()
        loop.add_reader(self._collector.fileno(), self._readable)
        workers = [asyncio.ensure_future(part) for part in (self.enricher.run(), self._tick(), _set(stop))]
        try:
            for start in self._journal.pending():
                self._ask(start)
            self._handing = asyncio.ensure_future(self._hand(self._journal.unsettled()))
            done, _ = await asyncio.wait([self._broken, *workers], return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
        finally:
            await self._close_books()
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    # -- the books ---------------------------------------------------------------------------------------------------

    def _open_books(self) -> None:
        now_ns = time.time_ns()
        self._ledger = self._collector.ledger()
        with self._journal.transaction():
            self._journal.open_attach(
                self._collector.name,
                self._collector.attach_number,
                self._hierarchy.id,
                now_ns,
                taken_over=self._collector.adopted,
            )
            self._journal.close_lost_attaches(now_ns)
            self._journal.close_earlier_boots()
        self._reconciler.begin(now_ns)
        for start in self._journal.live(self._node.boot_id):
            if start.resolution in {Resolution.RESOLVED, Resolution.PARTIAL}:
                self._note_live(start)

    async def _close_books(self) -> None:
        """Detach, drain, wait a little for the last answers, hand out what there is, and close the attach."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._collector.fileno())
        self._collector.detach()
        self._drain_to(self._collector.position())
        until = loop.time() + _LAST_ANSWERS_S
        broken = self._broken is not None and self._broken.done()
        while loop.time() < until and not broken:
            self._advance()
            if self._handing is None and not self.enricher.waiting and not self._answers and not self._journal.ready():
                break
            await asyncio.sleep(0.01)
        if self._handing is not None:
            self._handing.cancel()
        await self.enricher.close()
        with self._journal.transaction():
            self._settle()
            if self._collector.pinned:
                self._journal.update_attach(self._collector.ledger())
            else:
                self._journal.close_attach(self._collector.ledger(), time.time_ns())

    async def _tick(self) -> None:
        """Each second: the clocks, the kernel's counters, and whatever is due."""
        for tick in itertools.count(1):
            await asyncio.sleep(_TICK_S)
            self._clock.sample_now()
            ledger = self._collector.ledger()
            if _losses(ledger) > _losses(self._ledger):
                log.warning("Starts were lost or throttled; every runtime is listed.", losses=_losses(ledger))
                self._list_wanted = True
            if ledger != self._ledger:
                with suppress(NotCommittedError), self._journal.transaction():
                    self._journal.update_attach(ledger)
                self._ledger = ledger
            if tick % _RENEW_TICKS == 0:
                self._collector.renew()
            if tick % _EXCESS_TICKS == 0:
                for root in self._nesting.take_excess():
                    await self._hand_out(excess_record(root, self._node, self._hierarchy, time.time_ns()))
            since_s = time.monotonic() - self._listed_s
            if (self._list_wanted and since_s >= _LIST_AFTER_LOSS_S) or since_s >= _LIST_EVERY_S:
                self._list_wanted = False
                self._listed_s = time.monotonic()
                self._spawn(self.enricher.list_all())

    # -- the ring ----------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        """Take one batch from the ring into the journal, and let go of it."""
        if not self._held:
            self._held = self._collector.read(_BATCH)
        if not self._held:
            return
        try:
            with self._journal.transaction():
                taken = self._intake.take(self._held)
        except NotCommittedError as failure:
            self._failed(failure)
            return
        except JournalCorruptError as failure:
            log.error("The journal is damaged: it is set aside, and a new epoch begins.", error=str(failure))
            self._journal.renew()
            self._open_books()
            return
        self._let_go()
        self._ask_about(taken)

    def _let_go(self) -> None:
        self._collector.acknowledge()
        self._held = []
        self._failures = 0

    def _failed(self, failure: NotCommittedError) -> None:
        """Leave the batch in the ring for another try, some times; then its starts are dropped and a listing helps."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._collector.fileno())
        loop.call_later(_TICK_S, loop.add_reader, self._collector.fileno(), self._readable)
        self._failures += 1
        if self._failures <= _RETRIES:
            log.error("The journal can't be written; the ring keeps what was read.", error=str(failure))
            return
        log.error("Starts are dropped, for the journal can't be written.", records=len(self._held), error=str(failure))
        with self._journal.forfeit(failure.reason):
            self._intake.take(self._held)
        self._list_wanted = True
        self._let_go()

    def _drain_to(self, position: int) -> bool:
        """Read until everything below a position is on disk; False where the disk or a busy record forbids it."""
        for _ in range(10_000):
            if self._collector.drained_to(position):
                return True
            self._readable()
            if self._held:
                return False
        return False

    def _ask_about(self, taken: Taken) -> None:
        for cgroup_id in taken.ended:
            self._nesting.remove(cgroup_id)
            self._collector.unlimit(cgroup_id)
        for start in taken.starts:
            self._ask(start)
        if taken.doubtful:
            self._spawn(self._ask_for_namespaces(taken.doubtful))

    async def _ask_for_namespaces(self, doubtful: list[Start]) -> None:
        """Ask containerd for its namespaces once, then ask about the starts in them and refuse the others."""
        await self.enricher.refresh_namespaces()
        known = self.enricher.namespaces()
        refused = [start for start in doubtful if start.candidate.namespace not in known]
        if refused:
            with self._journal.transaction():
                for start in refused:
                    self._journal.refuse(start.row, "not_a_shape")
        for start in doubtful:
            if start.candidate.namespace in known:
                self._ask(start)

    # -- answers -----------------------------------------------------------------------------------------------------

    def _ask(self, start: Start) -> None:
        self.enricher.ask(
            Question(
                key=start.row, candidate=start.candidate, cgroup_id=start.cgroup_id, noticed_ns=time.monotonic_ns()
            )
        )

    def _answered(self, key: int, facts: Facts) -> None:
        self._answers.append((key, facts))
        self._want_advance()

    def _want_advance(self) -> None:
        if not self._advance_due:
            self._advance_due = True
            asyncio.get_running_loop().call_soon(self._advance)

    def _advance(self) -> None:
        """In one transaction: settle what was handed out, write down what was answered, and take what is to hand out."""
        self._advance_due = False
        answers, self._answers = self._answers, []
        batch: list[Start] = []
        try:
            with self._journal.transaction():
                self._settle()
                for key, facts in answers:
                    self._resolve(key, facts)
                if self._handing is None:
                    batch = self._journal.next_ready()
        except NotCommittedError as failure:
            log.error("The journal can't be written; answers wait.", error=str(failure))
            self._answers = answers + self._answers
            asyncio.get_running_loop().call_later(_TICK_S, self._want_advance)
            return
        self._unsettled.clear()
        if batch:
            self._handing = asyncio.ensure_future(self._hand(batch))

    def _settle(self) -> None:
        self._journal.settle(self._unsettled)

    async def _hand(self, batch: list[Start]) -> None:
        """Hand a batch out, then let the journal know, at once where more waits."""
        try:
            for start in batch:
                await self._hand_out(placed(start, self._journal.epoch))
                self._unsettled.append(start.row)
        except NobodyReadsError as error:
            if self._broken is not None and not self._broken.done():
                self._broken.set_exception(error)
            return
        finally:
            self._handing = None
        if self._answers or self._journal.ready():
            self._want_advance()
        else:
            asyncio.get_running_loop().call_later(_SETTLE_AFTER_S, self._want_advance)

    def _resolve(self, key: int, facts: Facts) -> None:
        start = self._journal.get(key)
        if start is None:
            return
        record = compose(start, facts, self._node, self._hierarchy)
        if record.resolution in {Resolution.RESOLVED, Resolution.PARTIAL}:
            self._note_live(start)
        if start.state is not State.PENDING:
            if start.resolution is Resolution.UNRESOLVED and record.resolution is not Resolution.UNRESOLVED:
                self._journal.late(key, record)
        elif record.pod.sandbox and not self._wishes.sandboxes:
            self._journal.resolve_sandbox(key)
        else:
            self._journal.resolve(key, record, started_ns=facts.started_ns, finished_ns=facts.finished_ns)
            if key in self._existing and not self._wishes.existing:
                self._journal.drop(key, "existing_not_asked")

    # -- listings ----------------------------------------------------------------------------------------------------

    def _came_back(self, endpoint: str) -> None:
        """List a runtime that appeared, at the start too."""
        self._spawn(self.enricher.list_one(endpoint))

    def _listed(self, endpoint: str, listing: Listing) -> None:
        """Merge a listing, once the ring is drained to where it stands now."""
        if not self._drain_to(self._collector.position()):
            self._list_wanted = True
            return
        standing = list(walk(self._hierarchy, self._node, self.enricher.namespaces()))
        try:
            with self._journal.transaction():
                merged = self._reconciler.merge(listing, standing)
        except NotCommittedError:
            self._list_wanted = True
            return
        if endpoint not in self._listed_endpoints:
            self._listed_endpoints.add(endpoint)
            self._existing.update(start.row for start in merged.starts)
        for cgroup_id in merged.ended:
            self._nesting.remove(cgroup_id)
            self._collector.unlimit(cgroup_id)
        for start in (*merged.starts, *merged.again):
            self._ask(start)

    def _note_live(self, start: Start) -> None:
        """Remember a container that a runtime answered for as a root that others may lie in."""
        if start.cgroup_id == 0 or start.ended_ns is not None or start.candidate.nested_below is not None:
            return
        self._nesting.add(start.cgroup_id, start.container_id)
        self._collector.limit_below(start.cgroup_id)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _set(stop: asyncio.Event) -> None:
    await stop.wait()


def _losses(ledger: KernelLedger) -> int:
    return ledger.mkdirs.lost + ledger.mkdirs.throttled + ledger.recursion_misses
