"""Where a measurement happens: the laboratory, a collector, and how much there is to be measured."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from bench.result import Count, Row, compare, percentile
from bench.watch import Record, Watch, started, watching
from lab.node_lab import NodeLab


@dataclass(frozen=True)
class Site:
    """One collector on the laboratory's node; with `quick` everything is done once and small."""

    lab: NodeLab
    collector: str
    quick: bool
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def full(self, full: int, quick: int) -> int:
        """Choose between the full measure and the small one."""
        return quick if self.quick else full

    def folder(self) -> Path:
        """Return a new name for a folder inside of the scratch."""
        return self.lab.scratch.folder / f"{self.collector}-{next(self._numbers)}"

    def watching(self, endpoint: str | None = None, options: Collection[str] = ()) -> AbstractContextManager[Watch]:
        """Run a fresh `rollcall watch`, by default on the laboratory's containerd, attached from the begin on."""
        return watching(self.folder(), self.collector, endpoint or self.lab.containerd.endpoint, options=options)

    def started(self) -> AbstractContextManager[Watch]:
        """Start a fresh `rollcall watch` and do not wait for it."""
        return started(self.folder(), self.collector, self.lab.containerd.endpoint)


def counted(made: Collection[str], watch: Watch) -> Count:
    """Compare what was made with all records that have come."""
    return compare(made, [(record.container_id, record.complete) for record in watch.read()])


def latencies(records: Collection[Record]) -> tuple[float | None, float | None]:
    """Return the 50th and the 99th percentile of the latencies, ms."""
    values = [record.latency_ms for record in records if record.ctime]
    return percentile(values, 50), percentile(values, 99)


Rows = Iterator[Row]
