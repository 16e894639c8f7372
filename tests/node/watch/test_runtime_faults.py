"""Faults of runtimes: absent, late, killed in mid-burst, hung, and answers that are none."""

from __future__ import annotations

import secrets
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from lab.scripted_cri import Scripted, ScriptedCri
from lab.serving import served
from lab.tree import Tree
from lab.watching import closed_books, rows, rows_of
from rollcall.record import Resolution

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab.node_lab import NodeLab
    from lab.starting import Starter
    from lab.watching import Watch
    from node.watch.conftest import Begin


def assert_all_resolved_once(watch: Watch, ids: list[str]) -> None:
    printed = watch.printed(ids, seconds=120)
    assert Counter(record.resolution for record in printed.values()) == {Resolution.RESOLVED: len(ids)}
    assert watch.stop() == 0
    assert Counter(record.container_id for record in watch.read() if record.container_id in printed) == Counter(ids)
    assert {each: len(found) for each, found in rows_of(watch.journal, ids).items() if len(found) != 1} == {}
    closed_books(watch.journal)


def test_a_runtime_that_is_absent_at_the_start_and_comes_later(
    begin: Begin, start: Starter, node: NodeLab, tmp_path: Path, collector: str
) -> None:
    socket = tmp_path / "later.sock"
    watch = begin("--collector", collector, socket=socket).attached()
    meanwhile = [*start.pods(2, 1), *start.long(2), *start.exited_in_a_pod(2)]
    watch.until(
        lambda: {each.container_id for each in rows(watch.journal)}.issuperset(start.of_cri),
        "what started meanwhile is in the journal",
    )
    socket.symlink_to(node.containerd.socket)
    watch.answered_by(socket)
    assert_all_resolved_once(watch, [*meanwhile, *start.long(1)])


def test_a_runtime_that_is_killed_in_a_burst_and_comes_back(
    begin: Begin, start: Starter, node: NodeLab, collector: str
) -> None:
    watch = begin("--collector", collector).answered_by(node.containerd.socket)
    ids = [*start.long(2), *start.pods(1, 2)]
    watch.send(signal.SIGSTOP)
    ids += [*start.long(2), *start.exited(2), *start.pods(1, 2), *start.exited_in_a_pod(2)]
    node.containerd.kill()
    watch.send(signal.SIGCONT)  # now it asks a runtime that is gone
    try:
        watch.until(lambda: all(rows_of(watch.journal, ids).values()), "all are in the journal")
    finally:
        node.containerd.start()
    ids += [*start.long(1), *start.pods(1, 1)]
    assert_all_resolved_once(watch, ids)


def test_a_runtime_that_hangs_does_not_stop_the_ring_from_being_read(
    begin: Begin, start: Starter, node: NodeLab, collector: str
) -> None:
    watch = begin("--collector", collector).answered_by(node.containerd.socket)
    watch.send(signal.SIGSTOP)
    ids = [*start.long(2), *start.pods(1, 2)]
    node.containerd.freeze()
    watch.send(signal.SIGCONT)  # now it asks a runtime that does not answer
    tree = Tree(node.scratch)
    try:
        watch.until(lambda: all(rows_of(watch.journal, ids).values()), "all are in the journal")
        for _ in range(3):
            made = tree.make(f"hung/{secrets.token_hex(32)}".encode())
            watch.until(lambda: made.cgroup_id in {each.cgroup_id for each in rows(watch.journal)}, "it is read")  # noqa: B023  # called at once
        assert [found[0].record for found in rows_of(watch.journal, ids).values()] == [None] * len(ids)
    finally:
        node.containerd.thaw()
    assert_all_resolved_once(watch, ids)


def malformed(scripted: ScriptedCri, _: Scripted) -> None:
    scripted.raw["ContainerStatus"] = b"\xff\xff\xff"


def oversized(scripted: ScriptedCri, _: Scripted) -> None:
    scripted.raw["ContainerStatus"] = bytes(17 << 20)


def wrong_id(_: ScriptedCri, container: Scripted) -> None:
    container.answers_as = "f" * 64


def hung(scripted: ScriptedCri, _: Scripted) -> None:
    scripted.hung.add("ContainerStatus")


def not_found(scripted: ScriptedCri, container: Scripted) -> None:
    del scripted.containers[container.id]


@pytest.mark.parametrize("fault", [malformed, oversized, wrong_id, hung, not_found])
def test_a_runtime_that_does_not_answer_rightly_delays_no_other(
    begin: Begin, start: Starter, node: NodeLab, tmp_path: Path, fault: Callable[[ScriptedCri, Scripted], Any]
) -> None:
    container = Scripted(secrets.token_hex(32))
    scripted = ScriptedCri(tmp_path / "scripted.sock")
    scripted.add(container)
    fault(scripted, container)
    with served(scripted):
        watch = begin("--collector", "core", "--runtime-endpoint", str(scripted.path))
        watch.answered_by(node.containerd.socket).answered_by(scripted.path)
        Tree(node.scratch).make(f"kubepods/besteffort/pod{container.uid}/crio-{container.id}".encode())
        watch.until(lambda: scripted.calls["ContainerStatus"] > 1, "it has asked, and asks again")
        others = start.long(1)
        assert watch.printed(others)[others[0]].resolution is Resolution.RESOLVED
        assert container.id not in {record.container_id for record in watch.read()}
        scripted.raw.clear()
        scripted.hung.clear()
        container.answers_as = ""
        scripted.add(container)
        record = watch.printed([container.id])[container.id]
        assert (record.resolution, record.runtime.name) == (Resolution.PARTIAL, "cri-o")
        assert record.container.name == container.name
        assert watch.stop() == 0
    closed_books(watch.journal)


def test_a_container_lives_on_though_its_own_runtime_is_silent_and_another_is_listed(
    begin: Begin, start: Starter, node: NodeLab, tmp_path: Path, journal: Path
) -> None:
    watch = begin("--collector", "core").answered_by(node.containerd.socket)
    (alive,) = start.long(1)
    watch.printed([alive])
    assert watch.stop() == 0
    other = Scripted(secrets.token_hex(32))
    Tree(node.scratch).make(f"crio-{other.id}.scope".encode())
    scripted = ScriptedCri(tmp_path / "scripted.sock")
    scripted.add(other)
    with served(scripted):
        watch = begin("--collector", "core", socket=scripted.path).answered_by(scripted.path)
        watch.printed([other.id])  # by the listing: its directory was made while nobody watched
        assert watch.stop() == 0
    (row,) = rows_of(journal, [alive])[alive]
    assert row.ended_ns is None
    node.ctr.end(alive)
    watch = begin("--collector", "core").answered_by(node.containerd.socket)
    watch.until(lambda: rows_of(journal, [alive])[alive][0].ended_ns, "what ended while nobody watched has its end")
    assert watch.stop() == 0
    closed_books(journal)
