"""The race of questions: each is asked of all runtimes at once, again and again on schedule, until one answers.

Every runtime has a lane of its own, with its own timers and tries, so that a slow one holds up nobody else's. Up to a
few tries of a lane that fall due together go by id; more are answered by one list.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct, field

from rollcall_agent.enrich.clock import Clock, Timer
from rollcall_agent.enrich.counters import Counters
from rollcall_agent.enrich.facts import Answer, Facts, Miss, Question
from rollcall_agent.enrich.outcome import asked_once, is_asked, may_come, unsettled
from rollcall_agent.enrich.schedule import COME_NS, GIVE_UP_NS, TICK_NS, next_try

BY_ID: Final = 8
"""Tries that go by id; a call costs a Python client about 0.3 ms of processor time."""

_BY_LIST: Final = 512
"""Questions of one list; the rest waits for the next, so that a flood of false ones can't hold a lane for seconds."""


_SILENT: Final = Miss(reason="RuntimeHung", message="the runtime has not answered a single try")


class Responder(Protocol):
    """A runtime that can be asked. No method raises but when cancelled."""

    def matches(self, hint: str) -> bool:
        """Say whether a path's hint means this runtime."""

    async def ask(self, question: Question) -> Answer:
        """Ask by id."""

    async def ask_many(self, questions: Sequence[Question]) -> Mapping[int, Awaitable[Answer]]:
        """Ask by list; an answer for each key, later for those that the list shows."""


class _Open(Struct):
    """A question without an answer, the last miss of each endpoint, and those that need not be asked again."""

    question: Question
    give_up: Timer
    misses: dict[str, Miss] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)


