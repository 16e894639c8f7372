"""What the enrichment counts about itself, for whoever shows metrics."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Final

from msgspec import Struct, field

LATENCY_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the buckets; one more bucket has what took longer."""


class Latency(Struct):
    """A histogram of the time from noticing a start to its answer, seconds."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_SECONDS) + 1))
    total_seconds: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count one answer."""
        self.buckets[bisect_left(LATENCY_SECONDS, seconds)] += 1
        self.total_seconds += seconds

    @property
    def count(self) -> int:
        """Answers so far."""
        return sum(self.buckets)


class Counters(Struct):
    """Totals since the start. `tries` and `retries` are by endpoint, `errors` by endpoint, then by the failure's name.

    "Not found" is no failure.
    """

    tries: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    lists: int = 0
    late: int = 0
    """Answers of one runtime that came after another's had settled the question, or after it was given up."""
    answers: Counter[str] = field(default_factory=Counter)
    errors: dict[str, Counter[str]] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
