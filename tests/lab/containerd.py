"""A private, real containerd: its root, state, socket and cgroups are a scratch's, and nobody else's are touched."""

from __future__ import annotations

import json
import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cri import Cri
from lab.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lab.scratch import Scratch

CRI = "io.containerd.grpc.v1.cri"
OUTSIDE = [Path("/run/containerd") / name for name in ("s", "fifo", "runc/k8s.io", "runc", "")]
"""Folders that containerd 1.6 and its shims make below /run/containerd, whatever state folder they were given."""


class Containerd:
    """A containerd that can be killed, frozen and started again; its containers live until the scratch is cleaned."""

    def __init__(self, scratch: Scratch, *, pause: str, registries: Sequence[str]) -> None:
        self.scratch = scratch
        self.pause = pause
        self.socket = scratch.folder / "containerd.sock"
        self.runc_root = scratch.folder / "runc"
        # Overlayfs, but not above itself: the kernel refuses an upper folder that lies on an overlay.
        self.snapshotter = "native" if on_overlay(scratch.folder) else "overlayfs"
        self._config = scratch.folder / "containerd.toml"
        self._config.write_text(toml(self._settings()))
        for registry in registries:
            hosts = scratch.folder / "certs.d" / registry / "hosts.toml"
            hosts.parent.mkdir(parents=True)
            hosts.write_text(toml({f'host."http://{registry}"': {"capabilities": ["pull", "resolve"]}}))
        self._program = Program(["containerd", "--config", str(self._config)], scratch.folder / "containerd.log")

    @property
    def endpoint(self) -> str:
        """The socket, as `--runtime-endpoint` takes it."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        return self._program.pid

    def start(self) -> None:
        """Start and return once CRI says that the runtime is ready."""
        with Cri(self.endpoint) as cri:
            self._program.start(cri.ready)

    def kill(self) -> None:
        """End it by SIGKILL: shims and containers go on."""
        self._program.end(signal.SIGKILL)

    def terminate(self) -> None:
        """End it as a service manager would: shims and containers go on."""
        self._program.end(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it hang: the socket accepts, nobody answers."""
        self._program.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._program.send(signal.SIGCONT)

    def _settings(self) -> dict[str, dict[str, object]]:
        folder = self.scratch.folder
        plugin = f'plugins."{CRI}"'
        return {
            "": {
                "version": 2,
                "root": f"{folder}/root",
                "state": f"{folder}/state",
                "temp": f"{folder}/temp",
                "oom_score": 0,  # a lower one needs CAP_SYS_RESOURCE
                "disabled_plugins": [
                    f"io.containerd.snapshotter.v1.{name}" for name in ("aufs", "btrfs", "devmapper", "zfs")
                ],
            },
            "grpc": {"address": str(self.socket)},
            'plugins."io.containerd.internal.v1.opt"': {"path": f"{folder}/opt"},
            plugin: {
                "sandbox_image": self.pause,
                # Without CAP_SYS_RESOURCE runc can't lower the score, and fails with "can't get final child's PID".
                "restrict_oom_score_adj": True,
                "disable_apparmor": True,
                "stream_server_port": "0",
            },
            f"{plugin}.containerd": {"snapshotter": self.snapshotter, "default_runtime_name": "runc"},
            f"{plugin}.containerd.runtimes.runc": {"runtime_type": "io.containerd.runc.v2"},
            f"{plugin}.containerd.runtimes.runc.options": {"Root": str(self.runc_root)},
            f"{plugin}.cni": {"bin_dir": f"{folder}/cni/bin", "conf_dir": f"{folder}/cni/conf"},
            f"{plugin}.registry": {"config_path": f"{folder}/certs.d"},
        }


def toml(tables: dict[str, dict[str, object]]) -> str:
    """TOML of strings, numbers, booleans and lists, which it writes as JSON does."""
    lines = []
    for table, settings in tables.items():
        lines += [f"[{table}]"] if table else []
        lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    return "\n".join(lines) + "\n"


def on_overlay(folder: Path) -> bool:
    """Say whether a folder lies on an overlay."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()]
    kinds = {words[words.index("-") + 1] for words in mounts if words[2] == number}
    return "overlay" in kinds


@contextmanager
def containerd(scratch: Scratch, *, pause: str, registries: Sequence[str] = ()) -> Iterator[Containerd]:
    """Run a containerd during the block; `pause` is the sandboxes' image. Containers end with the scratch."""
    for folder in OUTSIDE:
        scratch.own_folder(folder)
    made = Containerd(scratch, pause=pause, registries=registries)
    try:
        made.start()
        yield made
    finally:
        made.kill()
