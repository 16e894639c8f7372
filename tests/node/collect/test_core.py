"""What CO-RE alone can do: the limit below a container's root, and an unprivileged user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.reading import closed_books, drain, read_until
from lab.rights import CAP_BPF, CAP_PERFMON
from rollcall_agent.collect import core
from rollcall_agent.collect.core import CoreCollector
from rollcall_agent.collect.event import CgroupEvent, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollcall_agent.collect.hierarchy import Hierarchy


@pytest.fixture
def collector(hierarchy: Hierarchy) -> Iterator[CoreCollector]:
    collector = CoreCollector.attach(hierarchy, attach_number=3)
    yield collector
    collector.close()


def make(directory: Path, *names: str) -> list[int]:
    for name in names:
        (directory / name).mkdir()
    return [(directory / name).stat().st_ino for name in names]


def ids(events: list[CgroupEvent], kind: Kind) -> list[int]:
    return [event.cgroup_id for event in events if event.kind is kind]


def test_what_lies_below_a_known_root_is_limited_and_nothing_else(
    collector: CoreCollector, hierarchy: Hierarchy
) -> None:
    outer = hierarchy.mount / "outer"
    (number,) = make(hierarchy.mount, "outer")
    inner = make(outer, "first", "second")
    for root in (number, *inner):  # the outermost one decides, however many are known below it
        collector.limit_below(root)
    names = [f"n{count}" for count in range(600)]
    below = make(outer / "first", *names) + make(outer / "second", *names)
    for parent in ("first", "second"):
        for name in names:
            (outer / parent / name).rmdir()
    beside = make(hierarchy.mount, *(f"beside{count}" for count in range(10)))
    events: list[CgroupEvent] = []
    drain(collector, events)
    assert ids(events, Kind.START) == [number, *inner, *below[:1000], *beside]
    assert ids(events, Kind.END) == below[:1000]
    ledger = closed_books(collector)
    assert (ledger.mkdirs.throttled, ledger.mkdirs.submitted, ledger.mkdirs.lost) == (200, 1013, 0)
    assert (ledger.rmdirs.throttled, ledger.rmdirs.submitted, ledger.rmdirs.lost) == (200, 1000, 0)
    for root in (number, *inner):
        collector.unlimit(root)
    after = make(outer, "after")
    assert ids(read_until(collector, lambda events: len(events) >= 1), Kind.START) == after


def test_depth_is_no_way_out_of_the_limit(collector: CoreCollector, hierarchy: Hierarchy) -> None:
    (number,) = make(hierarchy.mount, "outer")
    deep = hierarchy.mount / "outer"
    for _ in range(20):  # deeper than the ancestors that fit into a record
        deep /= "d"
        deep.mkdir()
    drain(collector, [])
    collector.limit_below(number)
    below = make(deep, *(f"n{count}" for count in range(1100)))
    beside = make(hierarchy.mount, "beside")
    events: list[CgroupEvent] = []
    drain(collector, events)
    assert ids(events, Kind.START) == [*below[:1000], *beside]
    assert closed_books(collector).mkdirs.throttled == 100
    assert [len(event.ancestors) for event in events] == [16] * 1000 + [1]


def test_a_limit_that_does_not_fit_is_said_and_limits_no_other(collector: CoreCollector, hierarchy: Hierarchy) -> None:
    for number in range(1, 8192 + 2):
        collector.limit_below(number << 40)
    collector.unlimit(1 << 40)
    (number,) = make(hierarchy.mount, "limited")
    collector.limit_below(number)
    made = make(hierarchy.mount / "limited", "inner")
    (outer, inner) = read_until(collector, lambda events: len(events) >= 2)
    assert (outer.cgroup_id, inner.cgroup_id, inner.ancestors[0]) == (number, made[0], number)


def test_more_ancestors_than_fit_keep_the_nearest(collector: CoreCollector, hierarchy: Hierarchy) -> None:
    path = hierarchy.mount
    chain = [path.stat().st_ino]
    for depth in range(20):
        path = path / f"d{depth}"
        path.mkdir()
        chain.append(path.stat().st_ino)
    events = read_until(collector, lambda events: len(events) >= 20)
    assert events[-1].level == 20
    assert events[-1].ancestors == tuple(reversed(chain[:-1]))[:16]


AS_NOBODY = """
import sys
from pathlib import Path
from lab.reading import read_until
from lab.rights import become_nobody
from rollcall_agent.collect import core
from rollcall_agent.collect.choose import open_collector
from rollcall_agent.collect.hierarchy import Hierarchy
from rollcall_agent.collect.problem import CollectorProblem

object, number, kind, *capabilities = sys.argv[1:]
core.OBJECT = Path(object)
become_nobody(*map(int, capabilities))
try:
    collector = open_collector(kind, hierarchy=Hierarchy(id=int(number), version=1, mount=Path("/")), attach_number=1)
except CollectorProblem as problem:
    print(problem.what)
    sys.exit(3)
print("attached", flush=True)
print(read_until(collector, lambda events: len(events) >= 1)[0].cgroup_id)
print(collector.ledger().mkdirs.difference)
"""


@pytest.fixture
def open_object() -> Iterator[Path]:
    """A copy of the program that everybody can read."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        copied = Path(directory) / "rollcall.bpf.o"
        shutil.copy(core.OBJECT, copied)
        copied.chmod(0o644)
        yield copied


def as_nobody(hierarchy: Hierarchy, program: Path, kind: str, *capabilities: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", AS_NOBODY, str(program), str(hierarchy.id), kind, *map(str, capabilities)]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ)


def test_an_unprivileged_user_needs_two_capabilities_and_no_more(hierarchy: Hierarchy, open_object: Path) -> None:
    with as_nobody(hierarchy, open_object, "core", CAP_BPF, CAP_PERFMON) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "attached\n"
        (made,) = make(hierarchy.mount, "seen")
        assert child.stdout.read() == f"{made}\n0\n"
    assert child.returncode == 0


@pytest.mark.parametrize(
    ("capabilities", "missing"),
    [((CAP_PERFMON,), "CAP_BPF"), ((CAP_BPF,), "CAP_PERFMON"), ((), "CAP_BPF and CAP_PERFMON")],
)
def test_without_one_of_them_the_error_names_it(
    hierarchy: Hierarchy, open_object: Path, capabilities: tuple[int, ...], missing: str
) -> None:
    with as_nobody(hierarchy, open_object, "core", *capabilities) as child:
        assert child.communicate()[0] == f"This process lacks {missing}.\n"
    assert child.returncode == 3


@pytest.mark.usefixtures("tracefs")
def test_bcc_says_that_tracefs_is_roots(hierarchy: Hierarchy, open_object: Path) -> None:
    with as_nobody(hierarchy, open_object, "bcc", CAP_BPF, CAP_PERFMON) as child:
        assert "tracefs is root's" in child.communicate()[0]
    assert child.returncode == 3
