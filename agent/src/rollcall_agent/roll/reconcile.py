"""What a runtime lists, merged into the journal by identity: starts that were missed, ends that were lost.

A listing is merged only after the ring was drained to where it stood when the listing answered, so that whatever the
kernel told is in the journal already and nothing is recorded twice. Decisions are pure; `Reconciler` applies them.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from rollcall.identity import identity
from rollcall.record import Origin, Resolution, TimeSource
from rollcall_agent.collect.hierarchy import Hierarchy
from rollcall_agent.derive import ContainerCandidate
from rollcall_agent.enrich.facts import Listed, Listing, State
from rollcall_agent.journal.start import Start
from rollcall_agent.journal.start import State as RowState
from rollcall_agent.journal.writer import Journal
from rollcall_agent.roll.cgroup_files import stands
from rollcall_agent.roll.intake import SLACK_NS, covers
from rollcall_agent.roll.node import NodeIdentity
from rollcall_agent.roll.walk import Standing

FORGET_AFTER_NS: Final = 24 * 3600 * 10**9


_ANSWERED: Final = frozenset({RowState.READY, RowState.WRITTEN})
"""What a late answer can supersede."""


class Merged(Struct, kw_only=True):
    """What a listing changed: starts that it brought, starts to ask about once more, and ends with their cgroups."""

    starts: list[Start]
    again: list[Start]
    ended: list[int]


class Reconciler:
    """Merges listings of this node's runtimes. To be called inside transactions of the journal."""

    def __init__(self, journal: Journal, node: NodeIdentity, hierarchy: Hierarchy) -> None:
        self._journal = journal
        self._node = node
        self._hierarchy = hierarchy
        self._known: dict[str, frozenset[str]] = {}

    def forget(self, listing: Listing, sockets: Collection[str]) -> None:
        """Let the journal forget what ended a day ago and no runtime knows any more, once all `sockets` were listed."""
        self._known[listing.endpoint] = frozenset(each.container_id for each in listing.items)
        if self._known.keys() >= set(sockets):
            known = frozenset[str]().union(*self._known.values())
            self._journal.forget_unknown(known, time.time_ns() - FORGET_AFTER_NS)

    def merge(self, listing: Listing, standing: Sequence[Standing]) -> Merged:
        """Merge one runtime's listing with what stands in the cgroup tree."""
        merged = Merged(starts=[], again=[], ended=[])
        since_ns = self._journal.complete_since_ns() or 0
        places: dict[str, list[Standing]] = {}
        for place in standing:
            places.setdefault(place.candidate.container_id, []).append(place)
        for listed in listing.items:
            rows = [
                row for row in self._journal.by_container_id(listed.container_id) if row.boot_id == self._node.boot_id
            ]
            for start in missed(listed, rows, places.get(listed.container_id, ()), since_ns):
                self._add(listed, start, merged)
            merged.again.extend(
                row for row in rows if row.resolution is Resolution.UNRESOLVED and row.state in _ANSWERED
            )
        self._find_ends(listing, standing, merged)
        return merged

    def _add(self, listed: Listed, place: Standing | None, merged: Merged) -> None:
        self._journal.count("listed")
        start = start_of(listed, place, self._node, self._hierarchy)
        row = self._journal.add(start)
        if row is None:
            return
        if listed.state is State.EXITED and listed.finished_ns:
            self._journal.end_row(row, listed.finished_ns, TimeSource.RUNTIME)
        merged.starts.append(replace(start, row=row))

    def _find_ends(self, listing: Listing, standing: Iterable[Standing], merged: Merged) -> None:
        """Supply the ends that were lost: of what stands no more, and of what has no cgroup and runs no more."""
        alive = {place.cgroup_id for place in standing}
        listed = {each.container_id: each for each in listing.items}
        for row in self._journal.live(self._node.boot_id):
            said = listed.get(row.container_id)
            finished_ns = said.finished_ns if said and said.state is State.EXITED else None
            if row.cgroup_id != 0:
                # The walk shows what has a container's shape, and a namespace of containerd may not be known just now.
                if row.cgroup_id in alive or stands(row, self._hierarchy):
                    continue
                at_ns, source = (
                    (finished_ns, TimeSource.RUNTIME) if finished_ns else (time.time_ns(), TimeSource.CGROUP)
                )
                merged.ended.append(row.cgroup_id)
            elif finished_ns:
                at_ns, source = finished_ns, TimeSource.RUNTIME
            else:
                continue
            self._journal.end_row(row.row, at_ns, source)


def start_of(listed: Listed, place: Standing | None, node: NodeIdentity, hierarchy: Hierarchy) -> Start:
    """Return the start that a listing tells of, read now, with where it stands, if it stands anywhere."""
    began_ns = listed.started_ns or listed.created_ns
    cgroup_id = place.cgroup_id if place else 0
    candidate = place.candidate if place else ContainerCandidate(container_id=listed.container_id, runtime="")
    return Start(
        identity=identity(node.boot_id, listed.container_id, cgroup_id, started_ns=began_ns),
        candidate=replace(candidate, runtime=candidate.runtime or listed.runtime.name, namespace=listed.namespace),
        boot_id=node.boot_id,
        cgroup_id=cgroup_id,
        hierarchy=hierarchy.id,
        origin=Origin.RECONCILED,
        read_ns=time.time_ns(),
        path=place.path if place else b"",
        ctime_ns=began_ns,
        ctime_source=TimeSource.RUNTIME if began_ns is not None else None,
        started_ns=listed.started_ns,
        finished_ns=listed.finished_ns,
    )


def missed(listed: Listed, rows: Sequence[Start], places: Sequence[Standing], since_ns: int) -> list[Standing | None]:
    """Return the starts of a listed container that no row knows: each by where it stands, None where it stands nowhere.

    Created and not started is nothing yet. Running is reported. Exited is reported only if it started after `since_ns`
    and no row is its start. Pure.
    """
    if listed.state is State.CREATED:
        return []
    if listed.state is not State.EXITED and places:
        known = {row.cgroup_id for row in rows}
        return [place for place in places if place.cgroup_id not in known]
    began_ns = listed.started_ns or listed.created_ns
    if listed.state is State.UNKNOWN or began_ns is None:
        return []
    if any(_is_of(row, listed, began_ns) for row in rows):
        return []
    if listed.state is State.EXITED and began_ns < since_ns:
        return []
    return [None]


def _is_of(row: Start, listed: Listed, began_ns: int) -> bool:
    """Say whether a row is the start of a listed container that stands nowhere.

    The starts of one id are told apart by when they finished, since all have the same creation time. Where that is not
    told (CRI's list, whose ids are never started again; what ended while it was listed), any start since is the one: it
    may come long after the creation.
    """
    if listed.finished_ns is not None:
        return covers(row, listed.finished_ns)
    return (row.ctime_ns or 0) >= began_ns - SLACK_NS or covers(row, began_ns)
