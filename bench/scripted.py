"""A scripted CRI server in a process of its own: it is told of each container before that is made, and then shows it.

Its answers are as long as a usual pod's. Like a runtime whose kubelet cleans up, it forgets the oldest.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

from bench.feeds import POD_UID, notices
from lab.scripted_cri import Scripted, ScriptedCri, verbose
from rollcall_agent.enrich.proto import cri_pb2 as pb

_KEPT: Final = 500
_CONFIG_DIGEST: Final = f"sha256:{'c' * 64}"
_REFERENCE: Final = "registry.example/shop/front:1"
_SANDBOX: Final = "5" * 64
_LABELS: Final = {
    b"io.kubernetes.container.name": b"front",
    b"io.kubernetes.pod.name": b"shop",
    b"io.kubernetes.pod.namespace": b"default",
    b"io.kubernetes.pod.uid": POD_UID.encode(),
}
_MOUNT: Final = {"destination": "/var/run/secrets/kubernetes.io/x", "type": "bind", "options": ["rbind", "ro"]}
_INFO: Final = verbose(
    sandboxID=_SANDBOX,
    pid=0,
    config={"image": {"image": _CONFIG_DIGEST, "user_specified_image": _REFERENCE}},
    runtimeSpec={
        "process": {"env": [f"SERVICE_{number}_PORT=tcp://10.0.0.{number}:80" for number in range(60)]},
        "mounts": [_MOUNT] * 20,
        "linux": {"resources": {"memory": {"limit": 1 << 26}, "cpu": {"quota": 50_000, "period": 100_000}}},
        "annotations": {"io.kubernetes.cri.sandbox-id": _SANDBOX},
    },
)


class Runtime(ScriptedCri):
    """Shows the containers that it was told of last, all in one pod."""

    def _find(self, prefix: str, *, sandbox: bool) -> Scripted | None:
        if sandbox:
            return Scripted(id=_SANDBOX, sandbox=True, uid=POD_UID, labels=_LABELS) if prefix == _SANDBOX else None
        return self.containers.get(prefix)

    def tell(self, container_id: str) -> None:
        """Know one more container."""
        self.add(
            Scripted(id=container_id, image_id=_CONFIG_DIGEST, image_ref=_CONFIG_DIGEST, labels=_LABELS, info=_INFO)
        )
        if len(self.containers) > _KEPT:
            del self.containers[next(iter(self.containers))]


class _Notices(asyncio.DatagramProtocol):
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def datagram_received(self, data: bytes, _: object) -> None:
        self._runtime.tell(data.decode())


async def _serve(path: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    runtime = Runtime(path)
    runtime.images[_CONFIG_DIGEST] = pb.Image(
        id=_CONFIG_DIGEST,
        repo_tags=[_REFERENCE],
        repo_digests=[f"registry.example/shop/front@sha256:{'d' * 64}"],
    )
    async with runtime:
        await loop.create_datagram_endpoint(lambda: _Notices(runtime), local_addr=str(notices(path)), family=1)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
