"""What tests on a node share: one laboratory a session."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from lab.node_lab import PROGRAMS, NodeLab, node_lab

if TYPE_CHECKING:
    from collections.abc import Iterator


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
