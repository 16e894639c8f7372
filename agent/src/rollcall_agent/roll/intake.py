"""Writes down what the collector has read: each record becomes a row, a counted reason why not, or the end of a row.

Runs inside the caller's transaction, so that a record is durable with its count before anybody is asked about it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable

from msgspec import Struct
from msgspec.structs import replace

from rollcall.identity import identity
from rollcall.record import Origin, TimeSource
from rollcall_agent.collect.event import CgroupEvent, Kind
from rollcall_agent.derive import ContainerCandidate, NotARoot, derive, unknown_namespace
from rollcall_agent.enrich.counters import Latency
from rollcall_agent.journal.start import Start
from rollcall_agent.journal.writer import Journal
from rollcall_agent.roll.clock import WallClock
from rollcall_agent.roll.nesting import Nesting
from rollcall_agent.roll.node import NodeIdentity


class Taken(Struct, kw_only=True):
    """What came of a batch: starts to ask about, those in doubt, and the cgroups of starts that have ended.

    `doubtful` are starts whose path is `/<something>/<anything>`: containers, if containerd has a namespace so named.
    """

    starts: list[Start]
    doubtful: list[Start]
    ended: list[int]


class Intake:
    """Takes batches of records into the journal."""

    def __init__(
        self,
        journal: Journal,
        node: NodeIdentity,
        nesting: Nesting,
        clock: WallClock,
        namespaces: Callable[[], Container[str]],
    ) -> None:
        self._journal = journal
        self._node = node
        self._nesting = nesting
        self._clock = clock
        self._namespaces = namespaces
        self.mkdir_to_read = Latency()

    def take(self, events: Iterable[CgroupEvent]) -> Taken:
        """Take a batch, in order. To be called inside a transaction; calling it again after a rollback is the same."""
        taken = Taken(starts=[], doubtful=[], ended=[])
        self._clock.sample_now()
        for event in events:
            if event.kind is Kind.START:
                self._start(event, taken)
            else:
                self._end(event, taken)
        return taken

    def _end(self, event: CgroupEvent, taken: Taken) -> None:
        self._journal.count("end_read", attach=event.attach)
        at_ns = self._clock.wall_ns(event.boot_ns)
        if self._journal.end(event.cgroup_id, event.hierarchy, at_ns, TimeSource.KERNEL):
            taken.ended.append(event.cgroup_id)

    def _start(self, event: CgroupEvent, taken: Taken) -> None:
        self._journal.count("read", attach=event.attach)
        if self._node.root is not None and not self._node.root.owns(event):
            self._journal.count("foreign")
            return
        path = self._node.within(event.path)
        found = derive(path, event.leaf, path_cut=event.path_cut, namespaces=self._namespaces())
        doubtful = None
        if isinstance(found, NotARoot):
            doubtful = None if event.path_cut else unknown_namespace(path)
            if doubtful is None:
                self._journal.count("not_a_root", reason=found.reason)
                return
            found = ContainerCandidate(container_id=event.leaf.decode(), runtime="containerd", namespace=doubtful)
        placed = self._place(event, found)
        if placed is None:
            self._journal.count("nested")
            return
        start = self._row(event, placed)
        row = self._journal.add(start)
        if row is not None:
            (taken.starts if doubtful is None else taken.doubtful).append(replace(start, row=row))

    def _place(self, event: CgroupEvent, candidate: ContainerCandidate) -> ContainerCandidate | None:
        """Say which live container a candidate lies in; None where that one's budget is spent."""
        root = self._nesting.around(event.ancestors)
        if root is None and not event.knows_all_ancestors and candidate.nested_below is not None:
            root = self._nesting.around_id(candidate.nested_below)
        if root is None:
            return candidate
        if not root.spend(time.monotonic()):
            return None
        return replace(candidate, nested_below=candidate.nested_below or root.container_id)

    def _row(self, event: CgroupEvent, candidate: ContainerCandidate) -> Start:
        ctime_ns = self._clock.wall_ns(event.boot_ns)
        self.mkdir_to_read.observe((time.clock_gettime_ns(time.CLOCK_BOOTTIME) - event.boot_ns) / 1e9)
        return Start(
            identity=self._identity(candidate.container_id, event.cgroup_id, ctime_ns),
            candidate=candidate,
            boot_id=self._node.boot_id,
            cgroup_id=event.cgroup_id,
            hierarchy=event.hierarchy,
            origin=Origin.KERNEL,
            read_ns=time.time_ns(),
            attach=event.attach,
            path=event.path,
            path_cut=event.path_cut,
            leaf=event.leaf if event.path_cut else b"",
            boot_ns=event.boot_ns,
            ctime_ns=ctime_ns,
            ctime_source=TimeSource.KERNEL,
        )

    def _identity(self, container_id: str, cgroup_id: int, ctime_ns: int) -> str:
        """Give the start's identity: that of a listing's row, where one without a cgroup covers this very time."""
        for row in self._journal.by_container_id(container_id):
            if row.cgroup_id == 0 and row.boot_id == self._node.boot_id and covers(row, ctime_ns):
                return row.identity
        return identity(self._node.boot_id, container_id, cgroup_id)


SLACK_NS = 2_000_000_000
"""A cgroup is made before the runtime writes down that the container started, and both clocks are rounded."""


def covers(row: Start, at_ns: int) -> bool:
    """Say whether a time lies in the interval in which a row's start was made and ended, as far as it is known."""
    begin = row.ctime_ns or row.started_ns or 0
    end = row.finished_ns or row.ended_ns
    return begin - SLACK_NS <= at_ns and (end is None or at_ns <= end + SLACK_NS)
