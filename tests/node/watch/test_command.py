"""The command's options, how it ends, who may run it, and what its neighbours `ps` and `books` say."""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from lab.tree import Tree
from lab.waiting import wait_until
from lab.watching import ROLLCALL, Watch, closed_books, losses, rollcall, rows, rows_of
from rollcall.record import Origin, Resolution
from rollcall_agent.journal.start import State

if TYPE_CHECKING:
    from pathlib import Path

    from lab.node_lab import NodeLab
    from lab.starting import Starter
    from node.watch.conftest import Begin

NOBODY = 65534


def test_it_ends_by_itself_after_so_many_records(begin: Begin, start: Starter, node: NodeLab, journal: Path) -> None:
    watch = begin("--count", "3").answered_by(node.containerd.socket)
    ids = start.exited(5)
    assert watch.wait() == 0
    assert len(watch.read()) == 3
    attach = closed_books(journal)["kernel"][0]
    assert attach["closed_ns"] is not None
    watch = begin("--no-existing").answered_by(node.containerd.socket)

    def all_written() -> bool:  # those that began after the first had ended come by the listing
        return all([row.state for row in found] == [State.WRITTEN] for found in rows_of(journal, ids).values())

    watch.until(all_written, "the rest is")
    assert watch.stop() == 0
    closed_books(journal)


def test_it_ends_by_itself_after_a_time(begin: Begin, journal: Path) -> None:
    assert begin("--duration", "1").wait() == 0
    assert closed_books(journal)["kernel"][0]["closed_ns"] is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_close_the_books(
    begin: Begin, start: Starter, node: NodeLab, journal: Path, collector: str, number: signal.Signals
) -> None:
    watch = begin("--collector", collector).answered_by(node.containerd.socket)
    ids = start.exited(3)
    assert watch.stop(number) == 0
    assert [len(found) for found in rows_of(journal, ids).values()] == [1, 1, 1]
    (attach,) = closed_books(journal)["kernel"]
    assert attach["closed_ns"] is not None
    assert attach["collector"] == collector
    assert (attach["difference"], attach["unread"], attach["end_difference"], attach["end_unread"]) == (0, 0, 0, 0)
    assert attach["read"] == attach["ledger"]["mkdirs"]["submitted"] > 0


def test_what_the_ring_holds_at_the_end_is_read(
    begin: Begin, start: Starter, node: NodeLab, journal: Path, collector: str
) -> None:
    before = start.long(1)
    watch = begin("--collector", collector, "--ring-size", str(4 << 20)).answered_by(node.containerd.socket)
    watch.printed(before)  # by the first listing, before which the ring is read too
    tree = Tree(node.scratch)
    watch.send(signal.SIGSTOP)
    made = {tree.make(f"end/{secrets.token_hex(32)}".encode()).cgroup_id for _ in range(5000)}  # ten batches
    watch.send(signal.SIGTERM)
    watch.send(signal.SIGCONT)
    assert watch.wait() == 0
    assert made <= {row.cgroup_id for row in rows(journal)}
    assert losses(closed_books(journal)) == 0


