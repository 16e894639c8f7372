"""The harness of `make bench` runs and writes its page. It asserts no figure: those are the page's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.usefixtures("tracefs")
def test_every_measurement_runs_once_and_the_page_is_written(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    command = [sys.executable, "-m", "bench", "--quick", "--output", str(page)]
    environ = os.environ | {"PYTHONPATH": "tests"}
    subprocess.run(command, cwd=ROOT, env=environ, check=True, timeout=600)
    rows = page.read_text().splitlines()
    assert len([row for row in rows if " | core | " in row]) == 18
    assert len([row for row in rows if " | bcc | " in row]) == 17  # bcc can't be pinned
    assert [row for row in rows if re.search(r"\b0 of \d+ recorded", row)] == []
