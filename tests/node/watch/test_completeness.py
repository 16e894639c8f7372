"""Each start is exactly one record, whatever the load; compared with ids that the drivers made."""

from __future__ import annotations

import fcntl
import secrets
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from lab.cgroups import maker
from lab.tree import Tree
from lab.watching import closed_books, losses, rows, rows_of
from rollcall.record import Origin, Resolution, TimeSource
from rollcall_agent.collect.hierarchy import followed_here
from rollcall_agent.journal.start import State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lab.node_lab import NodeLab
    from lab.starting import Starter
    from node.watch.conftest import Begin
    from rollcall.record import ContainerCreate
    from rollcall_agent.journal.start import Start


def times_printed(records: list[ContainerCreate], ids: Iterable[str]) -> Counter[str]:
    """How often each of these ids was printed: once is right."""
    wanted = set(ids)
    return Counter(record.container_id for record in records if record.container_id in wanted)


def long(value: int) -> Any:
    return pytest.param(value, marks=pytest.mark.long)


@pytest.mark.parametrize("count", [60, long(500)])
def test_a_burst_by_ctr_is_one_record_each(
    begin: Begin, start: Starter, node: NodeLab, journal: Path, collector: str, count: int
) -> None:
    watch = begin("--collector", collector).answered_by(node.containerd.socket)
    ids = start.short(count)
    printed = watch.printed(ids, seconds=180)
    assert watch.stop() == 0
    assert times_printed(watch.read(), ids) == Counter(ids)
    # `ctr run --rm` forgets a container with its end: on a busy machine that may be before anybody is asked about it.
    assert {record.reason for record in printed.values()} <= {None, "NotFound"}
    assert [len(found) for found in rows_of(journal, ids).values()] == [1] * count
    books = closed_books(journal)
    assert losses(books) == 0
    assert books["gaps"] == []


@pytest.mark.parametrize("count", [10, long(20)])
def test_pods_with_their_containers_are_one_record_each(
    begin: Begin, start: Starter, node: NodeLab, journal: Path, collector: str, count: int
) -> None:
    watch = begin("--collector", collector).answered_by(node.containerd.socket)
    made = start.pods(count, 2)
    printed = watch.printed(made, seconds=180)
    assert watch.stop() == 0
    assert len(made) == 3 * count
    assert times_printed(watch.read(), made) == Counter(list(made))
    for container_id, (pod, name) in made.items():
        record = printed[container_id]
        assert record.resolution is Resolution.RESOLVED
        assert (record.pod.name, record.pod.uid, record.pod.namespace) == (pod.name, pod.uid, pod.namespace)
        assert (record.container.name, record.pod.sandbox) == (name, name is None)
        assert record.pod.sandbox_id == pod.sandbox_id
        assert record.image.requested == (node.reference if name else node.containerd.pause)
        if name:
            assert record.image.digest == node.image.root.digest
    assert [len(found) for found in rows_of(journal, made).values()] == [1] * len(made)
    assert losses(closed_books(journal)) == 0


@pytest.mark.parametrize("count", [2_000, long(10_000)])
def test_500_mkdirs_a_second_lose_nothing(
    begin: Begin, node: NodeLab, journal: Path, collector: str, count: int
) -> None:
    watch = begin("--collector", collector).answered_by(node.containerd.socket)
    directory = followed_here().mount / f"{node.scratch.cgroup_root}/pod{secrets.token_hex(16)}".lstrip("/")
    directory.mkdir(parents=True)
    with maker(directory, count, 500) as mkdirs:
        watch.until(mkdirs.ended, "all directories are made", seconds=180)
        made = mkdirs.made()

    def mine() -> list[Start] | None:
        found = [each for each in rows(journal) if each.path.startswith(f"{node.scratch.cgroup_root}/pod".encode())]
        return found if sum(each.ended_ns is not None for each in found) >= count else None

    watch.until(mine, "each of them has its row and its end", seconds=180)
    assert watch.stop() == 0
    found = mine() or []
    assert sorted(each.cgroup_id for each in found) == sorted(made)
    assert {each.container_id for each in found} == {f"{number:064x}" for number in range(count)}
    assert {(each.origin, each.ended_source) for each in found} == {(Origin.KERNEL, TimeSource.KERNEL)}
    assert losses(closed_books(journal)) == 0