class _Lane:
    """One runtime's tries: what is due when, and what is under way. Entries are (when, tries so far, key)."""

    def __init__(self, responder: Responder) -> None:
        self.responder = responder
        self.due: list[tuple[int, int, int]] = []
        self.by_id = 0
        self.listing = False
        self.timer: Timer | None = None
        self.timer_ns = 0
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def full(self) -> bool:
        """Whether nothing more can be begun."""
        return self.listing and self.by_id >= BY_ID

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def cancel(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        for task in self.tasks:
            task.cancel()


class Race:
    """All open questions, and the runtimes to ask."""

    def __init__(self, clock: Clock, on_answer: Callable[[int, Facts], None], counters: Counters) -> None:
        self._clock = clock
        self._on_answer = on_answer
        self._counters = counters
        self._open: dict[int, _Open] = {}
        self._lanes: dict[str, _Lane] = {}
        self._expected: set[str] = set()

    @property
    def waiting(self) -> int:
        """Questions without an answer."""
        return len(self._open)

    def ask(self, question: Question) -> None:
        """Begin asking. The answer comes by the callback, at once where nobody can be asked; a key is asked once."""
        if question.key in self._open:
            return
        if not is_asked(question):
            self._answer(question, unsettled(question, (), its_own=False))
            return
        timer = self._clock.call_at(question.noticed_ns + GIVE_UP_NS, lambda: self._give_up(question.key))
        self._open[question.key] = _Open(question, timer)
        now = self._clock.now()
        hint = _hint(question)
        first = {name for name, lane in self._lanes.items() if lane.responder.matches(hint)}
        for name in self._lanes:
            self._schedule(name, now if name in first or not first else now + TICK_NS, 0, question.key)
        if may_come(question):
            self._clock.call_at(question.noticed_ns + COME_NS, lambda: self._end_if_nobody_is_left(question.key))
        self._end_if_nobody_is_left(question.key)

    def expect(self, endpoint: str) -> None:
        """Note that a runtime is being found: what is asked only once waits for it."""
        self._expected.add(endpoint)

    def add(self, endpoint: str, responder: Responder) -> None:
        """Ask this runtime too, about all open questions at once."""
        if (old := self._lanes.pop(endpoint, None)) is not None:
            old.cancel()
        self._expected.discard(endpoint)
        self._lanes[endpoint] = _Lane(responder)
        now = self._clock.now()
        for key, entry in self._open.items():
            entry.done.discard(endpoint)
            self._schedule(endpoint, now, 1 if entry.misses else 0, key)

    def remove(self, endpoint: str) -> None:
        """Ask this runtime no more: its socket has gone, or was found to be none."""
        self._expected.discard(endpoint)
        lane = self._lanes.pop(endpoint, None)
        if lane is not None:
            lane.cancel()
        for key in list(self._open):
            self._end_if_nobody_is_left(key)

    def close(self) -> None:
        """Stop asking; open questions get no answer."""
        for entry in self._open.values():
            entry.give_up.cancel()
        self._open.clear()
        for lane in self._lanes.values():
            lane.cancel()
        self._lanes.clear()

    # -- tries -------------------------------------------------------------------------------------------------------

    def _schedule(self, endpoint: str, when_ns: int, tries: int, key: int) -> None:
        lane = self._lanes[endpoint]
        heapq.heappush(lane.due, (when_ns, tries, key))
        self._wind(endpoint, lane)

    def _wind(self, endpoint: str, lane: _Lane) -> None:
        """Set the lane's timer to what is due first; a full lane is wound again when it has room."""
        if not lane.due or lane.full or self._lanes.get(endpoint) is not lane:
            return
        when_ns = lane.due[0][0]
        if lane.timer is not None:
            if lane.timer_ns <= when_ns:
                return
            lane.timer.cancel()
        lane.timer_ns = when_ns
        lane.timer = self._clock.call_at(when_ns, lambda: self._tick(endpoint, lane))

    def _tick(self, endpoint: str, lane: _Lane) -> None:
        """Make the tries that are due, first ones first."""
        lane.timer = None
        now = self._clock.now()
        due: list[tuple[int, int, int]] = []
        while lane.due and lane.due[0][0] <= now:
            entry = heapq.heappop(lane.due)
            if entry[2] in self._open:
                due.append(entry)
        due.sort(key=lambda entry: (entry[1] > 0, entry[0]))
        room = BY_ID - lane.by_id
        by_list = len(due) > room and not lane.listing
        now_due, later = (due[:_BY_LIST], due[_BY_LIST:]) if by_list else (due[:room], due[room:])
        for entry in later:
            heapq.heappush(lane.due, entry)
        tries = [(self._open[key].question, tries) for _, tries, key in now_due]
        self._counters.tries[endpoint] += len(tries)
        self._counters.retries[endpoint] += sum(tries_so_far > 0 for _, tries_so_far in tries)
        if by_list:
            self._counters.lists += 1
            lane.listing = True
            lane.spawn(self._by_list(endpoint, lane, tries))
        else:
            lane.by_id += len(tries)
            for question, tries_so_far in tries:
                lane.spawn(self._by_id(endpoint, lane, question, tries_so_far))
        self._wind(endpoint, lane)

    async def _by_id(self, endpoint: str, lane: _Lane, question: Question, tries: int) -> None:
        answer = await lane.responder.ask(question)
        lane.by_id -= 1
        self._came(endpoint, lane, question.key, tries, answer)
        self._wind(endpoint, lane)

    async def _by_list(self, endpoint: str, lane: _Lane, tries: list[tuple[Question, int]]) -> None:
        coming = await lane.responder.ask_many([question for question, _ in tries])
        lane.listing = False
        for question, tries_so_far in tries:
            lane.spawn(self._later(endpoint, lane, question.key, tries_so_far, coming[question.key]))
        self._wind(endpoint, lane)

    async def _later(self, endpoint: str, lane: _Lane, key: int, tries: int, coming: Awaitable[Answer]) -> None:
        self._came(endpoint, lane, key, tries, await coming)

    # -- answers -----------------------------------------------------------------------------------------------------

    def _came(self, endpoint: str, lane: _Lane, key: int, tries: int, answer: Answer) -> None:
        entry = self._open.get(key)
        if entry is None:
            self._counters.late += isinstance(answer, Facts)
            return
        if isinstance(answer, Facts):
            self._settle(key, answer)
            return
        entry.misses[endpoint] = answer
        again = next_try(entry.question.noticed_ns, self._clock.now())
        if asked_once(entry.question, its_own=lane.responder.matches(_hint(entry.question))) or not answer.again:
            entry.done.add(endpoint)
            self._end_if_nobody_is_left(key)
        elif again is not None and self._lanes.get(endpoint) is lane:
            self._schedule(endpoint, again, tries + 1, key)

    def _end_if_nobody_is_left(self, key: int) -> None:
        """End a question that every runtime has answered for good."""
        entry = self._open.get(key)
        if entry is None or self._expected or not entry.done.issuperset(self._lanes):
            return
        if may_come(entry.question) and self._clock.now() < entry.question.noticed_ns + COME_NS:
            return
        if entry.done or asked_once(entry.question, its_own=False):
            self._settle(key, self._unsettled(entry, ()))

    def _give_up(self, key: int) -> None:
        if (entry := self._open.get(key)) is not None:
            silent = (_SILENT for name in self._lanes if name not in entry.misses)
            self._settle(key, self._unsettled(entry, silent))

    def _unsettled(self, entry: _Open, silent: Iterable[Miss]) -> Facts:
        """Conclude from the last miss of each runtime, and from those that gave none."""
        hint = _hint(entry.question)
        its_own = any(lane.responder.matches(hint) for lane in self._lanes.values())
        return unsettled(entry.question, (*entry.misses.values(), *silent), its_own=its_own)

    def _settle(self, key: int, facts: Facts) -> None:
        entry = self._open.pop(key)
        entry.give_up.cancel()
        self._answer(entry.question, facts)

    def _answer(self, question: Question, facts: Facts) -> None:
        self._counters.answers[facts.resolution] += 1
        self._counters.latency.observe((self._clock.now() - question.noticed_ns) / 1e9)
        self._on_answer(question.key, facts)


def _hint(question: Question) -> str:
    return question.candidate.runtime
