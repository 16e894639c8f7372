"""The calls of containerd's own services that are made here; CRI-O answers each with Unimplemented."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from rollcall_agent.enrich.channel import Channel, Failure
from rollcall_agent.enrich.proto import containerd_pb2 as pb

KUBERNETES: Final = "k8s.io"
"""The namespace of CRI's containers."""
MOBY: Final = "moby"
"""The namespace of Docker's, which hold neither image nor name."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*")
"""containerd's rule for ids and namespaces (pkg/identifiers); what breaks it is no container of containerd."""
_LONGEST: Final = 76

_SERVICES: Final = "/containerd.services."
_SOURCE: Final = "containerd.io/distribution.source."


def is_identifier(text: str) -> bool:
    """Say whether containerd could have a container or a namespace of this name."""
    return len(text) <= _LONGEST and _IDENTIFIER.fullmatch(text) is not None


class Containerd:
    """containerd's services over one channel. Every method raises CallError."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def version(self) -> str:
        """Return containerd's version."""
        method = f"{_SERVICES}version.v1.Version/Version"
        return (await self._channel.call(method, None, pb.VersionResponse)).version

    async def namespaces(self) -> list[str]:
        """Return the names of all namespaces."""
        method = f"{_SERVICES}namespaces.v1.Namespaces/List"
        response = await self._channel.call(method, pb.ListNamespacesRequest(), pb.ListNamespacesResponse)
        return [entry.name for entry in response.namespaces]

    async def container(self, namespace: str, container_id: str) -> pb.ContainerRecord:
        """Return one container's record."""
        method = f"{_SERVICES}containers.v1.Containers/Get"
        request = pb.GetContainerRequest(id=container_id)
        response = await self._channel.call(method, request, pb.GetContainerResponse, namespace=namespace)
        if response.container.id != container_id:
            message = f"asked for {container_id}, was told of {response.container.id[:64]!r}"
            raise self._channel.refuse(method, message, Failure.WRONG_ID)
        return response.container

    async def containers(self, namespace: str, ids: Sequence[str] = ()) -> list[pb.ContainerRecord]:
        """Return the records of a namespace: all, or those of `ids` that it has (each must be an identifier)."""
        method = f"{_SERVICES}containers.v1.Containers/List"
        request = pb.ListContainerRecordsRequest(filters=[f'id=="{one}"' for one in ids])
        response = await self._channel.call(
            method, request, pb.ListContainerRecordsResponse, namespace=namespace, listing=True
        )
        return list(response.containers)

    async def tasks(self, namespace: str) -> list[pb.Task]:
        """Return the tasks of a namespace: what runs, or has run and was not deleted."""
        method = f"{_SERVICES}tasks.v1.Tasks/List"
        response = await self._channel.call(
            method, pb.ListTasksRequest(), pb.ListTasksResponse, namespace=namespace, listing=True
        )
        return list(response.tasks)

    async def image_target(self, namespace: str, name: str) -> str:
        """Return the digest of the index or manifest that an image's name points to."""
        method = f"{_SERVICES}images.v1.Images/Get"
        request = pb.GetImageRequest(name=name)
        return (await self._channel.call(method, request, pb.GetImageResponse, namespace=namespace)).image.target.digest

    async def pulled_from(self, namespace: str, digest: str) -> list[str]:
        """Return the repositories, `host/path` without a port, that a blob was pulled from, as containerd labels it."""
        method = f"{_SERVICES}content.v1.Content/Info"
        request = pb.ContentInfoRequest(digest=digest)
        response = await self._channel.call(method, request, pb.ContentInfoResponse, namespace=namespace)
        return [
            f"{key.removeprefix(_SOURCE)}/{path}"
            for key, paths in response.info.labels.items()
            if key.startswith(_SOURCE)
            for path in paths.split(",")
        ]

    async def read(self, namespace: str, digest: str, largest: int) -> bytes:
        """Return a blob's bytes, at most `largest` of them."""
        method = f"{_SERVICES}content.v1.Content/Read"
        request = pb.ReadContentRequest(digest=digest, size=0)
        data = bytearray()
        async for part in self._channel.stream(method, request, pb.ReadContentResponse, namespace=namespace):
            data += part.data
            if len(data) > largest:
                raise self._channel.refuse(method, f"{digest} is larger than {largest} bytes", Failure.OVERSIZED)
        return bytes(data)
