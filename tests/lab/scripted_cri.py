"""A CRI server that says what a test tells it to, for rates and faults that no real runtime shows on demand."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import grpc
import grpc.aio
from google.protobuf.message import Message

from rollcall_agent.enrich.proto import cri_pb2 as pb

Context = grpc.aio.ServicerContext[bytes, bytes]


@dataclass
class Scripted:
    """A container, or with `sandbox` a sandbox. `info` is its verbose JSON, as it goes over the wire."""

    id: str
    name: str = "web"
    pod: str = "shop"
    uid: str = "8c0a7b8e-0000-4000-8000-000000000001"
    sandbox: bool = False
    sandbox_id: str = ""
    image_id: str = ""
    image_ref: str = ""
    labels: dict[bytes, bytes] = field(default_factory=dict)
    info: str = ""
    answers_as: str = ""
    """Id that its status claims to have, where that is another one."""


def verbose(**keys: object) -> str:
    """Write a verbose JSON of these keys."""
    return json.dumps(keys)


class ScriptedCri:
    """A server at a socket. Set its fields at any time; it counts `calls` by the last part of the method's name."""

    def __init__(self, path: Path, name: str = "cri-o") -> None:
        self.path = path
        self.name = name
        self.calls: Counter[str] = Counter()
        self.containers: dict[str, Scripted] = {}
        self.images: dict[str, pb.Image] = {}
        self.hung: set[str] = set()
        """Methods that never answer."""
        self.seconds = 0.0
        """Time that each answer takes."""
        self.raw: dict[str, bytes] = {}
        """Bytes that a method answers with, whatever was asked."""
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = grpc.aio.server(options=[("grpc.max_send_message_length", -1)])
        self._server.add_generic_rpc_handlers((_Handler(self.answer),))
        self._server.add_insecure_port(f"unix://{self.path}")
        await self._server.start()

    async def stop(self) -> None:
        """Go, and take the socket along."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None
        self.path.unlink(missing_ok=True)

    def add(self, *scripted: Scripted) -> None:
        self.containers.update({each.id: each for each in scripted})

    async def answer(self, method: str, data: bytes, context: Context) -> bytes:
        name = method.rpartition("/")[2]
        self.calls[name] += 1
        if name in self.hung:
            await asyncio.Event().wait()
        await asyncio.sleep(self.seconds)
        if (raw := self.raw.get(name)) is not None:
            return raw
        maker = getattr(self, f"_{name}", None) if method.startswith("/runtime.v1.") else None
        if maker is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"unknown method {method}")
        made: Message | None = maker(data)
        if made is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "not found")
        return made.SerializeToString()

    def _Version(self, _: bytes) -> Message:  # noqa: N802 - the interface's own names
        return pb.VersionResponse(version="0.1.0", runtime_name=self.name, runtime_version="1.2.3")

    def _ContainerStatus(self, data: bytes) -> Message | None:  # noqa: N802
        scripted = self._find(pb.ContainerStatusRequest.FromString(data).container_id, sandbox=False)
        if scripted is None:
            return None
        status = pb.ContainerStatus(
            id=scripted.answers_as or scripted.id,
            metadata=pb.ContainerMetadata(name=scripted.name.encode()),
            state=pb.CONTAINER_RUNNING,
            created_at=1,
            started_at=2,
            image_id=scripted.image_id,
            image_ref=scripted.image_ref,
            labels=_labels(scripted),
        )
        return pb.ContainerStatusResponse(status=status, info={"info": scripted.info} if scripted.info else {})

    def _PodSandboxStatus(self, data: bytes) -> Message | None:  # noqa: N802
        scripted = self._find(pb.PodSandboxStatusRequest.FromString(data).pod_sandbox_id, sandbox=True)
        if scripted is None:
            return None
        metadata = pb.PodSandboxMetadata(name=scripted.pod.encode(), namespace=b"default", uid=scripted.uid.encode())
        status = pb.PodSandboxStatus(
            id=scripted.answers_as or scripted.id, metadata=metadata, created_at=1, labels=_labels(scripted)
        )
        return pb.PodSandboxStatusResponse(status=status, info={"info": scripted.info} if scripted.info else {})

    def _ListContainers(self, data: bytes) -> Message:  # noqa: N802
        wanted = pb.ListContainersRequest.FromString(data).filter.id
        return pb.ListContainersResponse(
            containers=[
                pb.Container(id=each.id, image_ref=each.image_ref, image_id=each.image_id, state=pb.CONTAINER_RUNNING)
                for each in self.containers.values()
                if not each.sandbox and each.id.startswith(wanted)
            ]
        )

    def _ListPodSandbox(self, data: bytes) -> Message:  # noqa: N802
        wanted = pb.ListPodSandboxRequest.FromString(data).filter.id
        return pb.ListPodSandboxResponse(
            items=[
                pb.PodSandbox(id=each.id)
                for each in self.containers.values()
                if each.sandbox and each.id.startswith(wanted)
            ]
        )

    def _ImageStatus(self, data: bytes) -> Message:  # noqa: N802
        wanted = pb.ImageStatusRequest.FromString(data).image.image
        for image in self.images.values():
            if wanted in {image.id, *image.repo_tags, *image.repo_digests}:
                return pb.ImageStatusResponse(image=image)
        return pb.ImageStatusResponse()

    def _find(self, prefix: str, *, sandbox: bool) -> Scripted | None:
        """Find by id or by a prefix of it, as runtimes do."""
        found = (each for key, each in self.containers.items() if key.startswith(prefix) and each.sandbox == sandbox)
        return next(found, None)


class _Handler(grpc.GenericRpcHandler):
    """Hands every method's raw bytes to one function."""

    def __init__(self, answer: Callable[[str, bytes, Context], Awaitable[bytes]]) -> None:
        self._answer = answer

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        method = str(handler_call_details.method)

        async def handle(data: bytes, context: Context) -> bytes:
            return await self._answer(method, data, context)

        return grpc.unary_unary_rpc_method_handler(handle)


def _labels(scripted: Scripted) -> list[pb.Label]:
    return [pb.Label(key=key, value=value) for key, value in scripted.labels.items()]
