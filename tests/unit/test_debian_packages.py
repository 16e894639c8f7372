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


@pytest.fixture
def policy(project: Path) -> Path:
    """The administrator's policy-rc.d, in a folder of ours; apt-get keeps what it finds there in `found`."""
    policy = project / "sbin" / "policy-rc.d"
    policy.parent.mkdir()
    policy.write_text("the administrator's")
    tool = project / "tools" / "debian-packages"
    tool.write_text(tool.read_text().replace("/usr/sbin/policy-rc.d", str(policy)))
    for program in ("chmod", "flock", "mv", "rm", "tee"):
        (project / "bin" / program).symlink_to(str(shutil.which(program)))
    give_apt(project, f"echo 'Inst absent (1 Debian [amd64])' ;; *install*) cat {policy} > {project}/found")
    give(project, "id", "echo 0")
    give(project, "dpkg-query", "exit 1")
    give(project, "dpkg", f"echo /lib/systemd/system/absent.service; echo $* >> {project}/listed")
    give(project, "systemctl", f"echo $* >> {project}/disabled")
    return policy


def give(project: Path, program: str, code: str) -> None:
    path = project / "bin" / program
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(0o755)


def test_nothing_starts_while_it_installs_and_the_policy_comes_back(project: Path, policy: Path) -> None:
    done = run(project, "demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert (project / "found").read_text().endswith("\nexit 101\n")
    assert policy.read_text() == "the administrator's"
    assert [path.name for path in policy.parent.iterdir()] == ["policy-rc.d"]
    assert (project / "disabled").read_text() == "--quiet disable absent.service\n"


def test_the_policy_stays_where_it_can_not_be_moved(project: Path, policy: Path) -> None:
    give(project, "mv", "exit 1")
    assert run(project, "demo").returncode != 0
    assert policy.read_text() == "the administrator's"
    assert not (project / "found").exists()


def test_what_a_killed_run_has_left_is_put_back(project: Path, policy: Path) -> None:
    run(project, "demo")
    policy.rename(f"{policy}.rollcall")
    (project / "found").rename(policy)
    assert run(project, "demo").returncode == 0
    assert policy.read_text() == "the administrator's"


def test_two_policies_are_left_to_the_administrator(project: Path, policy: Path) -> None:
    Path(f"{policy}.rollcall").write_text("another")
    done = run(project, "demo")
    assert done.returncode == 1
    assert "remove the one that you do not want" in done.stderr
    assert (policy.read_text(), Path(f"{policy}.rollcall").read_text()) == ("the administrator's", "another")


@pytest.mark.usefixtures("policy")
def test_services_of_what_was_installed_before_stay_as_they_are(project: Path) -> None:
    give(project, "dpkg-query", "echo installed")
    assert run(project, "demo").returncode == 0
    assert not (project / "disabled").exists()
