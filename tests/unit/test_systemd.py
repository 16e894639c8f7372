"""The unit file: as little right as `watch` needs, by systemd's own rating and by its directives."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rollcall.__main__ import make_app
from rollcall_agent.journal.reader import DEFAULT_PATH

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNIT = FOLDER / "rollcall.service"
NEEDED = ["CAP_BPF", "CAP_PERFMON"]


def directives() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in UNIT.read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found[name].append(value)
    return found


@pytest.fixture
def analyze() -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze: `make test` installs what Debian has")
    return program


def test_systemd_rates_it_well(analyze: str) -> None:
    command = [analyze, "security", "--offline=true", "--threshold=15", "--no-pager", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level for rollcall.service" in done.stdout


def test_systemd_understands_every_line(analyze: str, tmp_path: Path) -> None:
    """With a program that exists: where ours is installed is no business of a test."""
    there = tmp_path / UNIT.name
    there.write_text(UNIT.read_text().replace("/opt/rollcall/bin/rollcall", "/bin/true"))
    command = [analyze, "verify", "--man=no", "--recursive-errors=no", str(there)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_has_two_capabilities_and_no_root() -> None:
    found = directives()
    for name in ("AmbientCapabilities", "CapabilityBoundingSet"):
        assert [value.split() for value in found[name]] == [NEEDED]
    assert found["User"] == ["rollcall"]
    assert found["NoNewPrivileges"] == ["yes"]
    assert found["SystemCallFilter"][-1] == "bpf perf_event_open"  # else @privileged takes bpf away again


def test_its_user_is_made_and_owns_the_place_of_the_journal() -> None:
    kind, name, *_, home = (FOLDER / "rollcall.sysusers.conf").read_text().splitlines()[1].split()
    assert (kind, name) == ("u", directives()["User"][0])
    assert home == str(DEFAULT_PATH.parent) == f"/var/lib/{directives()['StateDirectory'][0]}"


def test_its_command_exists_with_its_options() -> None:
    (command,) = directives()["ExecStart"]
    _, name, *options = command.split()
    helped = CliRunner().invoke(make_app(), [name, "--help"]).output
    assert [option for option in options if option.startswith("--") and option not in helped] == []
