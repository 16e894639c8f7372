"""Starts in doubt: `/<something>/<anything>` is a container if containerd has a namespace so named, else it is none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from rollcall_agent.enrich.enricher import Enricher
from rollcall_agent.journal.start import Start
from rollcall_agent.journal.writer import Journal, JournalCorruptError, NotCommittedError

_AGAIN_S: Final = 1.0
_AGAIN_UNTIL_S: Final = 60.0

log = structlog.get_logger()


class Doubts:
    """Asks containerd for its namespaces; `on_container` gets the starts in them, the others are refused.

    While somebody who listens has not answered, nothing is refused for a minute: a containerd that is starting, or
    hangs, may have any namespace.
    """

    def __init__(
        self,
        journal: Journal,
        enricher: Enricher,
        *,
        on_container: Callable[[Start], None],
        on_corrupt: Callable[[JournalCorruptError], None],
    ) -> None:
        self._journal = journal
        self._enricher = enricher
        self._on_container = on_container
        self._on_corrupt = on_corrupt
        self._waiting: list[tuple[float, Start]] = []
        self._asking: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is in doubt."""
        return not self._waiting

    def add(self, starts: Iterable[Start]) -> None:
        """Take starts in doubt, which are in the journal."""
        self._waiting += [(time.monotonic(), start) for start in starts]
        if self._waiting and self._asking is None:
            self._asking = asyncio.ensure_future(self._ask())

    def clear(self) -> None:
        """Let go of all: they wait in the journal, or are gone with it."""
        self._waiting = []
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    async def _ask(self) -> None:
        while self._waiting:
            asked = list(self._waiting)  # of a namespace made after the answer, only a later one tells
            all_answered = await self._enricher.refresh_namespaces()
            known, until_s = self._enricher.namespaces(), time.monotonic() - _AGAIN_UNTIL_S
            containers = [entry for entry in asked if entry[1].candidate.namespace in known]
            others = [
                entry
                for entry in asked
                if entry[1].candidate.namespace not in known and (all_answered or entry[0] < until_s)
            ]
            try:
                self._refuse([start for _, start in others])
            except NotCommittedError as failure:
                log.error("The journal can't be written; what is no container waits.", error=str(failure))  # noqa: TRY400  # a user's message
                others = []
            except JournalCorruptError as failure:
                self._asking = None
                self._on_corrupt(failure)
                return
            self._waiting = [entry for entry in self._waiting if entry not in containers and entry not in others]
            for _, start in containers:
                self._on_container(start)
            if len(containers) + len(others) < len(asked):
                await asyncio.sleep(_AGAIN_S)
        self._asking = None

    def _refuse(self, starts: list[Start]) -> None:
        with self._journal.transaction():
            for start in starts:
                self._journal.refuse(start.row, "not_a_shape")
