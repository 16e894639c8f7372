"""What tests on a node share: one laboratory a session, tracefs for bcc, a bpffs."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from lab.cgroups import mounted
from lab.node_lab import PROGRAMS, NodeLab, node_lab
from rollcall_agent.collect.bcc import TRACEFS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: attaching, cgroups and containers are its right")


@pytest.fixture(scope="session")
def node() -> Iterator[NodeLab]:
    """The laboratory, for the whole session: a test removes its own pods or uses names of its own."""
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.skip(f"needs {', '.join(missing)}: `make test` installs what Debian has")
    with node_lab() as lab:
        yield lab


@pytest.fixture(scope="session")
def tracefs() -> Iterator[None]:
    if any((place / "events").exists() for place in TRACEFS):
        yield
        return
    with mounted("tracefs", "mode=700", at=TRACEFS[-1]):
        yield


@pytest.fixture
def bpffs() -> Iterator[Path]:
    with mounted("bpf", "mode=700") as directory:
        yield directory
