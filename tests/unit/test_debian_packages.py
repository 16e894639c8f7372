"""The installer of Debian's packages: with an apt-get of our own, what it asks for, and when it stops."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = """\
# package targets proof reason
there demo file:{folder} is there
absent demo,test file:{folder}/absent the reason of it
other bench file:{folder}/other another target's
"""
APT = """#!/bin/sh
echo "$*" >> {folder}/asked
case "$*" in *-s*) {simulated} ;; esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with a list of packages of its own, and a PATH without apt-get."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "tools" / "debian-packages", tmp_path / "tools")
    (tmp_path / "debian-packages.txt").write_text(PACKAGES.format(folder=tmp_path))
    for program in ("bash", "cat", "dirname", "env", "grep", "id", "sed", "tr", "uname"):
        (tmp_path / "bin" / program).symlink_to(str(shutil.which(program)))
    return tmp_path


def give_apt(project: Path, simulated: str) -> None:
    apt = project / "bin" / "apt-get"
    apt.write_text(APT.format(folder=project, simulated=simulated))
    apt.chmod(0o755)


def run(project: Path, target: str) -> subprocess.CompletedProcess[str]:
    command = [str(project / "bin" / "bash"), str(project / "tools" / "debian-packages"), target]
    environ = {"PATH": str(project / "bin")}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=30)


def test_nothing_is_said_or_done_where_nothing_is_missing(project: Path) -> None:
    (project / "absent").touch()
    done = run(project, "demo")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_apt_it_names_what_is_missing_and_why(project: Path) -> None:
    done = run(project, "demo")
    assert done.returncode == 1
    assert f"{project}/absent (Debian: absent): the reason of it" in done.stderr
    assert "other" not in done.stderr
    assert "there" not in done.stderr.replace("There is no apt-get here", "")


def test_it_stops_where_apt_would_remove_something(project: Path) -> None:
    give_apt(project, "echo 'Remv containerd.io [1.6]'; echo 'Inst absent (1 Debian [amd64])'")
    done = run(project, "demo")
    assert done.returncode == 1
    assert "would remove something, so nothing was installed:\nRemv containerd.io" in done.stderr
    assert [line for line in (project / "asked").read_text().splitlines() if "-s" not in line.split()] == []
