"""From the kernel's boot time to wall time, also across steps of the wall clock.

A record carries boot time, which nobody can step. Its wall time is boot time plus the difference of the two clocks that
was in force then: a short history of differences is kept, sampled each second and whenever records are read.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Final

_STEP_NS: Final = 1_000_000
"""A smaller change of the difference is the clock being slewed, and only moves the newest sample."""

_SAMPLES: Final = 64


class WallClock:
    """A history of differences between CLOCK_REALTIME and CLOCK_BOOTTIME, the newest last."""

    def __init__(self) -> None:
        self._offsets: deque[tuple[int, int]] = deque(maxlen=_SAMPLES)
        self.sample(time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns())

    def sample(self, boot_ns: int, wall_ns: int) -> None:
        """Note what both clocks show."""
        offset = wall_ns - boot_ns
        if self._offsets and abs(self._offsets[-1][1] - offset) < _STEP_NS:
            since = self._offsets.pop()[0]
            self._offsets.append((since, offset))
        else:
            self._offsets.append((boot_ns, offset))

    def sample_now(self) -> None:
        """Note what both clocks show now."""
        self.sample(time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns())

    def wall_ns(self, boot_ns: int) -> int:
        """Return the wall time, ns, of a boot time; older than the history, the oldest difference holds."""
        offset = self._offsets[0][1]
        for since, later in self._offsets:
            if since > boot_ns:
                break
            offset = later
        return boot_ns + offset
