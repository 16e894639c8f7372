"""A scratch: one folder, one name, and all that is started, mounted or grouped under them; removed to the last bit.

What belongs to a scratch is found by its name and not by what somebody remembers: processes by the folder in their
command line or by their cgroup, mounts by where they are, cgroups by their path. So a scratch whose owner was killed
is removed just as well, by the next one that begins.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "rollcall-lab-"
CGROUPS = Path("/sys/fs/cgroup")


class Scratch:
    """A folder `rollcall-lab-<name>`, and in every hierarchy the cgroups `/rollcall-lab-<name>` and `/lab-<name>`.

    `cgroup_root` is the first of them: whatever is given a cgroup of its own goes below it. `namespace` is the second:
    containerd puts a container of a namespace into `/<namespace>/<id>`.
    """

    def __init__(self, folder: Path) -> None:
        prefix, name = folder.name[: len(PREFIX)], folder.name[len(PREFIX) :]
        if prefix != PREFIX or not name:  # or `clean` would end and remove what is no scratch's
            raise ValueError(f"{folder} is no folder of the laboratory")
        self.folder = folder
        self.cgroup_root = f"/{PREFIX}{name}"
        self.namespace = f"lab-{name}"
        self._trees = [self.cgroup_root, f"/{self.namespace}"]
        self._parents: list[str] = []
        self._folders: list[Path] = []

    def own_cgroup(self, path: str) -> None:
        """Also remove this cgroup at the end; and its parent, if that does not exist yet and is empty then."""
        parent = path.rpartition("/")[0]
        if parent and not _directories(parent):
            self._parents.append(parent)
        self._trees.append(path)

    def own_folder(self, folder: Path) -> None:
        """Also remove this folder at the end, if it does not exist yet and is empty then."""
        if not folder.exists():
            self._folders.append(folder)

    def processes(self) -> set[int]:
        """Pids of all processes that name the folder in their command line, or live in a cgroup of the scratch."""
        inside = f"{self.folder}/".encode()
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    if inside in (entry / "cmdline").read_bytes():
                        found.add(int(entry.name))
        for directory in self.cgroups():
            with suppress(OSError):
                found.update(int(pid) for pid in (directory / "cgroup.procs").read_text().split())
        return found

    def mounts(self) -> list[str]:
        """Mount points inside of the folder, the last one made first."""
        lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
        return [point for line in reversed(lines) if (point := line.split()[4]).startswith(f"{self.folder}/")]

    def cgroups(self) -> list[Path]:
        """Directories of the scratch's cgroups in all hierarchies, the deepest first."""
        tops = [top for tree in self._trees for top in _directories(tree)]
        return [Path(os.fsdecode(path)) for top in tops for path, _, _ in os.walk(os.fsencode(top), topdown=False)]

    def clean(self) -> None:
        """End, unmount and remove everything; raise TimeoutError where something does not go."""

        def all_ended() -> bool:
            for pid in (pids := self.processes()):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not pids

        sockets = self.shim_sockets()
        wait_until(all_ended, f"the processes of {self.folder} end")
        for point in self.mounts():
            subprocess.run(["umount", "--lazy", point], check=True)
        wait_until(self._cgroups_removed, f"the cgroups of {self.folder} can be removed")
        for socket in sockets:
            socket.unlink(missing_ok=True)
        for folder in self._folders:
            with suppress(OSError):
                folder.rmdir()
        shutil.rmtree(self.folder)

    def shim_sockets(self) -> list[Path]:
        """Where shims listen: containerd 1.6 puts it outside of its state folder (runtime/v2/shim/util_unix.go)."""
        notes = self.folder.glob("state/io.containerd.runtime.v2.task/*/*/address")
        return [Path(note.read_text().strip().removeprefix("unix://")) for note in notes]

    def _cgroups_removed(self) -> bool:
        for directory in self.cgroups():
            with suppress(OSError):  # busy until the last process is gone for good
                directory.rmdir()
        for parent in self._parents:
            for directory in _directories(parent):
                with suppress(OSError):  # by now somebody else's too
                    directory.rmdir()
        return not self.cgroups()


def _directories(cgroup: str) -> list[Path]:
    """Where a cgroup exists: on pure version 2, or in each hierarchy of version 1 and in the unified one."""
    mounts = [CGROUPS] if (CGROUPS / "cgroup.procs").exists() else CGROUPS.iterdir()
    directories = [mount / cgroup.lstrip("/") for mount in mounts if not mount.is_symlink()]
    return [directory for directory in directories if directory.is_dir()]


@contextmanager
def scratch() -> Iterator[Scratch]:
    """Make a scratch for the time of the block, and remove those whose owners are no more."""
    _sweep()
    unowned = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    unowned.chmod(0o711)
    with (unowned / "owner").open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        made = Scratch(unowned.rename(Path(tempfile.gettempdir()) / f"{PREFIX}{secrets.token_hex(4)}"))
        try:
            yield made
        finally:
            made.clean()


def _sweep() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError, BlockingIOError), (folder / "owner").open() as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Scratch(folder).clean()
