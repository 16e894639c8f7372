"""The node that the roll is of: its name, its boot, and which part of the cgroup tree is its own."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from msgspec import Struct

from rollcall_agent.collect.event import CgroupEvent
from rollcall_agent.collect.hierarchy import Hierarchy
from rollcall_agent.derive import below


class NodeRoot(Struct, frozen=True, kw_only=True):
    """The directory below which everything is this node's: its path in the hierarchy and its cgroup id."""

    path: bytes
    cgroup_id: int

    def owns(self, event: CgroupEvent) -> bool:
        """Say whether a directory is this node's: by its ancestors' ids, by its path where some of them are missing."""
        if self.cgroup_id in event.ancestors or event.cgroup_id == self.cgroup_id:
            return True
        if event.knows_all_ancestors:
            return False
        return below(event.path, self.path)


class NodeIdentity(Struct, frozen=True, kw_only=True):
    """Who this node is. `root` is None where the whole hierarchy is its own."""

    name: str
    boot_id: str
    root: NodeRoot | None = None

    def within(self, path: bytes) -> bytes:
        """Return a path as seen from the node's root: a node that is itself a container is not around its own."""
        if self.root is None or not below(path, self.root.path):
            return path
        return path[len(self.root.path) :]


def this_node(hierarchy: Hierarchy, root: str | None) -> NodeIdentity:
    """Identify this machine; `root` is a path in the hierarchy, as `/node1`.

    Raises:
        FileNotFoundError: there is no such directory in the followed hierarchy.
    """
    found = None
    if root is not None and root.strip("/"):
        path = "/" + root.strip("/")
        directory = hierarchy.mount / path.removeprefix("/")
        found = NodeRoot(path=os.fsencode(path), cgroup_id=directory.stat().st_ino)
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return NodeIdentity(name=socket.gethostname(), boot_id=boot_id, root=found)
