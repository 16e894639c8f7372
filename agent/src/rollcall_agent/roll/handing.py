"""Answers into the journal, and records from the journal to the sink, in the order of their sequence.

A record is durable with its sequence before the sink gets it, and settled after: a process killed in between hands it
out once more, with the same identity and sequence.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import structlog
from msgspec import Struct

from rollcall.record import ContainerCreate, Resolution
from rollcall_agent.enrich.counters import Latency
from rollcall_agent.enrich.facts import Facts
from rollcall_agent.history.keeper import Keeper
from rollcall_agent.journal.start import Start, State
from rollcall_agent.journal.writer import IN_HAND, Journal, JournalCorruptError, NotCommittedError
from rollcall_agent.roll.compose import placed
from rollcall_agent.sink import NobodyReadsError

if TYPE_CHECKING:
    from rollcall.judge import Verdict

_WAIT_S: Final = 1.0
_SETTLE_AFTER_S: Final = 0.05
_TOLD: Final = 256

HandOut = Callable[[ContainerCreate, "Verdict | None"], Awaitable[None]]
"""Takes a record with its verdict: None where there are no policies, and for what is no start of its own."""

log = structlog.get_logger()


class Wishes(Struct, frozen=True, kw_only=True):
    """What the user wants to see: containers that ran before the first start, and pods' sandboxes."""

    existing: bool = True
    sandboxes: bool = True


class _Handed(Struct, frozen=True):
    """A start on its way to the sink."""

    start: Start
    record: ContainerCreate
    verdict: Verdict | None


class Handing:
    """Takes answers and hands records out. `broken` ends with NobodyReadsError once the sink takes no more.

    `on_corrupt` is called where the journal is found damaged; it must renew it, and `clear` this.
    """

    def __init__(  # noqa: PLR0913  # the parts between which it hands
        self,
        journal: Journal,
        keeper: Keeper,
        wishes: Wishes,
        *,
        compose: Callable[[Start, Facts], ContainerCreate],
        hand_out: HandOut,
        on_corrupt: Callable[[JournalCorruptError], None],
    ) -> None:
        self._journal = journal
        self._keeper = keeper
        self._wishes = wishes
        self._compose = compose
        self._hand_out = hand_out
        self._on_corrupt = on_corrupt
        self._told: deque[ContainerCreate] = deque(maxlen=_TOLD)
        self._more = True
        self._answers: list[tuple[int, Facts]] = []
        self._due = False
        self._handing: asyncio.Task[None] | None = None
        self._unsettled: list[int] = []
        self._existing: set[int] = set()
        self.mkdir_to_written = Latency()
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        """Hand out first what an earlier process had in its hands."""
        with self._journal.transaction():
            batch = self._taken(self._journal.unsettled())
        self._begin_to_hand(batch)

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be written down or handed out."""
        return not self._answers and not self._told and self._handing is None and not self._more

    def mark_existing(self, rows: list[int]) -> None:
        """Note that these starts are of before the first start of this journal."""
        self._existing.update(rows)

    def answered(self, key: int, facts: Facts) -> None:
        """Take an answer; all that come in one turn of the loop share a transaction."""
        self._answers.append((key, facts))
        self._want()

    def tell(self, record: ContainerCreate) -> None:
        """Hand a record out that is no row of the journal, in its turn."""
        self._told.append(record)
        self._want()

    def clear(self) -> None:
        """Let go of the rows of a journal that was renewed; what the sink is being handed is not torn."""
        self._answers, self._unsettled, self._more = [], [], False
        self._existing.clear()

    async def end(self) -> None:
        """Stop handing out, and settle what was; what can't be settled is handed out again by the next process."""
        if self._handing is not None:
            self._handing.cancel()
            await asyncio.gather(self._handing, return_exceptions=True)
        try:
            with self._journal.transaction():
                self._journal.settle(self._unsettled)
        except (NotCommittedError, JournalCorruptError) as failure:
            log.error("What was handed out last can't be settled.", error=str(failure))  # noqa: TRY400  # a user's message
        self._unsettled = []

    def _want(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._advance)

    def _advance(self) -> None:
        """In one transaction: settle what was handed out, write down what was answered, take what is to hand out.

        What is taken is counted and judged in it, too: what has a sequence is in the history, and nothing else is.
        """
        self._due = False
        answers, self._answers = self._answers, []
        batch: list[_Handed] = []
        try:
            with self._journal.transaction():
                self._journal.settle(self._unsettled)
                for key, facts in answers:
                    self._resolve(key, facts)
                if self._handing is None and not self.broken.done():
                    batch = self._taken(self._journal.next_ready())
        except JournalCorruptError as failure:
            self._on_corrupt(failure)
            return
        except NotCommittedError as failure:
            self._keeper.recall()
            log.error("The journal can't be written; answers wait.", error=str(failure))  # noqa: TRY400  # a user's message
            self._answers = answers + self._answers
            asyncio.get_running_loop().call_later(_WAIT_S, self._want)
            return
        except Exception as failure:  # noqa: BLE001  # nothing of it is in the journal: the next process does it again
            self._keeper.recall()
            if not self.broken.done():
                self.broken.set_exception(failure)
            return
        self._unsettled.clear()
        if self._handing is not None:
            self._more |= bool(answers)
        elif not self.broken.done():
            self._more = len(batch) == IN_HAND
            if batch or self._told:
                self._begin_to_hand(batch)

    def _taken(self, starts: list[Start]) -> list[_Handed]:
        epoch = self._journal.epoch
        records = [placed(start, epoch) for start in starts]
        return [
            _Handed(start, record, self._keeper.take(start, record))
            for start, record in zip(starts, records, strict=True)
        ]

    def _begin_to_hand(self, batch: list[_Handed]) -> None:
        self._handing = asyncio.ensure_future(self._hand(batch, self._unsettled))

    def _resolve(self, key: int, facts: Facts) -> None:
        start = self._journal.get(key)
        if start is None:
            return  # retired meanwhile
        record = self._compose(start, facts)
        if start.state in {State.READY, State.WRITTEN}:
            late = start.resolution is Resolution.UNRESOLVED and record.resolution is not Resolution.UNRESOLVED
            if late and not self._journal.late(key, record):
                self._answers.append((key, facts))  # the sink has the first answer in its hands: after it is settled
        elif start.state is not State.PENDING:
            pass  # dropped, or a sandbox that nobody asked for: no answer changes that
        elif record.pod.sandbox and not self._wishes.sandboxes:
            self._journal.resolve_sandbox(key)
        else:
            self._journal.resolve(key, record, started_ns=facts.started_ns, finished_ns=facts.finished_ns)
            if key in self._existing and not self._wishes.existing:
                self._journal.drop(key, "existing_not_asked")

    async def _hand(self, batch: list[_Handed], handed: list[int]) -> None:
        """Hand a batch out, then let the journal know: at once where more waits."""
        try:
            for each in batch:
                await self._hand_out(each.record, each.verdict)
                handed.append(each.start.row)
                if (boot_ns := each.start.boot_ns) is not None:
                    self.mkdir_to_written.observe((time.clock_gettime_ns(time.CLOCK_BOOTTIME) - boot_ns) / 1e9)
            while self._told:
                await self._hand_out(self._told.popleft(), None)
        except NobodyReadsError as error:
            if not self.broken.done():
                self.broken.set_exception(error)
            return
        finally:
            self._handing = None
        if self._answers or self._more:
            self._want()
        else:
            asyncio.get_running_loop().call_later(_SETTLE_AFTER_S, self._want)
