"""The probe's pins in a bpffs: they keep it attached and its ring filling while no process reads.

A set of pins is a directory `v<schema>-<tag>` below the one that the user names: programs with other instructions have
another name and are never mistaken for ours. Whoever can write there could plant a ring that tells lies, so a set is
taken over only from directories that we own and nobody else can write, and only after the programs' tags, the links'
programs and every map's type, sizes and name were compared.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from msgspec import Struct

from rollcall_agent.collect.libbpf import Libbpf, Map, Object
from rollcall_agent.collect.problem import CollectorProblem

PROGRAMS: Final = ("cgroup_made", "cgroup_removed")
MAPS: Final = ("events", "counters", "control", "roots")

_BPF_FS_MAGIC: Final = 0xCAFE4A11  # include/uapi/linux/magic.h
_OTHERS_CAN_WRITE: Final = 0o022


class Pinned(Struct, frozen=True, kw_only=True):
    """Descriptors of a set of pins that was found to be what it says."""

    directory: Path
    maps: dict[str, int]
    programs: dict[str, int]


class PinDirectory:
    """The user's `--pin` directory, locked for this process.

    Raises:
        CollectorProblem: it is on no bpffs, others can write there, or another process uses it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if file_system(path if path.exists() else path.parent) != _BPF_FS_MAGIC:
                raise CollectorProblem(
                    f"The pin directory {path} is not on a bpffs.",
                    "Name a directory on one, for example /sys/fs/bpf/rollcall; `mount -t bpf bpf DIR` makes one.",
                )
            path.mkdir(mode=0o700, exist_ok=True)
            self._lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise CollectorProblem(
                f"The pin directory {path} can't be made or opened: {error.strerror}.",
                "Name a directory on a bpffs whose parent exists; `mount -t bpf bpf DIR` makes one.",
            ) from error
        try:
            refuse_writable_by_others(path)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise CollectorProblem(
                f"Another process uses the pins in {path}.", "Stop it, or give this one a directory of its own."
            ) from error
        except CollectorProblem:
            os.close(self._lock)
            raise

    def sets(self) -> list[Path]:
        """Return the sets of pins there, by name."""
        return sorted(entry for entry in self.path.iterdir() if entry.name.startswith("v") and entry.is_dir())

    def close(self) -> None:
        """Unlock."""
        os.close(self._lock)


def file_system(path: Path) -> int:
    """Return the magic number of the file system that holds `path` (statfs(2))."""
    buffer = (ctypes.c_long * 32)()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.statfs(os.fsencode(path), buffer) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
    return int(buffer[0])


def refuse_writable_by_others(path: Path) -> None:
    """Raise CollectorProblem unless `path` is a real directory, our own, and closed to others' writing."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS_CAN_WRITE:
        raise CollectorProblem(
            f"The pin directory {path} belongs to uid {found.st_uid} with mode {stat.filemode(found.st_mode)}: "
            "others could plant a probe there.",
            f"Use a directory that only this user can write (`chmod 0700 {path}`), or another one.",
        )


def set_name(schema: int, tags: dict[str, str]) -> str:
    """Name the set of pins of these programs."""
    return f"v{schema}-" + "-".join(tags[name] for name in PROGRAMS)


def pin(loaded: Object, links: dict[str, int], directory: Path) -> None:
    """Pin everything of a loaded object. The links come last: a set without them is unfinished. Raises OSError."""
    remove(directory)
    directory.mkdir(mode=0o700)
    for name in MAPS:
        loaded.pin_map(name, directory / name)
    for name in PROGRAMS:
        loaded.pin_program(name, directory / name)
    for name in PROGRAMS:  # a bpffs reserves dots in names (bpf_lookup in kernel/bpf/inode.c)
        loaded.pin_link(links[name], directory / f"{name}_link")


def adopt(libbpf: Libbpf, directory: Path, *, like: dict[str, Map], tags: dict[str, str] | None) -> Pinned | None:
    """Open a set of pins, or return None where it is unfinished or not what it should be.

    `like` are maps of the same names to be compared with (`max_entries` of the ring may differ: it was sized when
    it was made), `tags` the tags of our programs, None where an older set is only to be drained.
    """
    refuse_writable_by_others(directory)
    maps: dict[str, int] = {}
    programs: dict[str, int] = {}
    links: dict[str, int] = {}
    try:
        for name in MAPS:
            maps[name] = libbpf.open_pinned(directory / name)
        for name in PROGRAMS:
            programs[name] = libbpf.open_pinned(directory / name)
            links[name] = libbpf.open_pinned(directory / f"{name}_link")
        used = frozenset[int]()
        found = {name: libbpf.program(fd) for name, fd in programs.items()}
        used = frozenset[int]().union(*(program.maps for program in found.values()))
        ours = (
            all(libbpf.program_id_of_link(links[name]) == found[name].id for name in PROGRAMS)
            and (tags is None or all(tags[name] == found[name].tag for name in PROGRAMS))
            and all(_is_like(libbpf.map(fd), like[name], used) for name, fd in maps.items())
        )
    except OSError:
        ours = False
    finally:
        for fd in links.values():
            os.close(fd)
    pinned = Pinned(directory=directory, maps=maps, programs=programs)
    if ours:
        return pinned
    close(pinned)
    return None


def _is_like(found: Map, ours: Map, used: frozenset[int]) -> bool:
    shapes = [(one.type, one.key_size, one.value_size, one.name) for one in (found, ours)]
    return found.id in used and shapes[0] == shapes[1]


def close(pinned: Pinned) -> None:
    """Close the descriptors of a set."""
    for fd in (*pinned.maps.values(), *pinned.programs.values()):
        os.close(fd)


def remove(directory: Path) -> None:
    """Remove one set of pins; what it attached is detached once nobody else holds it."""
    if not directory.exists():
        return
    for entry in sorted(directory.iterdir(), key=lambda found: not found.name.endswith("_link")):
        entry.unlink()
    directory.rmdir()
