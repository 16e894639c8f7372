"""Containers behind CRI's back: `ctr`, containerd's own client, in a namespace of its own."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lab.containerd import Containerd


class Ctr:
    """`ctr` for one containerd and namespace, by default the scratch's own. Each call raises CalledProcessError."""

    def __init__(self, containerd: Containerd, namespace: str | None = None) -> None:
        self._containerd = containerd
        self.namespace = namespace or containerd.scratch.namespace

    def cgroup(self, container_id: str) -> str:
        """Where containerd puts a container that names no cgroup."""
        return f"/{self.namespace}/{container_id}"

    def import_archive(self, archive: Path) -> None:
        """Import an OCI archive under the names that stand in it."""
        self("images", "import", "--snapshotter", self._containerd.snapshotter, str(archive))

    def pull(self, reference: str) -> None:
        """Pull from a registry that answers by plain HTTP."""
        self("images", "pull", "--plain-http", "--snapshotter", self._containerd.snapshotter, reference)

    def run(self, reference: str, container_id: str, *command: str, options: Sequence[str] = ()) -> None:
        """Run a container in the background, by default as its image says."""
        self("run", "--detach", *self._how(container_id, options), reference, container_id, *command)

    def run_to_its_end(self, reference: str, container_id: str, *command: str, options: Sequence[str] = ()) -> None:
        """Run a container, wait for its end, and remove it."""
        self("run", "--rm", *self._how(container_id, options), reference, container_id, *command)

    def start_again(self, container_id: str) -> None:
        """Start a container that has ended: the same id, a new cgroup."""
        self("tasks", "start", "--detach", "--null-io", container_id)

    def end(self, container_id: str) -> None:
        """Kill a container and let go of its task; the container stays, so that it can be started again."""
        self("tasks", "delete", "--force", container_id)

    def has_exited(self, container_id: str) -> bool:
        """Say whether its task is there and has ended."""
        return any(line.split()[::2] == [container_id, "STOPPED"] for line in self("tasks", "ls").splitlines())

    def remove(self, container_id: str) -> None:
        """Forget a container that has ended."""
        self("containers", "delete", container_id)

    def __call__(self, *arguments: str) -> str:
        """Run `ctr` and return what it prints."""
        command = ["ctr", "--address", str(self._containerd.socket), "--namespace", self.namespace, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout

    def _how(self, container_id: str, options: Sequence[str]) -> list[str]:
        if self.namespace != self._containerd.scratch.namespace:
            self._containerd.scratch.own_cgroup(self.cgroup(container_id))
        runtime = ["--runc-root", str(self._containerd.runc_root), "--snapshotter", self._containerd.snapshotter]
        return [*runtime, "--null-io", *options]
