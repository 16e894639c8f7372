"""What is a start and what is none: short lives, ids used again, long paths, false roots, ends, limits."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from lab.cri import Cri
from lab.tree import Made, Tree
from lab.watching import closed_books, rows, rows_of
from rollcall.record import Origin, Resolution, TimeSource

if TYPE_CHECKING:
    from pathlib import Path

    from lab.node_lab import NodeLab
    from lab.starting import Starter
    from lab.watching import Watch
    from node.watch.conftest import Begin
    from rollcall_agent.journal.start import Start


def hex64() -> str:
    return secrets.token_hex(32)


def by_cgroup(journal: Path, made: Made) -> list[Start]:
    return [each for each in rows(journal) if each.cgroup_id == made.cgroup_id]


def everything_read_until_now(watch: Watch, tree: Tree) -> None:
    """Wait until a directory made just now is in the journal: records come in order, so whatever was before is too."""
    marker = tree.make(f"markers/{hex64()}".encode())
    watch.until(lambda: by_cgroup(watch.journal, marker), "the newest directory is in the journal")


def test_containers_of_5_ms_are_recorded_and_resolved(
    begin: Begin, start: Starter, node: NodeLab, journal: Path, collector: str
) -> None:
    watch = begin("--collector", collector).answered_by(node.containerd.socket)
    by_ctr, by_cri = start.exited(8), start.exited_in_a_pod(8)
    printed = watch.printed([*by_ctr, *by_cri])
    assert {(each.origin, each.resolution) for each in printed.values()} == {(Origin.KERNEL, Resolution.RESOLVED)}
    assert {each.image.digest for each in printed.values()} == {node.image.root.digest}
    found = rows_of(journal, [*by_ctr, *by_cri])
    assert [len(each) for each in found.values()] == [1] * 16
    watch.until(
        lambda: all(row.ended_source is TimeSource.KERNEL for (row,) in rows_of(journal, by_cri).values()),
        "each that CRI has removed from its cgroup has its end",
    )


def test_the_same_id_in_a_new_cgroup_is_a_new_start(
    begin: Begin, start: Starter, node: NodeLab, journal: Path, collector: str
) -> None:
    watch = begin("--collector", collector).answered_by(node.containerd.socket)
    (container_id,) = start.long(1)
    watch.printed([container_id])
    node.ctr.end(container_id)
    node.ctr.start_again(container_id)
    watch.until(lambda: len(rows_of(journal, [container_id])[container_id]) == 2, "the second start is in the journal")

    def printed() -> list[Resolution] | None:
        mine = [record for record in watch.read() if record.container_id == container_id]
        return [record.resolution for record in mine] if len({record.identity for record in mine}) == 2 else None

    assert watch.until(printed, "both starts are printed") == [Resolution.RESOLVED] * 2
    first, second = rows_of(journal, [container_id])[container_id]
    assert first.cgroup_id != second.cgroup_id
    assert (first.ended_source, second.ended_source) == (TimeSource.KERNEL, None)
    assert watch.stop() == 0
    closed_books(journal)


def test_a_container_whose_path_the_kernel_cuts_is_resolved(begin: Begin, node: NodeLab, journal: Path) -> None:
    watch = begin("--collector", "core").answered_by(node.containerd.socket)
    deep = node.scratch.cgroup_root + "".join(f"/{number}{'x' * 200}" for number in range(5))
    with Cri(node.containerd.endpoint, cgroup_root=deep) as cri:
        pod = cri.run_pod("deep")
        container_id = cri.run_container(pod, "web", node.reference)
        printed = watch.printed([container_id, pod.sandbox_id])
        cri.remove_pod(pod)
    for record in printed.values():
        assert record.resolution is Resolution.RESOLVED
        assert record.cgroup.path_truncated
        assert record.pod.uid == pod.uid
    assert printed[container_id].image.requested == node.reference
    assert [len(found) for found in rows_of(journal, printed).values()] == [1, 1]


@pytest.mark.parametrize("leaf", [b"web", b"docker-web.scope", b"a" * 63, b"crio-conmon-" + b"b" * 64])
def test_a_cut_path_is_no_container_if_its_leaf_is_none(begin: Begin, node: NodeLab, leaf: bytes) -> None:
    watch = begin("--collector", "core").answered_by(node.containerd.socket)
    tree = Tree(node.scratch)
    upper = b"".join(b"%d%s/" % (number, b"y" * 200) for number in range(5))
    room = 1023 - len(tree.root) - 1 - len(upper) - 64
    if room < 0:
        upper = upper[: room - 1] + b"/"
    made = tree.make(upper + b"c" * 64 + b"/" + leaf)
    everything_read_until_now(watch, tree)
    assert by_cgroup(watch.journal, made) == []


FALSE_ROOTS = [
    "crio-conmon-%(h)s.scope",
    "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podb13213a6_1.slice/crio-conmon-%(h)s.scope",
    "machine.slice/libpod-conmon-%(h)s.scope",
    "libpod_parent/conmon",
    "libpod_parent/%(h)s",
    "user.slice/user-1000.slice",
    "init.scope",
    "system.slice/docker-cleanup-dangling-images.service",
    "system.slice/docker-cleanup.scope",
    "docker-%(h)sa.scope",
    "docker-%(short)s.scope",
    "docker/%(upper)s",
    "cri-containerd-%(h)s.scope.d",
    "kubepods/besteffort/pod%(h)s",
    "kubepods.slice/kubepods-podb13213a6.slice",
    "kubepods/besteffort/pod123/docker-%(outer)s.scope/system.slice",
    "docker/%(outer)s/init",
    "docker/%(outer)s/system.slice/ssh.service",
    "crio-%(outer)s.scope/container",
    "crio-%(outer)s.scope/exec",
    "crio-%(outer)s.scope/container/exec",
    "machine.slice/libpod-%(outer)s.scope/container",
    "lxc.monitor.web",
    "systemd-nspawn@web.service/payload",
]


def test_false_roots_are_no_containers(begin: Begin, node: NodeLab, journal: Path, collector: str) -> None:
    watch = begin("--collector", collector).answered_by(node.containerd.socket)
    tree = Tree(node.scratch)
    h = hex64()
    words = {"h": h, "outer": hex64(), "short": h[:63], "upper": h.upper()}
    made = {path: tree.make((f"{number}/" + path % words).encode()) for number, path in enumerate(FALSE_ROOTS)}
    everything_read_until_now(watch, tree)
    assert {path: found for path, each in made.items() if (found := by_cgroup(journal, each))} == {}
    assert rows_of(journal, [h]) == {h: []}
    assert watch.stop() == 0
    closed_books(journal)


def test_what_looks_like_a_container_and_is_none_has_no_image(begin: Begin, node: NodeLab, collector: str) -> None:
    watch = begin("--collector", collector).answered_by(node.containerd.socket)
    tree = Tree(node.scratch)
    ids = {hex64(): runtime for runtime in ("docker", "libpod")}
    for container_id, runtime in ids.items():
        tree.make(f"false/{runtime}-{container_id}.scope".encode())
    for container_id, record in watch.printed(ids).items():
        assert (record.resolution, record.reason) == {
            "docker": (Resolution.UNRESOLVED, "DockerUnavailable"),
            "libpod": (Resolution.NO_RUNTIME_API, "PodmanAPINeeded"),
        }[ids[container_id]]
        assert (record.image.requested, record.image.digest, record.pod.name) == (None, None, None)


def test_what_a_container_makes_below_itself_is_nested_up_to_a_budget(
    begin: Begin, start: Starter, node: NodeLab, journal: Path, collector: str
) -> None:
    watch = begin("--collector", collector).answered_by(node.containerd.socket)
    pod = start.pod("nests")
    outer = node.cri.run_container(pod, "outer", node.reference)
    watch.printed([outer])
    (row,) = rows_of(journal, [outer])[outer]
    tree = Tree(node.scratch)
    below = row.path.removeprefix(tree.root)
    made = {hex64(): b"" for _ in range(130)}
    for container_id in made:
        tree.make(below + f"/cri-containerd-{container_id}.scope".encode())
    everything_read_until_now(watch, tree)
    recorded = [each for each, found in rows_of(journal, made).items() if found]
    assert 100 <= len(recorded) <= 101  # one more comes back to the budget each 6 s
    for record in watch.printed(recorded).values():
        assert (record.resolution, record.nested_below) == (Resolution.NESTED, outer)
        assert (record.image.requested, record.image.digest) == (None, None)
    node.cri.remove_container(outer)
    assert watch.stop() == 0
    assert closed_books(journal)["agent"]["nested"] == len(made) - len(recorded)


@pytest.mark.long
def test_what_is_over_the_budget_is_told_in_one_record(begin: Begin, start: Starter, node: NodeLab) -> None:
    watch = begin("--collector", "core").answered_by(node.containerd.socket)
    outer = node.cri.run_container(start.pod("nests"), "outer", node.reference)
    watch.printed([outer])
    (row,) = rows_of(watch.journal, [outer])[outer]
    tree = Tree(node.scratch)
    for _ in range(130):
        tree.make(row.path.removeprefix(tree.root) + f"/cri-containerd-{hex64()}.scope".encode())

    def excess() -> list[str | None] | None:
        told = [record for record in watch.read() if record.reason == "NestedOverBudget"]
        return [record.nested_below for record in told]

    assert watch.until(excess, "the excess is told", seconds=120) == [outer]


def test_a_stopped_container_has_its_end(
    begin: Begin, start: Starter, node: NodeLab, journal: Path, collector: str
) -> None:
    watch = begin("--collector", collector).answered_by(node.containerd.socket)
    pod = start.pod("ends")
    by_cri = node.cri.run_container(pod, "web", node.reference)
    (by_ctr,) = start.long(1)
    watch.printed([by_cri, by_ctr])
    assert {found[0].ended_ns for found in rows_of(journal, [by_cri, by_ctr]).values()} == {None}
    node.cri.stop_container(by_cri)
    node.ctr.end(by_ctr)
    watch.until(
        lambda: all(row.ended_source is TimeSource.KERNEL for (row,) in rows_of(journal, [by_cri, by_ctr]).values()),
        "both have their ends",
    )
    for (row,) in rows_of(journal, [by_cri, by_ctr]).values():
        assert row.ctime_ns is not None
        assert row.ended_ns is not None
        assert row.ctime_ns < row.ended_ns


def test_limits_are_numbers_and_none_is_unlimited(begin: Begin, start: Starter, node: NodeLab) -> None:
    watch = begin("--collector", "core").answered_by(node.containerd.socket)
    pod = start.pod("limits")
    command = ("/bin/sleep", "2147483647")
    limited = node.cri.create_container(
        pod, "limited", node.reference, *command, memory_limit=32 << 20, cpu_quota=50_000
    )
    node.cri.start_container(limited)
    free = node.cri.run_container(pod, "free", node.reference)
    (ctr_limited,) = start.long(1, options=["--memory-limit", str(48 << 20), "--cpus", "0.25"])
    (ctr_free,) = start.long(1)
    printed = watch.printed([limited, free, ctr_limited, ctr_free])
    for container_id, memory, cpu in ((limited, 32 << 20, 500), (ctr_limited, 48 << 20, 250)):
        resources = printed[container_id].resources
        assert (resources.memory.limit, resources.cpu.limit) == (memory, cpu)
        assert not resources.memory.unlimited
        assert not resources.cpu.unlimited
    for container_id in (free, ctr_free):
        resources = printed[container_id].resources
        assert (resources.memory.limit, resources.cpu.limit) == (None, None)
        assert (resources.memory.unlimited, resources.cpu.unlimited) == (True, True)
