"""What both collectors must do, on this kernel, by the same code."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab.cgroups import maker
from lab.reading import closed_books, drain, read_until
from rollcall_agent.collect import wire
from rollcall_agent.collect.choose import Kind as CollectorKind
from rollcall_agent.collect.choose import open_collector
from rollcall_agent.collect.event import CgroupEvent, Kind
from rollcall_agent.collect.hierarchy import followed, followed_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollcall_agent.collect.hierarchy import Hierarchy

Attach = Any  # the fixture's function


def boot_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def make(directory: Path, *names: str | bytes) -> dict[bytes, int]:
    """Make directories one below another or side by side, and return the cgroup id of each by its name."""
    made = {}
    for name in map(os.fsencode, names):
        path = os.path.join(os.fsencode(directory), name.lstrip(b"/"))  # noqa: PTH118  # bytes
        os.makedirs(path, exist_ok=True)  # noqa: PTH103
        made[name] = os.stat(path).st_ino  # noqa: PTH116
    return made


def starts(events: list[CgroupEvent]) -> dict[int, CgroupEvent]:
    found = {event.cgroup_id: event for event in events if event.kind is Kind.START}
    assert len(found) == sum(event.kind is Kind.START for event in events), "a start came twice"
    return found


def test_each_directory_of_a_tree_is_one_start_and_one_end(attach: Attach, hierarchy: Hierarchy) -> None:
    collector = attach()
    paths = ["/pod", "/pod/first", "/pod/second", "/pod/second/deep"]
    before = boot_ns()
    made = make(hierarchy.mount, *paths)
    after = boot_ns()
    for path in reversed(paths):
        (hierarchy.mount / path.lstrip("/")).rmdir()
    events = read_until(collector, lambda events: len(events) >= 8)
    assert [(event.kind, event.path) for event in events] == [
        *((Kind.START, path.encode()) for path in paths),
        *((Kind.END, path.encode()) for path in reversed(paths)),
    ]
    root = hierarchy.mount.stat().st_ino
    parents = {
        b"/pod": (root,),
        b"/pod/first": (made[b"/pod"], root),
        b"/pod/second": (made[b"/pod"], root),
        b"/pod/second/deep": (made[b"/pod/second"], made[b"/pod"], root),
    }
    for event in events:
        assert event.cgroup_id == made[event.path]
        assert event.level == event.path.count(b"/")
        assert event.leaf == event.path.rpartition(b"/")[2]
        assert event.hierarchy == hierarchy.id
        assert event.attach == collector.attach_number == 7
        assert event.ancestors == (parents[event.path] if collector.name == "core" else ())
        assert not event.path_cut
    times = [event.boot_ns for event in events]
    assert times == sorted(times)
    assert before <= times[0] <= times[3] <= after <= times[4] <= boot_ns()
    assert collector.drained_to(collector.position())
    ledger = closed_books(collector)
    assert (ledger.mkdirs.submitted, ledger.rmdirs.submitted) == (4, 4)


def version_2() -> Hierarchy:
    return followed("0::/\n", Path("/proc/self/mountinfo").read_text())


@pytest.mark.parametrize("find", [followed_here, version_2])
def test_the_hierarchies_of_this_machine(attach: Attach, find: Callable[[], Hierarchy]) -> None:
    here = find()
    collector = attach(hierarchy=here)
    path = here.mount / f"rollcall-test-{os.getpid()}"
    path.mkdir()
    number = path.stat().st_ino
    path.rmdir()
    events = read_until(
        collector, lambda events: {(number, Kind.START), (number, Kind.END)} <= {(e.cgroup_id, e.kind) for e in events}
    )
    mine = [event for event in events if event.path == b"/" + os.fsencode(path.name)]
    assert [(event.kind, event.cgroup_id, event.hierarchy) for event in mine] == [
        (Kind.START, number, here.id),
        (Kind.END, number, here.id),
    ]


def test_other_hierarchies_are_counted_and_not_told(attach: Attach, hierarchy: Hierarchy) -> None:
    collector = attach()
    other = followed_here().mount / f"rollcall-test-{os.getpid()}"
    other.mkdir()
    other.rmdir()
    (own,) = make(hierarchy.mount, "own").values()
    (event,) = read_until(collector, lambda events: len(events) >= 1)
    assert event.cgroup_id == own
    ledger = closed_books(collector)
    assert ledger.mkdirs.other_hierarchy >= 1
    assert ledger.rmdirs.other_hierarchy >= 1
    assert ledger.mkdirs.submitted == 1


NEVER = [
    "/system.slice/dbus.service",
    "/system.slice/boot.mount",
    "/system.slice/system-getty.slice",
    "/user.slice/user-1000.slice",
    "/user.slice/user-1000.slice/user@1000.service",
    "/init.scope/x.service",
    "/kubepods.slice/kubepods-burstable.slice",
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podb13213a6_1.slice",
    "/kubepods.slice/crio-conmon-" + 64 * "a" + ".scope",
    "/machine.slice/libpod-conmon-" + 64 * "b" + ".scope",
    "/anywhere/crio-conmon-",
    "/system.slice/docker-cleanup-dangling-images.service",
    "/system.slice/.mount",
]
PERHAPS = [
    "/system.slice",
    "/kubepods.slice",
    "/default/x.slice",
    "/x.service",
    "/system.slice/systemd-nspawn@web.service",
    "/system.slice/docker-" + 64 * "c" + ".scope",
    "/system.slice/servic",
    "/kubepods/besteffort/pod1/" + 64 * "d",
    "/kubepods.slice/slice",
    "/machine.slice/libpod-" + 64 * "e" + ".scope",
    "/crio-conmon",
    "/xcrio-conmon-1",
    "/system.slicer/a.slice",
    "/init.scope",
    "/kubepods.slice/" + 249 * "n" + ".scope",
]


def test_what_can_never_be_a_container_is_counted_and_not_told(attach: Attach, hierarchy: Hierarchy) -> None:
    for path in (*NEVER, *PERHAPS):  # the parents are there before the probe is
        (hierarchy.mount / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    standing = {path for path in (*NEVER, *PERHAPS) if (hierarchy.mount / path.lstrip("/")).exists()}
    collector = attach()
    made = make(hierarchy.mount, *(path for path in (*NEVER, *PERHAPS) if path not in standing))
    told = [path for path in PERHAPS if path not in standing]
    events = read_until(collector, lambda events: len(events) >= len(told))
    assert [(event.path, event.cgroup_id) for event in events] == [
        (path.encode(), made[path.encode()]) for path in told
    ]
    for path in (path for path in (*NEVER, *PERHAPS) if path not in standing):
        (hierarchy.mount / path.lstrip("/")).rmdir()
    events = read_until(collector, lambda events: len(events) >= len(told))
    assert [(event.kind, event.path) for event in events] == [(Kind.END, path.encode()) for path in told]
    ledger = closed_books(collector)
    refused = len([path for path in NEVER if path not in standing])
    assert refused > 9
    assert ledger.mkdirs.never_a_container == ledger.rmdirs.never_a_container == refused


def test_a_path_that_is_cut_says_so_and_core_still_tells_its_leaf(attach: Attach, hierarchy: Hierarchy) -> None:
    collector = attach()
    leaf = 32 * "0123abcd"[:7] + "z"
    parts = [letter * 240 for letter in "abcd"]  # 4 * 241 = 964 bytes
    exact = "/" + "/".join(parts) + "/" + (1023 - 965) * "e"
    shorter = exact[:-1]
    longer = "/" + "/".join(parts) + "/" + leaf
    service = "/system.slice/" + "/".join(parts) + "/" + 60 * "s" + ".service"  # cut before its suffix
    looks_like_one = "/system.slice/" + "/".join([*parts[:3], "f" * 240])  # 977 bytes; the cut falls behind `.service`
    looks_like_one += "/" + (1023 - 978 - 8) * "g" + ".service" + "-no"
    made = make(hierarchy.mount, shorter, longer, exact, service, looks_like_one, "/last")
    found = starts(read_until(collector, lambda events: events != [] and events[-1].path == b"/last"))
    whole = found[made[shorter.encode()]]
    assert (whole.path, whole.path_cut) == (shorter.encode(), False)
    cut = found[made[longer.encode()]]
    assert cut.path == longer.encode()[:1023]
    assert cut.path_cut
    assert cut.leaf == (leaf.encode() if collector.name == "core" else b"")
    assert cut.level == 5
    if collector.name == "core":
        assert len(cut.ancestors) == 5
    full = found[made[exact.encode()]]
    assert full.path == exact.encode()
    assert full.path_cut  # exactly full can't be told from cut
    assert (made[service.encode()] in found) == (collector.name == "bcc")  # what can't be told is never filtered
    assert found[made[looks_like_one.encode()]].path == looks_like_one.encode()[:1023]


def test_every_legal_byte_of_a_name_arrives(attach: Attach, hierarchy: Hierarchy) -> None:
    names = [b"n" + bytes([byte]) + b"\xff" for byte in range(1, 256) if bytes([byte]) not in (b"/", b"\n")]
    collector = attach()
    made = make(hierarchy.mount, *names)
    found = starts(read_until(collector, lambda events: len(events) >= len(names)))
    assert {number: event.leaf for number, event in found.items()} == {number: name for name, number in made.items()}
    assert all(event.path == b"/" + event.leaf for event in found.values())


def test_10_000_at_more_than_500_a_second_lose_none(attach: Attach, hierarchy: Hierarchy) -> None:
    collector = attach()
    with maker(hierarchy.mount, count=10_000, rate=1_000) as driver:
        events = read_until(collector, lambda _: driver.ended())
        made = driver.made()
    drain(collector, events)
    assert [event.cgroup_id for event in events if event.kind is Kind.START] == made
    assert [event.cgroup_id for event in events if event.kind is Kind.END] == made
    ledger = closed_books(collector)
    for ways in (ledger.mkdirs, ledger.rmdirs):
        assert (ways.submitted, ways.lost, ways.throttled, ways.quiet) == (10_000, 0, 0, 0)
    assert ledger.recursion_misses == 0


def test_a_stalled_reader_loses_what_the_books_say_to_the_last_one(attach: Attach, hierarchy: Hierarchy) -> None:
    collector = attach(ring_size=4096)
    made = list(make(hierarchy.mount, *(f"c{number}" for number in range(500))).values())
    ledger = closed_books(collector)
    assert ledger.mkdirs.submitted + ledger.mkdirs.lost == 500
    assert ledger.mkdirs.lost > 300
    events: list[CgroupEvent] = []
    drain(collector, events)
    assert [event.cgroup_id for event in events] == made[: ledger.mkdirs.submitted]
    more = make(hierarchy.mount, "after", "that")
    events = read_until(collector, lambda events: len(events) >= 2)
    assert [event.cgroup_id for event in events] == list(more.values())
    assert closed_books(collector).mkdirs.lost == ledger.mkdirs.lost


def test_what_is_read_stays_in_the_ring_until_it_is_acknowledged(attach: Attach, hierarchy: Hierarchy) -> None:
    collector = attach(ring_size=4096)
    first = make(hierarchy.mount, "first")
    position = collector.position()
    assert [event.cgroup_id for event in collector.read(10)] == list(first.values())
    assert not collector.drained_to(position)
    assert collector.read(10) == []
    collector.acknowledge()
    assert collector.drained_to(position)


def test_a_program_that_nobody_renews_goes_quiet_and_wakes_when_somebody_does(
    attach: Attach, hierarchy: Hierarchy, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = attach()
    with monkeypatch.context() as patched:
        patched.setattr(wire, "QUIET_AFTER_NS", -1)
        collector.renew()
    make(hierarchy.mount, "unheard", "unseen")
    assert closed_books(collector).mkdirs.quiet == 2
    collector.renew()
    heard = make(hierarchy.mount, "heard")
    (event,) = read_until(collector, lambda events: len(events) >= 1)
    assert event.cgroup_id == heard[b"heard"]


def test_two_collectors_at_once_do_not_disturb_each_other(attach: Attach, hierarchy: Hierarchy) -> None:
    first, second = attach(), attach()
    made = make(hierarchy.mount, "seen-by-both")
    for collector in (first, second):
        (event,) = read_until(collector, lambda events: len(events) >= 1)
        assert event.cgroup_id == made[b"seen-by-both"]


def test_a_detached_collector_still_gives_what_it_had(attach: Attach, hierarchy: Hierarchy) -> None:
    collector = attach()
    before = make(hierarchy.mount, "before")
    collector.detach()
    make(hierarchy.mount, "after")
    events: list[CgroupEvent] = []
    drain(collector, events)
    assert [event.cgroup_id for event in events] == list(before.values())
    assert closed_books(collector).mkdirs.submitted == 1


HOLD = """
import signal, sys
from pathlib import Path
from rollcall_agent.collect.choose import open_collector
from rollcall_agent.collect.hierarchy import Hierarchy

