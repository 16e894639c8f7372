"""Starts containers, and keeps the list of them that tests compare with: ids of the driver's own making."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import grpc

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.cri import Pod
    from lab.node_lab import NodeLab

SHORT_LIFE: Final = ("/bin/sleep", "0.005")
_AT_ONCE: Final = 4


class Starter:
    """Starts containers by `ctr` and by CRI; on leaving the block, whatever is left of them is removed.

    `of_cri` are the ids that CRI gave, of sandboxes too.
    """

    def __init__(self, node: NodeLab, prefix: str) -> None:
        self._node = node
        self._prefix = prefix
        self._left: list[str] = []
        self._pods: list[Pod] = []
        self._made = 0
        self.of_cri: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._remove, self._left))
        for pod in self._pods:
            with suppress(grpc.RpcError):
                self._node.cri.remove_pod(pod)

    def names(self, count: int) -> list[str]:
        """Give so many ids that nobody has used."""
        self._made += count
        return [f"{self._prefix}-{number}" for number in range(self._made - count, self._made)]

    def short(self, count: int, *, command: Sequence[str] = SHORT_LIFE) -> list[str]:
        """Run containers by `ctr` to their ends, some at a time, each of which lives 5 ms; they are removed."""
        return self._each(count, lambda name: self._node.ctr.run_to_its_end(self._node.reference, name, *command))

    def long(self, count: int, *, options: Sequence[str] = ()) -> list[str]:
        """Start containers by `ctr` that go on."""

        def run(name: str) -> None:
            self._left.append(name)
            self._node.ctr.run(self._node.reference, name, options=options)

        return self._each(count, run)

    def exited(self, count: int) -> list[str]:
        """Start containers by `ctr` that end after 5 ms, and stay known with their task."""

        def run(name: str) -> None:
            self._left.append(name)
            self._node.ctr.run(self._node.reference, name, *SHORT_LIFE)
            wait_until(lambda: self._node.ctr.has_exited(name), f"{name} ends")

        return self._each(count, run)

    def exited_in_a_pod(self, count: int) -> list[str]:
        """Start containers in one pod that end after 5 ms, and stay known to CRI."""
        pod, cri = self.pod("short"), self._node.cri

        def run(name: str) -> str:
            container_id = cri.run_container(pod, name, self._node.reference, *SHORT_LIFE)
            self.of_cri.append(container_id)
            wait_until(lambda: cri.has_exited(container_id), f"{container_id} ends")
            return container_id

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(run, self.names(count)))

    def pod(self, name: str, **options: Any) -> Pod:
        """Run a pod's sandbox."""
        pod = self._node.cri.run_pod(f"{self._prefix}-{name}", **options)
        self._pods.append(pod)
        return pod

    def pods(self, count: int, containers: int) -> dict[str, tuple[Pod, str | None]]:
        """Run pods with so many containers each, some at a time; give each id its pod, and its name if it has one."""

        def run(number: int) -> dict[str, tuple[Pod, str | None]]:
            pod = self.pod(f"pod{number}")
            made: dict[str, tuple[Pod, str | None]] = {pod.sandbox_id: (pod, None)}
            for each in range(containers):
                made[self._node.cri.run_container(pod, f"c{each}", self._node.reference)] = (pod, f"c{each}")
            self.of_cri += made
            return made

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return {key: value for made in pool.map(run, range(count)) for key, value in made.items()}

    def _each(self, count: int, run: Any) -> list[str]:
        names = self.names(count)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(run, names))
        return names

    def _remove(self, name: str) -> None:
        for remove in (self._node.ctr.end, self._node.ctr.remove):
            with suppress(subprocess.CalledProcessError):
                remove(name)
