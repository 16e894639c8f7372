"""Drives cgroups: a hierarchy of one's own, where nobody else makes any, and a maker with a ledger of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rollcall_agent.collect.hierarchy import Hierarchy

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def mounted(kind: str, options: str, at: Path | None = None) -> Iterator[Path]:
    """Mount a file system of the kernel's, by default in a new directory, and unmount it."""
    directory = at if at is not None else Path(tempfile.mkdtemp(prefix=f"rollcall-{kind}-"))
    subprocess.run(["mount", "-t", kind, "-o", options, kind, str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)
        if at is None:
            directory.rmdir()


@contextmanager
def own_hierarchy() -> Iterator[Hierarchy]:
    """Mount a named version 1 hierarchy without controllers: what happens there is the test's own doing alone."""
    name = f"rollcall-{os.getpid()}"
    with mounted("cgroup", f"none,name={name}") as mount:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        number = next(int(line.partition(":")[0]) for line in lines if f":name={name}:" in line)
        try:
            yield Hierarchy(id=number, version=1, mount=mount)
        finally:
            for path, _, _ in os.walk(os.fsencode(mount), topdown=False):
                if path != os.fsencode(mount):
                    os.rmdir(path)  # noqa: PTH106  # bytes


def make_and_remove(directory: Path, count: int, rate: float) -> list[int]:
    """Make and remove directories named like containers, `rate` a second, and return their cgroup ids."""
    made = []
    begun = time.monotonic()
    for number in range(count):
        path = directory / f"{number:064x}"
        path.mkdir()
        made.append(path.stat().st_ino)
        path.rmdir()
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))
    return made


class Maker:
    """A running maker."""

    def __init__(self, process: subprocess.Popen[bytes], output: IO[str]) -> None:
        self._process = process
        self._output = output

    def ended(self) -> bool:
        return self._process.poll() is not None

    def made(self) -> list[int]:
        """The cgroup ids that it made, in order."""
        assert self._process.returncode == 0
        self._output.seek(0)
        ids: list[int] = json.load(self._output)
        return ids


@contextmanager
def maker(directory: Path, count: int, rate: float) -> Iterator[Maker]:
    """Start `make_and_remove` in a process of its own; once it has ended, `made` holds the ids."""
    command = [sys.executable, "-m", "lab.cgroups", str(directory), str(count), str(rate)]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with tempfile.TemporaryFile("w+") as output, subprocess.Popen(command, stdout=output, env=environ) as process:
        yield Maker(process, output)


if __name__ == "__main__":
    print(json.dumps(make_and_remove(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))  # noqa: T201
