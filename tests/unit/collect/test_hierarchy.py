"""Which hierarchy is followed, from the texts of /proc."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollcall_agent.collect.hierarchy import Hierarchy, followed
from rollcall_agent.collect.problem import CollectorProblem

V2_MOUNT = "24 23 0:21 / {at} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "3{n} 25 0:2{n} / /sys/fs/cgroup/{name} rw,relatime shared:{n} - cgroup cgroup rw,{name}\n"
HYBRID = "".join(V1_MOUNT.format(n=n, name=name) for n, name in enumerate(["cpu,cpuacct", "memory", "cpuset"]))


@pytest.mark.parametrize(
    ("self_cgroup", "mountinfo", "hierarchy"),
    [
        pytest.param(
            "0::/user.slice/x.scope\n",
            V2_MOUNT.format(at="/sys/fs/cgroup"),
            Hierarchy(id=0, version=2, mount=Path("/sys/fs/cgroup")),
            id="version 2",
        ),
        pytest.param(
            "11:memory:/\n7:cpuset:/\n1:name=systemd:/\n0::/\n",
            V2_MOUNT.format(at="/sys/fs/cgroup/unified") + HYBRID,
            Hierarchy(id=7, version=1, mount=Path("/sys/fs/cgroup/cpuset")),
            id="hybrid",
        ),
        pytest.param(
            "4:cpu,cpuacct:/\n3:cpuset:/\n2:memory:/\n",
            HYBRID,
            Hierarchy(id=3, version=1, mount=Path("/sys/fs/cgroup/cpuset")),
            id="version 1",
        ),
        pytest.param(
            "5:cpu,cpuset:/a:b\n",
            "40 1 0:30 / /cg/both rw - cgroup none rw,cpu,cpuset\n",
            Hierarchy(id=5, version=1, mount=Path("/cg/both")),
            id="cpuset together with cpu",
        ),
        pytest.param(
            "2:memory:/\n1:name=cpuset-like:/\n0::/\n",
            HYBRID + V2_MOUNT.format(at="/sys/fs/cgroup/unified"),
            Hierarchy(id=0, version=2, mount=Path("/sys/fs/cgroup/unified")),
            id="hybrid with cpuset on version 2",
        ),
        pytest.param(
            "0::/\n",
            "24 23 0:21 /kubepods/pod1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
            + V2_MOUNT.format(at="/host/with\\040space"),
            Hierarchy(id=0, version=2, mount=Path("/host/with space")),
            id="the part of it that a pod sees is not its root",
        ),
    ],
)
def test_the_hierarchy_that_is_followed(self_cgroup: str, mountinfo: str, hierarchy: Hierarchy) -> None:
    assert followed(self_cgroup, mountinfo) == hierarchy


@pytest.mark.parametrize(
    ("self_cgroup", "mountinfo", "name"),
    [
        ("0::/\n", "21 1 0:19 / /proc rw - proc proc rw\n", "version 2"),
        ("", "", "version 2"),
        ("3:cpuset:/\n0::/\n", V2_MOUNT.format(at="/sys/fs/cgroup"), "cpuset"),
    ],
)
def test_a_hierarchy_that_is_mounted_nowhere_is_named(self_cgroup: str, mountinfo: str, name: str) -> None:
    with pytest.raises(CollectorProblem, match=name):
        followed(self_cgroup, mountinfo)
