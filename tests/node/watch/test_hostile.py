"""Hostile text from labels, names and paths: kept as valid JSON, and never raw where a person sees it."""

from __future__ import annotations

import json
import secrets
import unicodedata
from typing import TYPE_CHECKING

import pytest

from lab.scripted_cri import Scripted, ScriptedCri
from lab.serving import served
from lab.tree import Tree
from lab.watching import rollcall, rows
from rollcall.record import Resolution

if TYPE_CHECKING:
    from pathlib import Path

    from lab.node_lab import NodeLab
    from lab.starting import Starter
    from node.watch.conftest import Begin

EVIL = "\x1b[31mred\x1b[0m\u202egnp.exe\u2066\r\n\t\x07\x00end"
COMMAND = ("/bin/sleep", "2147483647")


def is_raw(text: str) -> bool:
    """Whether a text holds what a terminal would act on: controls, or marks that turn its direction."""
    return any(unicodedata.category(each) in {"Cc", "Cf"} for each in text.replace("\n", ""))


def assert_are_json(lines: list[bytes]) -> None:
    """Each is one JSON text without a control character, and bounded."""
    for line in lines:
        json.loads(line)
        assert not any(byte < 0x20 for byte in line)
        assert len(line) < 32_000


def test_labels_of_a_real_container(begin: Begin, start: Starter, node: NodeLab) -> None:
    watch = begin("--collector", "core").answered_by(node.containerd.socket)
    labels = {f"evil-{number}": EVIL for number in range(3)} | {EVIL: "key"} | {"long": "x" * 4000}
    pod = start.pod("evil", labels=labels)
    container_id = node.cri.create_container(pod, "web", node.reference, *COMMAND, labels=labels)
    node.cri.start_container(container_id)
    printed = watch.printed([container_id, pod.sandbox_id])
    assert watch.stop() == 0
    assert {record.resolution for record in printed.values()} == {Resolution.RESOLVED}
    shown = printed[container_id].container
    assert (shown.labels["evil-0"], shown.labels[EVIL], len(shown.labels["long"])) == (EVIL, "key", 256)
    assert shown.labels_truncated
    assert_are_json(watch.lines)


def test_labels_that_no_containerd_would_take(begin: Begin, node: NodeLab, tmp_path: Path) -> None:
    labels = {b"huge": b"x" * (1 << 20), b"\xff\xfe": b"\xc3\x28"} | {b"many-%d" % n: b"y" for n in range(1000)}
    container = Scripted(secrets.token_hex(32), labels=labels)
    scripted = ScriptedCri(tmp_path / "scripted.sock")
    scripted.add(container)
    with served(scripted):
        watch = begin("--collector", "core", socket=scripted.path).answered_by(scripted.path)
        Tree(node.scratch).make(f"crio-{container.id}.scope".encode())
        shown = watch.printed([container.id])[container.id].container
        assert watch.stop() == 0
    assert len(shown.labels) <= 64
    assert sum(len(key) + len(value) for key, value in shown.labels.items()) <= 8192
    assert shown.labels_truncated
    assert_are_json(watch.lines)


@pytest.mark.parametrize("name", [EVIL, "n" * 4000, "\u202e\u2066", "a/../../b"])
def test_names_of_pods_and_containers(begin: Begin, start: Starter, node: NodeLab, name: str) -> None:
    watch = begin("--collector", "core").answered_by(node.containerd.socket)
    container_id = node.cri.run_container(start.pod("named"), name, node.reference)
    record = watch.printed([container_id])[container_id]
    assert record.resolution is Resolution.RESOLVED
    assert record.container.name
    assert name.startswith(record.container.name.removesuffix("…"))
    assert watch.stop() == 0
    assert_are_json(watch.lines)
    shown = rollcall("ps", "--runtime-endpoint", node.containerd.endpoint, "--output", "table")
    assert not is_raw(shown.stdout)
    assert max(map(len, shown.stdout.splitlines())) < 1_000


def test_paths_of_any_bytes(begin: Begin, node: NodeLab, collector: str) -> None:
    watch = begin("--collector", collector).answered_by(node.containerd.socket)
    tree = Tree(node.scratch)
    container_id = secrets.token_hex(32)
    made = tree.make(b"\xff\xfe\x1b[31m\xe2\x80\xae\r/docker-" + container_id.encode() + b".scope")
    record = watch.printed([container_id])[container_id]
    assert record.cgroup.id == made.cgroup_id
    assert record.cgroup.path is not None
    assert "\\xff\\xfe" in record.cgroup.path
    (line,) = (line for line in watch.lines if container_id.encode() in line)
    assert_are_json([line])
    (row,) = (row for row in rows(watch.journal) if row.cgroup_id == made.cgroup_id)
    assert row.path == made.path


def test_a_live_table_shows_nothing_raw(begin: Begin, start: Starter, node: NodeLab) -> None:
    watch = begin("--collector", "core", "--output", "table").attached()
    pod = start.pod("table", namespace="shop\x1b[2J")
    container_id = node.cri.create_container(pod, EVIL, node.reference, *COMMAND)
    node.cri.start_container(container_id)
    watch.until(
        lambda: any(row.container_id == container_id and row.sequence for row in rows(watch.journal)), "written"
    )
    assert watch.stop() == 0
    text = b"\n".join(watch.lines).decode()
    assert "shop\\x1b[2J" in text
    assert not is_raw(text)
