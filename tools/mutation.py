"""Mutates the references, the patterns and the judge, and holds what survives against docs/mutation.md.

mutmut changes one thing at a time in a copy and runs the unit tests of these modules against it. A change that no test
notices is a survivor: it is killed by a new test, or docs/mutation.md says why it can't be.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "mutation.md"
MUTATED = ("references.py", "patterns.py", *(f"judge/{name}.py" for name in ("evaluate", "match", "rules", "limits")))
TESTS = ("test_references*.py", "test_patterns*.py", "data", "judge")
SURVIVED = re.compile(r"^\s*(\S+): (survived|no tests|suspicious)$", re.MULTILINE)
EXPLAINED = re.compile(r"^```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)

CONFIG = """
[tool.pytest.ini_options]
pythonpath = ["tests"]
addopts = ["--import-mode=importlib", "-p", "no:cacheprovider"]
[tool.mutmut]
source_paths = ["src"]
only_mutate = [{only}]
pytest_add_cli_args_test_selection = ["tests/unit"]
also_copy = ["tests"]
"""
CONFTEST = """
from hypothesis import HealthCheck, settings

few = {"max_examples": 25, "derandomize": True, "database": None, "deadline": None}
settings.register_profile("mutation", suppress_health_check=[HealthCheck.too_slow], **few)
settings.load_profile("mutation")
"""


def prepare(place: Path) -> None:
    """Copy what is mutated and its tests into a tree as mutmut wants it: sources below `src`."""
    nothing_built = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "core" / "src" / "rollcall", place / "src" / "rollcall", ignore=nothing_built)
    unit = place / "tests" / "unit"
    (place / "tests" / "lab").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "lab" / "policies.py", place / "tests" / "lab")
    unit.mkdir()
    for pattern in TESTS:
        for found in (ROOT / "tests" / "unit").glob(pattern):
            if found.is_dir():
                shutil.copytree(found, unit / found.name, ignore=nothing_built)
            else:
                shutil.copy(found, unit)
    (unit / "conftest.py").write_text(CONFTEST)
    only = ", ".join(f'"src/rollcall/{name}"' for name in MUTATED)
    (place / "pyproject.toml").write_text(CONFIG.format(only=only))


def mutmut(place: Path, *arguments: str, quiet: bool = True) -> str:
    """Run mutmut in the tree and return what it prints."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    stdout = subprocess.PIPE if quiet else None
    done = subprocess.run(command, cwd=place, stdout=stdout, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: exit status {done.returncode}")
    return done.stdout or ""


def changed_lines(diff: str) -> str:
    """Reduce a diff to its changed lines, as docs/mutation.md has them."""
    lines = [line for line in diff.splitlines() if line[:1] in "-+" and line[:3] not in {"---", "+++"}]
    return "".join(f"{line[0]} {line[1:].strip()}\n" for line in lines)


def main() -> None:
    """Mutate, and name every survivor that is not explained, and every explanation without a survivor."""
    with tempfile.TemporaryDirectory(prefix="rollcall-mutation-") as folder:
        place = Path(folder)
        prepare(place)
        mutmut(place, "run", "--max-children", str(os.cpu_count() or 1), quiet=False)
        names = [match[1] for match in SURVIVED.finditer(mutmut(place, "results"))]
        survivors = {name: changed_lines(mutmut(place, "show", name)) for name in names}
    explained = set(EXPLAINED.findall(PAGE.read_text()))
    unexplained = {name: change for name, change in survivors.items() if change not in explained}
    for name, change in unexplained.items():
        print(f"\n{name} survives, and {PAGE.name} does not say why:\n{change}", end="")
    for change in sorted(explained - set(survivors.values())):
        print(f"\n{PAGE.name} explains what does not survive:\n{change}", end="")
    print(f"\n{len(survivors)} survivors, {len(unexplained)} not explained.")
    sys.exit(1 if unexplained or explained - set(survivors.values()) else 0)


if __name__ == "__main__":
    main()
