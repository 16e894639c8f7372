"""A walk of the followed cgroup hierarchy: which container roots stand there now, and since when.

It gives the same ids as the kernel's records, since a directory's inode is its cgroup's id, on version 1 and 2. What a
listing finds running is placed by it, and what it no longer finds has ended.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator

from msgspec import Struct

from rollcall_agent.collect.hierarchy import Hierarchy
from rollcall_agent.derive import ContainerCandidate, derive
from rollcall_agent.roll.node import NodeIdentity


class Standing(Struct, frozen=True, kw_only=True):
    """A container root that stands in the tree."""

    candidate: ContainerCandidate
    cgroup_id: int
    path: bytes


def walk(hierarchy: Hierarchy, node: NodeIdentity, namespaces: Container[str]) -> Iterator[Standing]:
    """Yield every container root that is this node's. Directories that vanish meanwhile are passed over."""
    mount = os.fsencode(hierarchy.mount)
    top = node.root.path if node.root is not None else b""
    try:
        waiting = [(top, os.stat(mount + top).st_ino)]  # noqa: PTH116  # any bytes, no Path
    except OSError:
        return
    while waiting:
        path, cgroup_id = waiting.pop()
        if path != top:
            found = derive(node.within(path), path.rpartition(b"/")[2], path_cut=False, namespaces=namespaces)
            if isinstance(found, ContainerCandidate):
                yield Standing(candidate=found, cgroup_id=cgroup_id, path=path)
        try:
            with os.scandir(mount + path) as entries:
                waiting.extend(
                    (path + b"/" + entry.name, entry.inode())
                    for entry in entries
                    if entry.is_dir(follow_symlinks=False)
                )
        except OSError:
            continue
