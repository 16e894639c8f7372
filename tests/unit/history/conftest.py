"""A machine with a folder of policies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.history import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine with a folder of policies, at a time that stands still."""
    made = Machine(tmp_path / "journal.db", policies=tmp_path / "policies")
    yield made
    made.close()