@pytest.mark.parametrize("shown", [True, False])
def test_what_runs_already_is_shown_unless_said(
    begin: Begin,
    start: Starter,
    node: NodeLab,
    journal: Path,
    shown: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    before = [*start.long(1), *start.pods(1, 1)]
    watch = begin(*([] if shown else ["--no-existing"])).answered_by(node.containerd.socket)
    watch.until(lambda: all(found and found[0].record for found in rows_of(journal, before).values()), "they are known")
    new = start.long(1)
    watch.printed(new)
    assert watch.stop() == 0
    ids = {record.container_id: record for record in watch.read()}
    assert set(before) & set(ids) == (set(before) if shown else set())
    for container_id in before:
        (row,) = rows_of(journal, [container_id])[container_id]
        assert row.origin is Origin.RECONCILED
        assert row.cgroup_id != 0
        assert row.state is (State.WRITTEN if shown else State.DROPPED)
    closed_books(journal)


@pytest.mark.parametrize("shown", [True, False])
def test_sandboxes_are_shown_unless_said(
    begin: Begin,
    start: Starter,
    node: NodeLab,
    journal: Path,
    shown: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    watch = begin(*([] if shown else ["--no-sandboxes"])).answered_by(node.containerd.socket)
    made = start.pods(1, 1)
    sandbox = next(each for each, (_, name) in made.items() if name is None)
    watch.until(
        lambda: all(each and each[0].state is not State.PENDING for each in rows_of(journal, made).values()), ""
    )
    watch.printed(set(made) - {sandbox})
    assert watch.stop() == 0
    assert (sandbox in {record.container_id for record in watch.read()}) is shown
    assert (closed_books(journal)["agent"]["sandbox"] > 0) is not shown


def test_a_flat_line_has_exactly_the_ten_arguments(begin: Begin, start: Starter, node: NodeLab, journal: Path) -> None:
    watch = begin("--output", "flat").attached()
    made = start.pods(1, 1)
    (by_ctr,) = start.long(1)
    wanted = {*made, by_ctr}
    watch.until(lambda: wanted <= {json.loads(line)["container_id"] for line in watch.lines}, "all are printed")
    assert watch.stop() == 0
    flat: dict[str, dict[str, Any]] = {line["container_id"]: line for line in map(json.loads, watch.lines)}
    for container_id, (pod, name) in made.items():
        (row,) = rows_of(journal, [container_id])[container_id]
        assert row.ctime_ns is not None
        assert flat[container_id] == {
            "runtime": "containerd",
            "container_id": container_id,
            "ctime": row.ctime_ns // 1000 * 1000,
            "container_image": node.reference if name else node.containerd.pause,
            "container_image_digest": flat[container_id]["container_image_digest"],
            "container_name": name,
            "pod_name": pod.name,
            "pod_namespace": pod.namespace,
            "pod_uid": pod.uid,
            "pod_sandbox": name is None,
        }
        assert flat[container_id]["container_image_digest"].startswith("sha256:")
    none = {key for key, value in flat[by_ctr].items() if value is None}
    assert none == {"pod_name", "pod_namespace", "pod_uid"}
    assert flat[by_ctr]["container_image_digest"] == node.image.root.digest
    assert (flat[by_ctr]["container_name"], flat[by_ctr]["pod_sandbox"]) == (by_ctr, False)


def test_a_broken_pipe_ends_it_quietly(start: Starter, node: NodeLab, journal: Path) -> None:
    watch = f"{ROLLCALL} watch --runtime-endpoint {node.containerd.endpoint} --journal {journal}"
    with subprocess.Popen(
        ["bash", "-c", f"set -o pipefail; {watch} | head -1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as shell:
        started: list[str] = []

        def watches() -> bool:
            started.extend(start.exited(1))
            return journal.exists() and any(rows_of(journal, started).values())

        def ended() -> bool:
            start.exited(1)
            return shell.poll() is not None

        wait_until(watches, "it watches", seconds=60)
        wait_until(ended, "it ends once nobody reads", seconds=60)
        assert shell.stdout is not None
        assert shell.stderr is not None
        assert json.loads(shell.stdout.read())["containerID"]
        assert (shell.returncode, shell.stderr.read()) == (0, "")
    assert closed_books(journal)["kernel"][0]["closed_ns"] is not None


def test_a_second_writer_of_a_journal_is_refused(begin: Begin, node: NodeLab, journal: Path) -> None:
    first = begin().answered_by(node.containerd.socket)
    second = rollcall("watch", "--journal", str(journal), status=1)
    assert str(first.pid) in second.stderr
    assert str(journal) in second.stderr
    assert second.stdout == ""
    assert first.stop() == 0
    closed_books(journal)


def test_ps_shows_what_runs(start: Starter, node: NodeLab) -> None:
    running = [*start.pods(2, 1), *start.long(2)]
    ended = [*start.exited(1), *start.exited_in_a_pod(1)]
    shown = rollcall("ps", "--runtime-endpoint", node.containerd.endpoint, "--output", "json")
    records = [json.loads(line) for line in shown.stdout.splitlines()]
    ids = [record["containerID"] for record in records]
    namespaces = node.ctr("namespaces", "ls", "--quiet").split()
    tasks = [
        line.split() for each in namespaces for line in node.ctr("--namespace", each, "tasks", "ls").splitlines()[1:]
    ]
    assert sorted(ids) == sorted(task for task, _, state in tasks if state == "RUNNING")
    assert set(running) <= set(ids)
    assert not set(ended) & set(ids)
    assert {record["resolution"] for record in records if record["containerID"] in running} == {Resolution.RESOLVED}


def test_an_earlier_end_is_a_gap_and_what_began_in_it_is_found(
    begin: Begin, start: Starter, node: NodeLab, journal: Path
) -> None:
    assert begin().answered_by(node.containerd.socket).stop() == 0
    ids = [*start.long(1), *start.exited(1), *start.exited_in_a_pod(1)]
    watch = begin().answered_by(node.containerd.socket)
    printed = watch.printed(ids)
    assert watch.stop() == 0
    assert {record.origin for record in printed.values()} == {Origin.RECONCILED}
    assert [len(found) for found in rows_of(journal, ids).values()] == [1, 1, 1]
    (gap,) = closed_books(journal)["gaps"]
    assert gap["reason"] == "stopped"
    assert gap["from_ns"] < watch.begun_ns < gap["to_ns"]


@pytest.fixture
def everybodys(node: NodeLab) -> Path:
    """A folder that an unprivileged user owns, below one that it may pass through."""
    folder = node.scratch.folder / "nobody"
    folder.mkdir(mode=0o700, exist_ok=True)
    shutil.chown(folder, NOBODY, NOBODY)
    return folder


def as_nobody(rights: str) -> list[str]:
    """A command that runs another as an unprivileged user with these capabilities and no others."""
    kinds = ("inh-caps", "ambient-caps", "bounding-set")
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
    return ["setpriv", *user, *(f"--{kind}=-all{rights}" for kind in kinds)]


def test_bpf_and_perfmon_and_the_sockets_group_are_enough(
    begin: Begin, start: Starter, node: NodeLab, everybodys: Path, tmp_path: Path
) -> None:
    shutil.chown(node.containerd.socket, group=NOBODY)
    journal = everybodys / "journal.db"
    watch: Watch = begin("--collector", "core", journal=journal, folder=tmp_path, through=as_nobody(",+bpf,+perfmon"))
    watch.answered_by(node.containerd.socket)
    made = [*start.pods(1, 1), *start.long(1)]
    printed = watch.printed(made)
    assert watch.stop() == 0
    assert {record.resolution for record in printed.values()} == {Resolution.RESOLVED}
    assert {record.origin for record in printed.values()} == {Origin.KERNEL}
    assert rows(journal)
    assert closed_books(journal)["kernel"][0]["collector"] == "core"


@pytest.mark.parametrize("rights", ["", ",+bpf", ",+perfmon"])
def test_a_right_that_is_missing_is_named(
    begin: Begin, everybodys: Path, tmp_path: Path, collector: str, rights: str
) -> None:
    journal = everybodys / "journal.db"
    watch = begin("--collector", collector, journal=journal, folder=tmp_path, through=as_nobody(rights))
    assert watch.wait() == 1
    assert watch.lines == []
    (message,) = (line for line in watch.said().splitlines() if line.startswith("rollcall: "))
    what, _, remedy = message.partition("Run")
    assert "root" in remedy
    if collector == "core":
        has = {f"CAP_{right}" for right in ("BPF", "PERFMON") if f"+{right.lower()}" in rights}
        assert {name for name in ("CAP_BPF", "CAP_PERFMON") if name in what} == {"CAP_BPF", "CAP_PERFMON"} - has
    else:
        assert "tracefs is root's" in what or "CAP_" in what


def test_bcc_pins_nothing(begin: Begin, bpffs: Path) -> None:
    watch = begin("--collector", "bcc", "--pin", str(bpffs / "rollcall"))
    assert watch.wait() == 1
    assert "bcc can't pin" in watch.said()
