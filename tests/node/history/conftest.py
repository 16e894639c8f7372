"""Watches with policies on the laboratory's containerd."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.watch.conftest import begin, journal, start

__all__ = ["begin", "journal", "policies", "start"]


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """A folder of policies."""
    folder = tmp_path / "policies"
    folder.mkdir()
    return folder
