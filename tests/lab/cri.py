"""A kubelet's half of CRI, as far as tests need it: pods and containers are made, started, stopped, removed."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeVar

import grpc

from lab import lab_cri_pb2 as proto

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

EXITED = 2
M = TypeVar("M", bound="Message")


@dataclass(frozen=True)
class Pod:
    """A pod that runs: what the kubelet would know of it. `sandbox_id` is its sandbox's container id."""

    name: str
    namespace: str
    uid: str
    sandbox_id: str
    config: proto.PodSandboxConfig = field(repr=False)


class Cri:
    """A client of one runtime's socket (`unix://…`). Each call raises grpc.RpcError."""

    def __init__(self, endpoint: str, *, cgroup_root: str = "") -> None:
        self._cgroup_root = cgroup_root
        self._channel = grpc.insecure_channel(endpoint, options=[("grpc.max_reconnect_backoff_ms", 100)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def ready(self) -> bool:
        """Say whether the runtime answers and can make pods that use the node's network."""
        try:
            answer = self._call("RuntimeService/Status", proto.Empty(), proto.StatusResponse, seconds=5)
        except grpc.RpcError:
            return False
        return any(condition.type == "RuntimeReady" and condition.status for condition in answer.status.conditions)

    def pull(self, reference: str) -> str:
        """Pull an image; return the runtime's id of it."""
        request = proto.PullImageRequest(image=proto.ImageSpec(image=reference))
        return self._call("ImageService/PullImage", request, proto.PullImageResponse).image_ref

    def remove_image(self, reference: str) -> None:
        self._call("ImageService/RemoveImage", proto.ImageRequest(image=proto.ImageSpec(image=reference)), proto.Empty)

    def run_pod(
        self,
        name: str,
        *,
        namespace: str = "default",
        uid: str | None = None,
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        qos: str = "besteffort",
    ) -> Pod:
        """Run a sandbox where and as a kubelet with the cgroupfs driver would."""
        uid = uid or str(uuid.uuid4())
        parent = f"{self._cgroup_root}/kubepods/{qos}/pod{uid}"
        own = {"io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": namespace, "io.kubernetes.pod.uid": uid}
        config = proto.PodSandboxConfig(
            metadata=proto.PodSandboxMetadata(name=name, uid=uid, namespace=namespace),
            labels=own | (labels or {}),
            annotations=annotations or {},
            linux=proto.LinuxPodSandboxConfig(
                cgroup_parent=parent,
                security_context=proto.LinuxSandboxSecurityContext(namespace_options=_ON_THE_NODE),
            ),
        )
        request = proto.RunPodSandboxRequest(config=config)
        sandbox_id = self._call("RuntimeService/RunPodSandbox", request, proto.RunPodSandboxResponse).pod_sandbox_id
        return Pod(name, namespace, uid, sandbox_id, config)

    def create_container(
        self,
        pod: Pod,
        name: str,
        image: str,
        *command: str,
        attempt: int = 0,
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        memory_limit: int = 0,
        cpu_quota: int = 0,
    ) -> str:
        """Make a container, by default to run as its image says; return its id. Limits: bytes, us in each 100 ms."""
        own = dict(pod.config.labels) | {"io.kubernetes.container.name": name}
        resources = proto.LinuxContainerResources(memory_limit_in_bytes=memory_limit)
        if cpu_quota:
            resources.cpu_period, resources.cpu_quota = 100_000, cpu_quota
        config = proto.ContainerConfig(
            metadata=proto.ContainerMetadata(name=name, attempt=attempt),
            image=proto.ImageSpec(image=image),
            command=command,
            labels=own | (labels or {}),
            annotations=annotations or {},
            linux=proto.LinuxContainerConfig(
                resources=resources,
                security_context=proto.LinuxContainerSecurityContext(namespace_options=_ON_THE_NODE),
            ),
        )
        request = proto.CreateContainerRequest(pod_sandbox_id=pod.sandbox_id, config=config, sandbox_config=pod.config)
        return self._call("RuntimeService/CreateContainer", request, proto.CreateContainerResponse).container_id

    def start_container(self, container_id: str) -> None:
        self._container("StartContainer", container_id)

    def run_container(self, pod: Pod, name: str, image: str, *command: str, attempt: int = 0) -> str:
        """Make a container and start it; return its id."""
        container_id = self.create_container(pod, name, image, *command, attempt=attempt)
        self.start_container(container_id)
        return container_id

    def has_exited(self, container_id: str) -> bool:
        request = proto.ContainerRequest(container_id=container_id)
        answer = self._call("RuntimeService/ContainerStatus", request, proto.ContainerStatusResponse)
        return answer.status.state == EXITED

    def stop_container(self, container_id: str) -> None:
        """Kill it; return once it has ended."""
        self._container("StopContainer", container_id)

    def remove_container(self, container_id: str) -> None:
        self._container("RemoveContainer", container_id)

    def remove_pod(self, pod: Pod) -> None:
        """End a pod with all its containers, and forget it."""
        for method in ("StopPodSandbox", "RemovePodSandbox"):
            request = proto.PodSandboxRequest(pod_sandbox_id=pod.sandbox_id)
            self._call(f"RuntimeService/{method}", request, proto.Empty)

    def _container(self, method: str, container_id: str) -> None:
        self._call(f"RuntimeService/{method}", proto.ContainerRequest(container_id=container_id), proto.Empty)

    def _call(self, method: str, request: Message, answer: type[M], *, seconds: float = 120) -> M:
        call: Callable[..., M] = self._channel.unary_unary(
            f"/runtime.v1.{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return call(request, timeout=seconds)


_ON_THE_NODE = proto.NamespaceOption(network=proto.NODE, pid=proto.CONTAINER, ipc=proto.POD)
