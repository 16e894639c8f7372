"""Cgroups of any name, made by mkdir in the hierarchy that is followed, below a scratch's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rollcall_agent.collect.hierarchy import followed_here

if TYPE_CHECKING:
    from lab.scratch import Scratch


@dataclass(frozen=True)
class Made:
    """A cgroup: its path in its hierarchy, and its id."""

    path: bytes
    cgroup_id: int


class Tree:
    """Makes cgroups that hold no process; they go with the scratch, or one by one."""

    def __init__(self, scratch: Scratch) -> None:
        self._mount = followed_here().mount
        self.root = os.fsencode(scratch.cgroup_root)

    def make(self, path: bytes) -> Made:
        """Make a cgroup, and parents that are missing. `path` is below the root; any byte but NUL and newline goes."""
        whole = self.root + b"/" + path.strip(b"/")
        self._directory(whole).mkdir(parents=True, exist_ok=True)
        return Made(whole, self._directory(whole).stat().st_ino)

    def remove(self, made: Made) -> None:
        self._directory(made.path).rmdir()

    def _directory(self, path: bytes) -> Path:
        return self._mount / os.fsdecode(path.lstrip(b"/"))
