"""A private, real Docker daemon and its containerd: all that they make belongs to a scratch."""

from __future__ import annotations

import http.client
import io
import json
import signal
import socket
import tarfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lab.containerd import OUTSIDE, on_overlay, toml
from lab.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lab.images import Image
    from lab.scratch import Scratch

PROGRAMS = ("dockerd", "containerd", "containerd-shim-runc-v2", "runc", "docker-registry", "busybox")
KEY = Path("/etc/docker/key.json")
"""What dockerd 20.10 writes there, whatever folders it was given."""


class DockerError(Exception):
    """The daemon refused, with its words."""


class Docker:
    """A daemon that can be ended and started again; its containers go on meanwhile. Calls raise DockerError."""

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch
        self.socket = scratch.folder / "docker.sock"
        self.containerd_socket = scratch.folder / "containerd.sock"
        self.cgroup_parent = f"{scratch.cgroup_root}/docker"
        folder = scratch.folder
        config = folder / "daemon.json"
        config.write_text(
            json.dumps(
                {
                    "hosts": [f"unix://{self.socket}"],
                    "data-root": f"{folder}/data",
                    "exec-root": f"{folder}/exec",
                    "containerd": str(self.containerd_socket),
                    "pidfile": f"{folder}/docker.pid",
                    "cgroup-parent": self.cgroup_parent,
                    "exec-opts": ["native.cgroupdriver=cgroupfs"],
                    "storage-driver": "vfs" if on_overlay(folder) else "overlay2",
                    "iptables": False,
                    "ip6tables": False,
                    "bridge": "none",
                    "live-restore": True,
                    "log-level": "warn",
                }
            )
        )
        # A lower score needs CAP_SYS_RESOURCE.
        command = ["dockerd", "--config-file", str(config), "--oom-score-adjust", "0"]
        self._program = Program(command, folder / "dockerd.log")
        # Started here and not by dockerd: who kills that one by SIGKILL would end both.
        settings: dict[str, dict[str, object]] = {
            "": {
                "version": 2,
                "root": f"{folder}/root",
                "state": f"{folder}/state",
                "temp": f"{folder}/temp",
                "oom_score": 0,
                "disabled_plugins": ["io.containerd.grpc.v1.cri"],
            },
            "grpc": {"address": str(self.containerd_socket)},
            'plugins."io.containerd.internal.v1.opt"': {"path": f"{folder}/opt"},
        }
        (folder / "containerd.toml").write_text(toml(settings))
        containerd = ["containerd", "--config", str(folder / "containerd.toml")]
        self._containerd = Program(containerd, folder / "containerd.log")

    @property
    def endpoint(self) -> str:
        """The socket, as `--runtime-endpoint` takes it."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start and return once it answers."""
        self._program.start(self.answers)

    def start_containerd(self) -> None:
        """Start the containerd that it drives; to be done once, before it."""
        self._containerd.start(self.containerd_socket.is_socket)

    def end(self) -> None:
        """End both, whatever state they are in."""
        for program in (self._program, self._containerd):
            program.end(signal.SIGKILL)

    def kill(self) -> None:
        """End it by SIGKILL: the socket stays, and nobody listens."""
        self._program.end(signal.SIGKILL)

    def terminate(self) -> None:
        """End it as a service manager would: it takes its socket along."""
        self._program.end(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it hang: the socket accepts, nobody answers."""
        self._program.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._program.send(signal.SIGCONT)

    def answers(self) -> bool:
        try:
            self._ask("GET", "/_ping")
        except (OSError, http.client.HTTPException):
            return False
        return True

    # -- images ------------------------------------------------------------------------------------------------------

    def load(self, image: Image, *names: str) -> None:
        """Load an image from an archive as `docker save` writes it: no repository digest comes with it."""
        self._ask("POST", "/images/load", data=_archive(image, names))

    def pull(self, reference: str) -> None:
        """Pull from a registry on this machine, by plain HTTP."""
        self._ask("POST", f"/images/create?fromImage={quote(reference, safe='')}")

    def tag(self, reference: str, repository: str, tag: str) -> None:
        """Give an image another name, or a name to another image."""
        self._ask("POST", f"/images/{quote(reference, safe='')}/tag?repo={quote(repository, safe='')}&tag={tag}")

    def remove_image(self, reference: str) -> None:
        """Remove an image's name, and the image with its last one, whether or not a container was made from it."""
        self._ask("DELETE", f"/images/{quote(reference, safe='')}?force=1")

    # -- containers --------------------------------------------------------------------------------------------------

    def create(
        self,
        reference: str,
        *command: str,
        name: str = "",
        labels: dict[str, str] | None = None,
        **host: object,
    ) -> str:
        """Make a container; `host` are keys of the API's HostConfig. Return its id."""
        body: dict[str, object] = {
            "Image": reference,
            "Labels": labels or {},
            "HostConfig": {"NetworkMode": "none", **host},
        }
        if command:
            body["Cmd"] = command
        answer = self._ask("POST", f"/containers/create?name={name}", body=body)
        return str(json.loads(answer)["Id"])

    def run(self, reference: str, *command: str, **options: Any) -> str:
        """Make and start a container; return its id."""
        container_id = self.create(reference, *command, **options)
        self.start_container(container_id)
        return container_id

    def run_short(self, reference: str) -> str:
        """Run a container that lives 5 ms and is removed by the daemon, as by `--rm`; return its id once it is gone."""
        # A network of its own costs as much as all the rest.
        container_id = self.create(reference, "/bin/sleep", "0.005", AutoRemove=True, NetworkMode="host")
        connection = self._connection()
        try:
            # Asked before the start, as the docker command does: afterwards it may be gone.
            connection.request("POST", f"/containers/{container_id}/wait?condition=removed")
            answer = connection.getresponse()
            self.start_container(container_id)
            answer.read()
        finally:
            connection.close()
        return container_id

    def start_container(self, container_id: str) -> None:
        self._ask("POST", f"/containers/{container_id}/start")

    def restart(self, container_id: str) -> None:
        """Stop and start again: the same id, a new cgroup."""
        self._ask("POST", f"/containers/{container_id}/restart?t=0")

    def stop(self, container_id: str) -> None:
        self._ask("POST", f"/containers/{container_id}/stop?t=0")

    def remove(self, container_id: str) -> None:
        """Kill and forget a container."""
        self._ask("DELETE", f"/containers/{container_id}?force=1")

    def remove_all(self) -> None:
        """Kill and forget every container."""
        for entry in json.loads(self._ask("GET", "/containers/json?all=1")):
            self.remove(entry["Id"])

    def inspect(self, container_id: str) -> dict[str, Any]:
        return dict(json.loads(self._ask("GET", f"/containers/{container_id}/json")))

    # -- HTTP --------------------------------------------------------------------------------------------------------

    def _connection(self) -> http.client.HTTPConnection:
        return _UnixConnection(self.socket)

    def _ask(self, method: str, target: str, body: object = None, data: bytes | None = None) -> bytes:
        headers = {}
        if data is not None:
            headers = {"Content-Type": "application/x-tar"}
        elif body is not None:
            data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        connection = self._connection()
        try:
            connection.request(method, target, data, headers)
            answer = connection.getresponse()
            read = answer.read()
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST or b'"errorDetail"' in read:
            raise DockerError(f"{method} {target}: {answer.status} {read.decode(errors='replace')[-300:]}")
        return read


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=120)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.sock.close()
            raise


def _archive(image: Image, names: Sequence[str]) -> bytes:
    """Write an archive as `docker save` does: 20.10 reads no other."""
    config, layer = image.blobs
    listing = [{"Config": "config.json", "RepoTags": list(names), "Layers": ["layer.tar"]}]
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in (
            ("manifest.json", json.dumps(listing).encode()),
            ("config.json", config.data),
            ("layer.tar", layer.data),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


@contextmanager
def docker(scratch: Scratch) -> Iterator[Docker]:
    """Run a daemon during the block. Containers end with the scratch."""
    for folder in (*OUTSIDE, Path("/run/docker/plugins"), Path("/run/docker")):
        scratch.own_folder(folder)
    had_a_key = KEY.exists()
    made = Docker(scratch)
    try:
        made.start_containerd()
        made.start()
        yield made
    finally:
        made.end()
        if not had_a_key:
            KEY.unlink(missing_ok=True)
