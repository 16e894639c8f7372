"""Finds the runtimes of a node, and has each candidate answered: whose it is and from which image."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Final

import structlog
from msgspec import Struct

from rollcall.record import Runtime
from rollcall_agent.enrich.channel import CallError
from rollcall_agent.enrich.clock import Clock, LoopClock
from rollcall_agent.enrich.connect import Client, connect
from rollcall_agent.enrich.counters import Counters
from rollcall_agent.enrich.facts import Facts, Listing, Question
from rollcall_agent.enrich.race import Race
from rollcall_agent.enrich.sockets import USUAL, Identity, endpoints, present

_LOOK_SECONDS: Final = 1.0
_NAMESPACES_SECONDS: Final = 2.0
_CLOSE_SECONDS: Final = 2.0
_FIRST_LOOK: Final = ""
"""What is expected before the first look at the sockets: whoever listens there."""

log = structlog.get_logger()


class _Known(Struct):
    """A socket that is there: who it was when we looked, and the client once somebody answered."""

    identity: Identity
    client: Client | None = None
    connecting: asyncio.Task[None] | None = None
    troubles: int = 0


class Enricher:
    """Asks the runtimes of this node about candidates. One event loop; callbacks are made from it.

    `on_answer(key, facts)` comes exactly once for each question, `on_listing(endpoint, listing)` for each runtime that
    was asked to list, `on_back(endpoint)` when a runtime answers for the first time or again after it had gone.
    """

    def __init__(  # noqa: PLR0913 - three callbacks, and two parts that tests replace
        self,
        given: Iterable[str],
        *,
        on_answer: Callable[[int, Facts], None],
        on_listing: Callable[[str, Listing], None],
        on_back: Callable[[str], None],
        usual: Iterable[str] = USUAL,
        clock: Clock | None = None,
    ) -> None:
        self.counters = Counters()
        self._paths = endpoints(given, usual)
        self._on_listing = on_listing
        self._on_back = on_back
        self._race = Race(clock or LoopClock(), on_answer, self.counters)
        self._race.expect(_FIRST_LOOK)
        self._known: dict[str, _Known] = {}
        self._namespaces: frozenset[str] = frozenset()
        self._has_looked = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Questions without an answer."""
        return self._race.waiting

    @property
    def runtimes(self) -> dict[str, Runtime]:
        """Who answers now, by endpoint."""
        return {path: client.runtime for path, client in self._clients().items()}

    @property
    def sockets(self) -> frozenset[str]:
        """Paths of the sockets that are there, whether or not somebody answers."""
        return frozenset(self._known)

    def ask(self, question: Question) -> None:
        """Ask about a candidate; may be called before `run` has found anybody."""
        self._race.ask(question)

    def namespaces(self) -> frozenset[str]:
        """Return containerd's namespaces as far as they are known; one that has gone may come back with its own."""
        return self._namespaces.union(*(client.namespaces for client in self._clients().values()))

    async def refresh_namespaces(self) -> bool:
        """Ask each containerd for its namespaces again; one that does not answer soon keeps those it had.

        Returns whether all who listen have answered, so that no other namespace exists.
        """
        clients = self._clients().values()
        answered = await _soon([client.refresh_namespaces() for client in clients], _NAMESPACES_SECONDS)
        return answered and self._has_looked and all(known.client is not None for known in self._known.values())

    async def list_all(self) -> None:
        """List every runtime; the listings come by the callback, each when it is there."""
        await asyncio.gather(*map(self.list_one, self._clients()))

    async def list_one(self, endpoint: str) -> None:
        """List one runtime, if it is still there."""
        client = self._clients().get(endpoint)
        if client is None:
            return
        listing = await client.list_all()
        self._on_listing(endpoint, listing)

    async def run(self) -> None:
        """Watch the sockets until cancelled."""
        while True:
            self._look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def close(self) -> None:
        """Let go of everything, within some seconds; open questions stay without an answer."""
        self._race.close()
        for task in self._tasks:
            task.cancel()
        await _soon([client.close() for client in self._clients().values()], _CLOSE_SECONDS)
        self._known.clear()

    def _clients(self) -> dict[str, Client]:
        return {path: known.client for path, known in self._known.items() if known.client is not None}

    # -- sockets -----------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Compare the sockets with what was there before."""
        there = present(self._paths)
        for path in [path for path, known in self._known.items() if there.get(path) != known.identity]:
            self._forget(path)
        for path, identity in there.items():
            known = self._known.get(path)
            if known is None:
                known = self._known[path] = _Known(identity)
                self._race.expect(path)
            if known.client is None and known.connecting is None:
                known.connecting = self._spawn(self._connect(path, known))
        self._race.remove(_FIRST_LOOK)
        self._has_looked = True

    def _forget(self, path: str) -> None:
        known = self._known.pop(path)
        self._race.remove(path)
        if known.connecting is not None:
            known.connecting.cancel()
        if known.client is not None:
            self._namespaces |= known.client.namespaces
            log.info("A runtime's socket has gone.", endpoint=path, runtime=known.client.runtime.name)
            self._spawn(known.client.close())

    async def _connect(self, path: str, known: _Known) -> None:
        """Find out who listens; on failure the next look tries again."""
        errors = self.counters.errors.setdefault(path, Counter())
        try:
            client = await connect(path, errors)
        except CallError as error:
            known.connecting = None
            known.troubles += 1
            if known.troubles == 1:
                log.warning("A runtime's socket is there, and nobody answers.", endpoint=path, error=str(error))
            self._race.remove(path)
            return
        known.connecting = None
        known.client = client
        log.info("A runtime answers.", endpoint=path, runtime=client.runtime.name, version=client.runtime.version)
        self._race.add(path, client)
        self._on_back(path)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _soon(works: Iterable[Coroutine[None, None, None]], seconds: float) -> bool:
    """Do several things at once, each as far as it comes in that time; a runtime's failure is counted elsewhere.

    Returns whether all were done.
    """

    async def one(work: Coroutine[None, None, None]) -> bool:
        with suppress(CallError, TimeoutError):
            await asyncio.wait_for(work, seconds)
            return True
        return False

    return all(await asyncio.gather(*map(one, works)))
