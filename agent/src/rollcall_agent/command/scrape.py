"""The metrics of a roll, served to Prometheus. Imported only where they are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from rollcall_agent.history.keeper import Keeper
from rollcall_agent.journal.writer import Journal
from rollcall_agent.metrics.exposition import Exposition, JudgedCounts, Snapshot
from rollcall_agent.metrics.serve import address, serving
from rollcall_agent.roll.roll import Roll

if TYPE_CHECKING:
    from rollcall_agent.history.telling import Telling


@asynccontextmanager
async def scraped(
    where: str, roll: Roll, journal: Journal, keeper: Keeper, telling: Telling | None
) -> AsyncIterator[None]:
    """Serve inside the context at `HOST:PORT`. Raises OSError where the address can't be had."""

    def take() -> Snapshot:
        return Snapshot(
            books=journal.books(),
            journal_bytes=journal.size_bytes,
            mkdir_to_read=roll.mkdir_to_read,
            mkdir_to_written=roll.mkdir_to_written,
            questions=roll.enricher.waiting,
            enrich=roll.enricher.counters,
            judged=_judged(keeper, telling),
        )

    host, port = address(where)
    async with serving(host, port, Exposition(take).render):
        yield


def _judged(keeper: Keeper, telling: Telling | None) -> JudgedCounts | None:
    if keeper.judging is None or telling is None:
        return None
    return JudgedCounts(
        broken=tuple(keeper.judging.broken),
        verdicts=dict(keeper.judging.verdicts),
        commands={"told": telling.done, "failed": telling.failed},
        left_out=keeper.judging.left_out,
    )
