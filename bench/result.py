"""A row of the table, and how measurements become the figures in it. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct


class Row(Struct, frozen=True, kw_only=True):
    """One row: what was measured, how it was fed, what came out, and what it had to be.

    Latencies are in milliseconds, memory in MiB (VmRSS), `cpu` in words, `idle` in percent of the whole machine. `met`
    is None where the row has no target. `earlier` is Tracee's figure, measured at another time.
    """

    what: str
    collector: str
    feed: str
    measured: str = ""
    p50: float | None = None
    p99: float | None = None
    memory: float | None = None
    cpu: str = ""
    idle: float | None = None
    target: str = ""
    met: bool | None = None
    earlier: str = ""


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Return the nearest-rank percentile, None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)] if ordered else None


def within(value: float | None, limit: float) -> bool:
    """Say whether a figure was measured and is at most `limit`."""
    return value is not None and value <= limit


class Count(Struct, frozen=True, kw_only=True):
    """How the starts that were made compare with the records that came."""

    made: int
    recorded: int
    complete: int
    twice: int

    @property
    def exact(self) -> bool:
        """Whether each has exactly one record."""
        return self.recorded == self.made and not self.twice

    def __str__(self) -> str:
        """Say it in words."""
        said = f"{self.recorded} of {self.made} recorded, {self.complete} complete"
        return f"{said}, {self.twice} twice" if self.twice else said


def compare(made: Collection[str], recorded: Sequence[tuple[str, bool]]) -> Count:
    """Compare the ids that were made with the records, in pairs of id and whether it was complete."""
    wanted = set(made)
    seen = [container_id for container_id, _ in recorded if container_id in wanted]
    return Count(
        made=len(wanted),
        recorded=len(set(seen)),
        complete=len({container_id for container_id, complete in recorded if complete} & wanted),
        twice=len(seen) - len(set(seen)),
    )
