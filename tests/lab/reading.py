"""Reads a collector until a condition holds, with a deadline."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollcall_agent.collect.event import CgroupEvent, Collector, KernelLedger

DEADLINE_S = 30.0


def drain(collector: Collector, events: list[CgroupEvent]) -> None:
    """Read and acknowledge all that was submitted until now."""
    position = collector.position()
    deadline = time.monotonic() + DEADLINE_S
    while not collector.drained_to(position):
        assert time.monotonic() < deadline, "the ring was not drained in time"
        events += collector.read(256)
        collector.acknowledge()


def read_until(collector: Collector, done: Callable[[list[CgroupEvent]], bool]) -> list[CgroupEvent]:
    """Read and acknowledge as records come, until `done` says that they are enough."""
    events: list[CgroupEvent] = []
    deadline = time.monotonic() + DEADLINE_S
    while not done(events):
        left = deadline - time.monotonic()
        assert left > 0, f"not done after {len(events)} events"
        select.select([collector], [], [], min(left, 0.2))
        events += collector.read(256)
        collector.acknowledge()
    return events


def closed_books(collector: Collector) -> KernelLedger:
    """Return the kernel's counters once they add up: other processes make cgroups at any time."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        ledger = collector.ledger()
        if ledger.mkdirs.difference == 0 == ledger.rmdirs.difference:
            return ledger
        assert time.monotonic() < deadline, f"the books do not close: {ledger}"
