"""Starts and journals for the tests of the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollcall.record import Cgroup, ContainerCreate, Node, Origin, Resolution
from rollcall_agent.derive.candidate import ContainerCandidate
from rollcall_agent.journal import Journal, Start, open_journal

BOOT = "5b3f3a3e-6c1b-4a53-9d0a-2f6f3f6f7a10"


@pytest.fixture
def make_start() -> Callable[..., Start]:
    def make(number: int, **given: Any) -> Start:  # any field
        container_id = given.pop("container_id", f"{number:064x}")
        return Start(
            **{
                "identity": f"identity{number:018d}",
                "candidate": ContainerCandidate(container_id=container_id, runtime="containerd"),
                "boot_id": BOOT,
                "cgroup_id": 1000 + number,
                "hierarchy": 0,
                "origin": Origin.KERNEL,
                "read_ns": 1_700_000_000_000_000_000 + number,
                "attach": 1,
                "path": b"/default/" + container_id.encode(),
                "leaf": container_id.encode(),
            }
            | given
        )

    return make


@pytest.fixture
def make_record() -> Callable[..., ContainerCreate]:
    def make(number: int, resolution: Resolution = Resolution.RESOLVED, **given: Any) -> ContainerCreate:  # any field
        return ContainerCreate(
            identity=f"identity{number:018d}",
            container_id=f"{number:064x}",
            cgroup=Cgroup(id=1000 + number),
            node=Node(name="node-1", boot_id=BOOT),
            resolution=resolution,
            **given,
        )

    return make


@pytest.fixture
def clock() -> list[int]:
    """A wall clock that stands still: its only entry is the time in nanoseconds."""
    return [1_700_000_000_000_000_000]


@pytest.fixture
def open_it(tmp_path: Path, clock: list[int]) -> Iterator[Callable[..., Journal]]:
    opened: list[Journal] = []

    def open_it(**given: Any) -> Journal:  # any field
        journal = open_journal(
            given.pop("path", tmp_path / "journal.db"),
            boot_id=given.pop("boot_id", BOOT),
            now=lambda: clock[0],
            **given,
        )
        opened.append(journal)
        return journal

    yield open_it
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(open_it: Callable[..., Journal]) -> Journal:
    journal = open_it()
    with journal.transaction():
        journal.open_attach("core", 1, 0, 1)
    return journal
