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


class Standing(Struct, frozen=True, kw_only=True):
    """A container root that stands in the tree; `ancestors` are cgroup ids from the parent upwards."""

    candidate: ContainerCandidate
    cgroup_id: int
    path: bytes
    ancestors: tuple[int, ...]


def walk(hierarchy: Hierarchy, namespaces: Container[str] = frozenset()) -> Iterator[Standing]:
    """Yield every container root below the mount. Directories that vanish meanwhile are passed over."""
    mount = os.fsencode(hierarchy.mount)
    try:
        root = (b"", os.stat(mount).st_ino, ())
    except OSError:
        return
    waiting: list[tuple[bytes, int, tuple[int, ...]]] = [root]
    while waiting:
        path, cgroup_id, ancestors = waiting.pop()
        if path:
            found = derive(path, path.rpartition(b"/")[2], path_cut=False, namespaces=namespaces)
            if isinstance(found, ContainerCandidate):
                yield Standing(candidate=found, cgroup_id=cgroup_id, path=path, ancestors=ancestors)
        try:
            with os.scandir(mount + path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((path + b"/" + entry.name, entry.inode(), (cgroup_id, *ancestors)))
        except OSError:
            continue