name, number = sys.argv[1:]
collector = open_collector(name, hierarchy=Hierarchy(id=int(number), version=1, mount=Path("/")), attach_number=1)
print("attached", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("name", ["core", "bcc"])
@pytest.mark.usefixtures("tracefs")
def test_after_a_kill_the_next_process_attaches_and_sees_what_is_made_from_then_on(
    name: CollectorKind, hierarchy: Hierarchy, opened: list[Any]
) -> None:
    command = [sys.executable, "-c", HOLD, name, str(hierarchy.id)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert "attached\n" in iter(child.stdout.readline, "")
        child.kill()
    make(hierarchy.mount, "between")
    collector = open_collector(name, hierarchy=hierarchy, attach_number=2)
    opened.append(collector)
    made = make(hierarchy.mount, "after")
    (event,) = read_until(collector, lambda events: len(events) >= 1)
    assert (event.cgroup_id, event.attach) == (made[b"after"], 2)


def test_a_closed_collector_is_detached_and_another_can_follow(
    attach: Attach, hierarchy: Hierarchy, opened: list[Any]
) -> None:
    collector = attach()
    collector.close()
    opened.remove(collector)
    make(hierarchy.mount, "between")
    after = attach()
    made = make(hierarchy.mount, "after")
    (event,) = read_until(after, lambda events: len(events) >= 1)
    assert event.cgroup_id == made[b"after"]
    assert closed_books(after).mkdirs.submitted == 1
