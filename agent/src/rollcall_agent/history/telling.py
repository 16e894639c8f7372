"""Tells of violations: what is written down as untold goes to its receiver, in order, and is crossed off after.

A process killed in between tells once more. A receiver that is slow holds up nobody but itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from rollcall.violations import Transition
from rollcall_agent.history.run import ENDED_WELL, run
from rollcall_agent.journal.writer import Journal, JournalCorruptError, NotCommittedError

OUTPUT: Final = "output"
COMMAND: Final = "command"

AT_ONCE: Final = 4
"""Commands that run at once; those of one violation run one after the other."""
DEADLINE_S: Final = 30.0
"""Time that a command has."""

_PAGE: Final = 64
_AGAIN_S: Final = 1.0

_transitions: Final = msgspec.json.Decoder(Transition)
_encoder: Final = msgspec.json.Encoder()

log = structlog.get_logger()


class Telling:
    """Tells `write` and runs `command`, either of which may be absent. `failed` counts commands that failed, by why."""

    def __init__(
        self,
        journal: Journal,
        *,
        write: Callable[[Transition], Awaitable[None]] | None = None,
        command: Sequence[str] = (),
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._journal = journal
        self._write = write
        self._command = tuple(command)
        self._deadline_s = deadline_s
        self._news = asyncio.Event()
        self._running: dict[int, tuple[str, asyncio.Task[None]]] = {}
        self._told: list[int] = []
        self._idle = asyncio.Event()
        self.done = 0
        self.failed = 0

    @property
    def receivers(self) -> tuple[str, ...]:
        """Whom transitions are to be written down for."""
        return (OUTPUT,) * (self._write is not None) + (COMMAND,) * bool(self._command)

    def wake(self) -> None:
        """Note that there is something to tell."""
        self._idle.clear()
        self._news.set()

    async def run(self) -> None:
        """Tell, until cancelled; commands that run then are killed, and run again by the next process.

        Raises:
            NobodyReadsError: from `write`.
        """
        self._drop_others()
        self._news.set()
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                try:
                    await self._advance()
                except (NotCommittedError, JournalCorruptError) as failure:
                    log.error("What was told can't be noted; it waits.", error=str(failure))  # noqa: TRY400  # a user's message
                    asyncio.get_running_loop().call_later(_AGAIN_S, self._news.set)
                if not (self._news.is_set() or self._running or self._told):
                    self._idle.set()
        finally:
            tasks = [task for _, task in self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _advance(self) -> None:
        """Cross off what was told, write what is to be written, start commands as far as there is room."""
        self._cross_off()
        if self._write is not None:
            while rows := self._select(
                "SELECT id, transition FROM untold WHERE receiver = ? ORDER BY id LIMIT ?", OUTPUT, _PAGE
            ):
                for row in rows:
                    await self._write(_transitions.decode(row["transition"]))
                    self._told.append(row["id"])
                self._cross_off()
        if self._command:
            self._start_commands()

    def _start_commands(self) -> None:
        """Start the first untold command of each violation for which none runs."""
        busy = msgspec.json.encode([name for name, _ in self._running.values()]).decode()
        rows = self._select(
            "SELECT min(id) AS id, violation, transition FROM untold WHERE receiver = ? "
            "AND violation NOT IN (SELECT value FROM json_each(?)) GROUP BY violation ORDER BY id LIMIT ?",
            *(COMMAND, busy, AT_ONCE - len(self._running)),
        )
        for row in rows:
            task = asyncio.ensure_future(self._run(row["id"], _transitions.decode(row["transition"])))
            self._running[row["id"]] = row["violation"], task

    async def _run(self, row: int, transition: Transition) -> None:
        try:
            how = await run(self._command, _encoder.encode(transition) + b"\n", self._deadline_s)
            if how == ENDED_WELL:
                self.done += 1
            else:
                self.failed += 1
                log.error(
                    "The command for a violation failed.",
                    command=self._command[0],
                    how=how,
                    violation=transition.violation.key.name,
                    change=transition.change.value,
                )
            self._told.append(row)
        finally:
            del self._running[row]
            self._news.set()

    def _select(self, statement: str, *arguments: str | int) -> list[sqlite3.Row]:
        with self._journal.transaction():  # which says what is wrong with a file that is damaged
            return self._journal.connection.execute(statement, arguments).fetchall()

    def _cross_off(self) -> None:
        if self._told:
            with self._journal.transaction():
                self._journal.connection.executemany("DELETE FROM untold WHERE id = ?", [(row,) for row in self._told])
            self._told.clear()

    async def finish(self, seconds: float) -> None:
        """Wait until nothing is left to tell, and for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    def _drop_others(self) -> None:
        """Say what nobody will be told any more: an earlier process had a receiver that this one has not."""
        try:
            with self._journal.transaction():
                given_up = self._journal.connection.execute(
                    "DELETE FROM untold WHERE receiver NOT IN (SELECT value FROM json_each(?))",
                    (msgspec.json.encode(self.receivers).decode(),),
                ).rowcount
        except (NotCommittedError, JournalCorruptError):
            return  # the next process asks again
        if given_up:
            log.warning("Violations wait for a receiver that is not there any more; they are given up.", n=given_up)
