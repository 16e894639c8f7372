"""The record of a start, composed of what the kernel told and what a runtime answered. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from rollcall.identity import identity
from rollcall.record import Cgroup, ContainerCreate, Ended, Node, Resolution, Spool, TimeSource
from rollcall.text import bounded, utf8
from rollcall.times import rfc3339
from rollcall_agent.collect.hierarchy import Hierarchy
from rollcall_agent.enrich.facts import Facts
from rollcall_agent.journal.start import Revision, Start
from rollcall_agent.roll.nesting import OutermostRoot
from rollcall_agent.roll.node import NodeIdentity


def compose(start: Start, facts: Facts, node: NodeIdentity, hierarchy: Hierarchy) -> ContainerCreate:
    """Return the record of a start, without its place in the journal and without its end."""
    ctime_ns, ctime_source = start.ctime_ns, start.ctime_source
    if ctime_ns is None and (ctime_ns := facts.started_ns or facts.created_ns) is not None:
        ctime_source = TimeSource.RUNTIME
    return ContainerCreate(
        identity=start.identity,
        container_id=start.container_id,
        runtime=replace(facts.runtime, name=bounded(facts.runtime.name), version=bounded(facts.runtime.version)),
        ctime=rfc3339(ctime_ns) if ctime_ns is not None else None,
        ctime_source=ctime_source if ctime_ns is not None else None,
        image=replace(facts.image, requested=bounded(facts.image.requested), id=bounded(facts.image.id)),
        container=replace(facts.container, name=bounded(facts.container.name)),
        pod=replace(
            facts.pod,
            name=bounded(facts.pod.name),
            namespace=bounded(facts.pod.namespace),
            uid=bounded(facts.pod.uid),
            sandbox_id=bounded(facts.pod.sandbox_id),
        ),
        cgroup=Cgroup(
            id=start.cgroup_id,
            path=utf8(start.path) if start.path else None,
            path_truncated=start.path_cut,
            version=hierarchy.version,
            hierarchy=start.hierarchy,
        ),
        node=Node(name=node.name, boot_id=node.boot_id),
        resources=facts.resources,
        origin=start.origin,
        resolution=facts.resolution,
        reason=facts.reason,
        message=bounded(facts.message),
        nested_below=start.candidate.nested_below,
    )


def placed(start: Start, epoch: str) -> ContainerCreate:
    """Return the record of a start in a sink's hands: with its sequence, its end, and what it supersedes.

    Raises:
        ValueError: the start has no record or no sequence.
    """
    if start.record is None or start.sequence is None:
        raise ValueError(f"row {start.row} was not handed to a sink")
    late = start.revision is Revision.LATE
    return replace(
        start.record,
        identity=late_identity(start) if late else start.identity,
        supersedes=start.identity if late else None,
        spool=Spool(epoch=epoch, sequence=start.sequence),
        ended=Ended(at=rfc3339(start.ended_ns), source=start.ended_source)
        if start.ended_ns is not None and start.ended_source is not None
        else None,
    )


def late_identity(start: Start) -> str:
    """Return the identity of the answer that supersedes a start's first one."""
    began_ns = start.started_ns or start.ctime_ns
    return identity(start.boot_id, start.container_id, start.cgroup_id, revision=Revision.LATE, started_ns=began_ns)


def excess_record(root: OutermostRoot, node: NodeIdentity, hierarchy: Hierarchy, now_ns: int) -> ContainerCreate:
    """Return the one record that stands for all starts over a container's budget for nested ones."""
    return ContainerCreate(
        identity="",
        container_id=root.container_id,
        ctime=rfc3339(now_ns),
        cgroup=Cgroup(id=root.cgroup_id, version=hierarchy.version, hierarchy=hierarchy.id),
        node=Node(name=node.name, boot_id=node.boot_id),
        resolution=Resolution.NESTED,
        reason="NestedOverBudget",
        message=f"{root.excess} more starts inside this container were counted and not recorded one by one",
        nested_below=root.container_id,
    )
