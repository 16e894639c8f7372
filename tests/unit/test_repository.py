"""What must hold for the repository as a whole."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPPING = "import pytest\n\ndef test_it() -> None:\n    pytest.skip('needs a left-handed smoke shifter')\n"
SKIPPED_WHOLE = "import pytest\npytest.skip('needs a long stand', allow_module_level=True)\n"


def run(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, check=False, timeout=60
    )


def test_nothing_here_is_imported_instead_of_the_standard_librarys_operator() -> None:
    done = run(sys.executable, "-c", "import operator; print(operator.itemgetter(1)('ab'))")
    assert (done.stdout, done.returncode) == ("b\n", 0)


def test_test_folders_are_no_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("lock", sorted(path.name for path in (ROOT / "requirements").iterdir()))
def test_locks_pin_every_package_by_hash_and_name_no_address(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    assert not re.search(r"://|^-", text, re.MULTILINE)
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert entries
    assert [entry for entry in entries if not re.match(r"[\w.-]+==\S+ .*\\\n +--hash=sha256:[0-9a-f]{64}", entry)] == []


def test_make_alone_prints_every_target() -> None:
    printed = run("make").stdout
    phony = re.findall(r"^\.PHONY: (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test", "lint", "bench", "full", "venv", "bpf", "clean"} <= set(phony)
    assert [target for target in phony if not re.search(rf"^  {target} +\S", printed, re.MULTILINE)] == []


@pytest.mark.parametrize("test", [SKIPPING, SKIPPED_WHOLE])
def test_a_skip_passes_for_a_person_and_fails_on_ci(tmp_path: Path, test: str) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_skipping.py").write_text(test)
    options = ("-c", os.devnull, "--rootdir", tmp_path, "-p", "no:cacheprovider")
    pytest_here = (sys.executable, "-m", "pytest", *options, tmp_path)
    assert "1 skipped" in run(*pytest_here, CI="").stdout
    on_ci = run(*pytest_here, CI="true")
    assert on_ci.returncode != 0
    assert "CI=true and this was not run" in on_ci.stdout
    assert "needs a l" in on_ci.stdout
