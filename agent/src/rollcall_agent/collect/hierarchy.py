"""Which cgroup hierarchy is followed, and where it is mounted.

Version 1 makes a container's directory once in each hierarchy, version 2 once: one of them has to be followed. On pure
version 2 it is hierarchy 0; where version 1 is mounted it is the one of `cpuset`, which runc makes first (the unified
one comes 12-16 ms later), or 0 where `cpuset` is on version 2.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from rollcall_agent.collect.problem import CollectorProblem


class Hierarchy(Struct, frozen=True, kw_only=True):
    """The followed hierarchy. `id` 0 is version 2. `mount` is the directory where its root can be looked at."""

    id: int
    version: int
    mount: Path

    def describe(self) -> str:
        """One phrase for people."""
        return f"cgroup v{self.version}, hierarchy {self.id} ({self.mount})"


def followed(self_cgroup: str, mountinfo: str) -> Hierarchy:
    """Choose from the texts of /proc/self/cgroup and /proc/self/mountinfo (proc_pid_mountinfo(5), cgroups(7)). Pure.

    Raises:
        CollectorProblem: no mount of the hierarchy can be seen.
    """
    number = 0
    for line in self_cgroup.splitlines():
        hierarchy, _, rest = line.partition(":")
        if "cpuset" in rest.partition(":")[0].split(","):
            number = int(hierarchy)
    for mount, kind, options in _mounts(mountinfo):
        if (number == 0 and kind == "cgroup2") or (number and kind == "cgroup" and "cpuset" in options):
            return Hierarchy(id=number, version=1 if number else 2, mount=mount)
    name = "cpuset (version 1)" if number else "version 2"
    raise CollectorProblem(
        f"No mount of the cgroup hierarchy {name} can be seen.",
        "Mount the host's /sys/fs/cgroup into this mount namespace.",
    )


def _mounts(mountinfo: str) -> list[tuple[Path, str, list[str]]]:
    found = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        _, _, _, root, directory, *_ = before.split()
        kind, _, options = after.split()[:3]
        if root == "/":  # the hierarchy's own root, not a part of it
            found.append((Path(directory.encode().decode("unicode_escape")), kind, options.split(",")))
    return found


def followed_here() -> Hierarchy:
    """Choose for this machine."""
    return followed(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text(errors="replace"))
