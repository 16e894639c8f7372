"""The calls of the Container Runtime Interface that are made here.

Both runtimes resolve a prefix of an id, so every answer must be about exactly the id that was asked for.
"""

from __future__ import annotations

from typing import Final

from rollcall_agent.enrich.channel import Channel, Failure
from rollcall_agent.enrich.proto import cri_pb2 as pb

_RUNTIME: Final = "/runtime.v1.RuntimeService/"
_IMAGE: Final = "/runtime.v1.ImageService/"


class Cri:
    """CRI over one channel. Every method raises CallError."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def version(self) -> pb.VersionResponse:
        """Return the runtime's name and version."""
        return await self._channel.call(f"{_RUNTIME}Version", pb.VersionRequest(), pb.VersionResponse)

    async def container_status(self, container_id: str) -> pb.ContainerStatusResponse:
        """Return the verbose status of a container; a sandbox's id is "not found"."""
        method = f"{_RUNTIME}ContainerStatus"
        request = pb.ContainerStatusRequest(container_id=container_id, verbose=True)
        response = await self._channel.call(method, request, pb.ContainerStatusResponse)
        self._same(method, container_id, response.status.id)
        return response

    async def sandbox_status(self, sandbox_id: str) -> pb.PodSandboxStatusResponse:
        """Return the verbose status of a sandbox."""
        method = f"{_RUNTIME}PodSandboxStatus"
        request = pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id, verbose=True)
        response = await self._channel.call(method, request, pb.PodSandboxStatusResponse)
        self._same(method, sandbox_id, response.status.id)
        return response

    async def image_status(self, image: str) -> pb.Image | None:
        """Return an image by its id or a reference; None where the runtime has none (CRI answers OK with no image)."""
        request = pb.ImageStatusRequest(image=pb.ImageSpec(image=image))
        response = await self._channel.call(f"{_IMAGE}ImageStatus", request, pb.ImageStatusResponse)
        return response.image if response.HasField("image") and response.image.id else None

    async def container(self, container_id: str) -> pb.Container | None:
        """Return the list's entry for one container; only there containerd before 2.3 tells its image id."""
        request = pb.ListContainersRequest(filter=pb.ContainerFilter(id=container_id))
        response = await self._channel.call(f"{_RUNTIME}ListContainers", request, pb.ListContainersResponse)
        return next((entry for entry in response.containers if entry.id == container_id), None)

    async def containers(self) -> list[pb.Container]:
        """Return all containers, exited ones too; never a sandbox."""
        response = await self._channel.call(
            f"{_RUNTIME}ListContainers", pb.ListContainersRequest(), pb.ListContainersResponse, listing=True
        )
        return list(response.containers)

    async def sandboxes(self) -> list[pb.PodSandbox]:
        """Return all sandboxes."""
        response = await self._channel.call(
            f"{_RUNTIME}ListPodSandbox", pb.ListPodSandboxRequest(), pb.ListPodSandboxResponse, listing=True
        )
        return list(response.items)

    def _same(self, method: str, asked: str, answered: str) -> None:
        if answered != asked:
            message = f"asked for {asked}, was told of {answered[:64]!r}"
            raise self._channel.refuse(method, message, Failure.WRONG_ID)
