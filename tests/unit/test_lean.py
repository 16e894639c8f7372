from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = {"rich", "pygments", "pydantic", "prometheus_client", "bcc"}


def test_a_command_takes_in_nothing_heavy(tmp_path: Path) -> None:
    """The agent's memory is mostly modules: 64 MiB hold with none of these."""
    code = """
import contextlib, sys
from rollcall.__main__ import make_app
with contextlib.suppress(SystemExit):
    make_app()(sys.argv[1:])
print(*sys.modules)
"""
    command = [sys.executable, "-c", code, "books", "--journal", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "there is no journal" in done.stderr
    taken_in = {module.partition(".")[0] for module in done.stdout.split()}
    assert "structlog" in taken_in
    assert not HEAVY & taken_in


def test_rich_can_be_imported_all_the_same() -> None:
    subprocess.run([sys.executable, "-c", "import rollcall_agent, rich.table"], check=True)
