"""The wheel: complete, and at work in an empty environment on a machine without a compiler."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OBJECT = "rollcall_agent/collect/rollcall.bpf.o"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder)
    return next(folder.glob("rollcall-*.whl"))


def build(root: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=120)


def test_the_wheel_has_the_kernel_programs_stubs_and_licenses(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.read(OBJECT)[:4] == b"\x7fELF"
        assert archive.read("rollcall_agent/collect/rollcall.bcc.c") == (ROOT / "bpf/rollcall.bcc.c").read_bytes()
        assert archive.read("rollcall_agent/collect/rollcall.h") == (ROOT / "bpf/rollcall.h").read_bytes()
    assert {"rollcall/py.typed", "rollcall_agent/py.typed", "rollcall_agent/enrich/proto/cri_pb2.py"} <= names
    licenses = {name.partition(".dist-info/licenses/")[2] for name in names}
    assert {"LICENSE", "bpf/LICENSE", "bpf/LICENSE.GPL-2.0"} <= licenses
    assert [name for name in names if name.startswith(("operator", "tests"))] == []


def test_no_wheel_without_the_kernel_program(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "core", "agent", "bpf", "tools"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "agent").unlink()
    (tmp_path / "agent/src/rollcall_agent").mkdir(parents=True)
    (tmp_path / "agent/src/rollcall_agent/__init__.py").touch()
    with pytest.raises(subprocess.CalledProcessError) as failure:
        build(tmp_path, tmp_path)
    assert b"make bpf" in failure.value.stderr + failure.value.stdout


def test_an_empty_environment_gets_a_working_command(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True, timeout=120)
    python = str(tmp_path / "venv/bin/python")
    pip = [python, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--require-hashes", "-r", ROOT / "requirements/agent.lock"], check=True, timeout=600)
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True, timeout=120)

    def rollcall(*arguments: str) -> str:
        command = [str(tmp_path / "venv/bin/rollcall"), *arguments]
        done = subprocess.run(
            command, env={"PATH": ""}, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    assert rollcall("--version") == "rollcall 0.1.0\n"
    assert "--runtime-endpoint" in rollcall("watch", "--help")
