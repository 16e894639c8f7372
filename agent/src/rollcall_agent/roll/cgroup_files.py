"""The directory of a start: whether it stands, and the limits in its files, for runtimes that do not tell.

They are written after the directory was made, on version 1 and hybrid in other hierarchies at the same path: read them
once the runtime says that the container runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from rollcall.record import Resources
from rollcall_agent.collect.hierarchy import Hierarchy
from rollcall_agent.enrich.limits import limits_from_cgroup
from rollcall_agent.journal.start import Start


def stands(start: Start, hierarchy: Hierarchy) -> bool:
    """Say whether the directory of a start is there; False too where its path is not known to the end."""
    if not start.path or start.path_cut:
        return False
    try:
        return os.stat(os.fsencode(hierarchy.mount) + start.path).st_ino == start.cgroup_id  # noqa: PTH116  # any bytes, no Path
    except OSError:
        return False


def limits_of(start: Start, hierarchy: Hierarchy) -> Resources:
    """Return the limits of a start whose directory still stands, unknown ones where it does not."""
    return limits_from_cgroup(_reader(hierarchy, start.path)) if stands(start, hierarchy) else Resources()


def _reader(hierarchy: Hierarchy, path: bytes) -> Callable[[str], str | None]:
    mount = os.fsencode(hierarchy.mount)

    def read(name: str) -> str | None:
        base = mount
        if hierarchy.version == 1:  # each controller has a hierarchy of its own, mounted beside (cgroups(7))
            base = os.path.dirname(mount) + b"/" + name.partition(".")[0].encode()  # noqa: PTH120
        try:
            with open(base + path + b"/" + name.encode(), encoding="ascii") as file:  # noqa: PTH123
                return file.read()
        except (OSError, UnicodeDecodeError):
            return None

    return read
