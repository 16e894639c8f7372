"""How long things took, in buckets: cheap enough to be counted always, whether anybody asks or not."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

BOUNDS: Final = (0.0005, 0.001, 0.003, 0.01, 0.025, 0.06, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0)
"""Upper bounds of the buckets in seconds; one more bucket holds what took longer."""


class Latency:
    """One histogram. `counts` has one entry a bucket, and the last for what took longer than all bounds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one; a clock that stepped back counts as no time."""
        seconds = max(0.0, seconds)
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum_s += seconds


class Latencies:
    """The three that every start passes: into the agent, to an answer, into the sink's hands."""

    def __init__(self) -> None:
        self.mkdir_to_read = Latency()
        self.read_to_answer = Latency()
        self.mkdir_to_written = Latency()
