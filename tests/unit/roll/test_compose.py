"""The record of a start, composed: bounded texts, and what a late answer supersedes."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from rollcall.identity import identity
from rollcall.record import Container, Image, Origin, Pod, Resolution, Runtime, TimeSource
from rollcall_agent.collect.hierarchy import Hierarchy
from rollcall_agent.derive import ContainerCandidate
from rollcall_agent.enrich.facts import Facts
from rollcall_agent.journal.start import Revision, Start
from rollcall_agent.roll.compose import compose, placed
from rollcall_agent.roll.node import NodeIdentity

NODE = NodeIdentity(name="node", boot_id="boot")
HIERARCHY = Hierarchy(id=3, version=1, mount=Path("/sys/fs/cgroup/cpuset"))
ID = "a" * 64
START = Start(
    identity=identity("boot", ID, 7),
    candidate=ContainerCandidate(container_id=ID, runtime="containerd"),
    boot_id="boot",
    cgroup_id=7,
    hierarchy=3,
    origin=Origin.KERNEL,
    read_ns=0,
    path=b"/kubepods/\xff\x1b[31m",
    ctime_ns=1_795_521_128_520_123_456,
    ctime_source=TimeSource.KERNEL,
)


def test_texts_of_a_runtime_are_bounded_and_stay_what_they_are_below_that() -> None:
    huge = "x" * 1_000_000
    facts = Facts(
        resolution=Resolution.PARTIAL,
        reason="PodUnknown",
        message=huge,
        runtime=Runtime(name=huge, version=huge),
        image=Image(requested=huge, id=huge),
        container=Container(name=huge),
        pod=Pod(name=huge, namespace=huge, uid=huge, sandbox_id=huge),
    )
    record = compose(START, facts, NODE, HIERARCHY)
    for text in (
        record.message,
        record.runtime.name,
        record.runtime.version,
        record.image.requested,
        record.image.id,
        record.container.name,
        record.pod.name,
        record.pod.namespace,
        record.pod.uid,
        record.pod.sandbox_id,
    ):
        assert text is not None
        assert len(text) == 1024
        assert text.endswith("…")
    short = compose(START, replace(facts, container=Container(name="web\n\x1b")), NODE, HIERARCHY)
    assert short.container.name == "web\n\x1b"


def test_a_path_is_text_whatever_its_bytes() -> None:
    record = compose(START, Facts(resolution=Resolution.UNRESOLVED), NODE, HIERARCHY)
    assert record.cgroup.path == "/kubepods/\\xff\x1b[31m"
    assert record.ctime == "2026-11-24T11:52:08.520123Z"


def test_a_late_answer_has_an_identity_of_its_own_and_names_the_one_that_it_supersedes() -> None:
    record = compose(START, Facts(resolution=Resolution.RESOLVED), NODE, HIERARCHY)
    first = placed(replace(START, record=record, sequence=4), "epoch")
    late = placed(replace(START, record=record, sequence=9, revision=Revision.LATE), "epoch")
    assert (first.identity, first.supersedes) == (START.identity, None)
    assert (late.identity, late.supersedes) == (identity("boot", ID, 7, revision="late"), START.identity)


def test_what_no_sink_was_handed_has_no_place() -> None:
    with pytest.raises(ValueError, match="was not handed"):
        placed(START, "epoch")