def test_what_a_stalled_reader_lost_is_counted_and_a_listing_repairs_it(
    begin: Begin, start: Starter, node: NodeLab, journal: Path
) -> None:
    before = start.long(1)
    watch = begin("--collector", "core", "--ring-size", "4096").answered_by(node.containerd.socket)
    watch.printed(before)  # by the first listing: what follows needs one of its own
    tree = Tree(node.scratch)
    watch.send(signal.SIGSTOP)
    noise = [tree.make(b"stalled/%064x" % number) for number in range(200)]
    running = [*start.long(4), *start.pods(2, 2)]
    exited = [*start.exited(3), *start.exited_in_a_pod(3)]
    watch.send(signal.SIGCONT)
    watch.printed([*running, *exited], seconds=120)
    for each in noise:
        tree.remove(each)
    assert watch.stop() == 0
    ids = [*running, *exited]
    assert times_printed(watch.read(), ids) == Counter(ids)
    found = rows_of(journal, ids)
    assert [len(each) for each in found.values()] == [1] * len(ids)
    reconciled = [each for (each,) in found.values() if each.origin is Origin.RECONCILED]
    assert reconciled, "nothing was lost: the ring held it all"
    assert {each.record.resolution for each in reconciled if each.record} == {Resolution.RESOLVED}
    read = {each.cgroup_id for each in rows(journal)}
    lost_noise = [each for each in noise if each.cgroup_id not in read]
    (attach,) = closed_books(journal)["kernel"]
    ways = attach["ledger"]["mkdirs"]
    of_others = ways["submitted"] + ways["lost"] - len(noise) - len(ids)
    lost_at_least = len(lost_noise) + len(reconciled)
    assert lost_at_least <= ways["lost"] <= lost_at_least + of_others


@pytest.mark.parametrize("count", [40, long(200)])
def test_what_ended_before_the_ring_was_read_is_recorded_once_though_a_listing_shows_it_too(
    begin: Begin, start: Starter, node: NodeLab, journal: Path, collector: str, count: int
) -> None:
    watch = begin("--collector", collector).answered_by(node.containerd.socket)
    watch.send(signal.SIGSTOP)
    ids = [*start.exited(count // 2), *start.exited_in_a_pod(count - count // 2)]
    node.containerd.kill()
    node.containerd.start()  # one that comes back is listed at once, and shows what has exited
    watch.send(signal.SIGCONT)
    printed = watch.printed(ids, seconds=120)
    watch.until(lambda: watch.said().count("A runtime answers.") > 1, "it has seen the runtime come back")
    late = start.exited(1)
    watch.printed(late)
    assert watch.stop() == 0
    assert times_printed(watch.read(), ids) == Counter(ids)
    assert [
        each for found in rows_of(journal, ids).values() for each in found if each.origin is not Origin.KERNEL
    ] == []
    assert {record.resolution for record in printed.values()} == {Resolution.RESOLVED}
    assert [len(found) for found in rows_of(journal, ids).values()] == [1] * count
    assert losses(closed_books(journal)) == 0


def test_a_reader_of_the_output_that_stalls_does_not_stop_the_ring_from_being_read(
    begin: Begin, start: Starter, node: NodeLab, journal: Path
) -> None:
    watch = begin("--collector", "core").answered_by(node.containerd.socket)
    watch.reads = False
    fcntl.fcntl(watch.stdout, fcntl.F_SETPIPE_SZ, 4096)
    ids = start.short(40)
    watch.until(
        lambda: all(found and found[0].ended_ns for found in rows_of(journal, ids).values()),
        "all are read",
        seconds=120,
    )
    states = {found[0].state for found in rows_of(journal, ids).values()}
    assert State.READY in states, "all were printed: the pipe was never full"
    watch.reads = True
    watch.printed(ids)
    assert watch.stop() == 0
    assert times_printed(watch.read(), ids) == Counter(ids)
    sequences = [record.spool.sequence for record in watch.read() if record.spool]
    assert sequences == list(range(1, len(watch.lines) + 1))
    assert losses(closed_books(journal)) == 0
