"""Which directories are the node's own."""

from __future__ import annotations

import pytest

from rollcall_agent.collect.event import CgroupEvent, Kind
from rollcall_agent.roll.node import NodeIdentity, NodeRoot

ROOT = NodeRoot(path=b"/node1", cgroup_id=77)


def an_event(path: bytes, ancestors: tuple[int, ...]) -> CgroupEvent:
    return CgroupEvent(
        kind=Kind.START,
        attach=1,
        cgroup_id=5,
        hierarchy=0,
        level=len(ancestors),
        boot_ns=0,
        path=path,
        leaf=path.rpartition(b"/")[2],
        ancestors=ancestors,
    )


@pytest.mark.parametrize(
    ("path", "ancestors", "owned"),
    [
        (b"/node1/kubepods/x", (9, 77, 1), True),
        (b"/node2/kubepods/x", (9, 78, 1), False),
        (b"/node1/kubepods/x", (9, 78, 1), False),  # the ids decide, whatever the path says
        (b"/node1/kubepods/x", (), True),  # bcc has no ids
        (b"/node10/kubepods/x", (), False),
        (b"/node1/" + b"d/" * 20 + b"x", tuple(range(100, 116)), True),  # deeper than the ids reach
        (b"/node2/" + b"d/" * 20 + b"x", tuple(range(100, 116)), False),
    ],
)
def test_what_is_below_the_root_is_owned(path: bytes, ancestors: tuple[int, ...], *, owned: bool) -> None:
    assert ROOT.owns(an_event(path, ancestors)) is owned


def test_paths_are_seen_from_the_root() -> None:
    node = NodeIdentity(name="n", boot_id="b", root=NodeRoot(path=b"/docker/outer", cgroup_id=7))
    assert node.within(b"/docker/outer/kubepods/x") == b"/kubepods/x"
    assert node.within(b"/docker/outerx/kubepods/x") == b"/docker/outerx/kubepods/x"
