"""The clock that schedules run by; tests put one of their own in its place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that is still to come."""

    def cancel(self) -> None:
        """Take it back; nothing happens where it was made already."""


class Clock(Protocol):
    """Monotonic time, ns, and calls at a time."""

    def now(self) -> int:
        """Return the time now."""

    def call_at(self, when_ns: int, callback: Callable[[], object]) -> Timer:
        """Make a call at or soon after `when_ns`."""


class LoopClock:
    """The running event loop's clock: CLOCK_MONOTONIC."""

    def now(self) -> int:
        """Return the time now."""
        return time.monotonic_ns()

    def call_at(self, when_ns: int, callback: Callable[[], object]) -> Timer:
        """Make a call at or soon after `when_ns`."""
        delay = (when_ns - time.monotonic_ns()) / 1e9
        return asyncio.get_running_loop().call_later(max(delay, 0.0), callback)
