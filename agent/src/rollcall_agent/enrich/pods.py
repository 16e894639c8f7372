"""Whose pod a sandbox is. A sandbox's name and labels are fixed when it is made, so what was read once is kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from rollcall.record import Pod
from rollcall.text import bounded_labels, utf8
from rollcall_agent.enrich.channel import CallError, Failure
from rollcall_agent.enrich.cri import Cri
from rollcall_agent.enrich.proto import containerd_pb2, cri_pb2

KIND: Final = "io.cri-containerd.kind"
"""Label by which containerd's CRI marks its records: `sandbox` or `container`."""

_EXTENSION: Final = "io.cri-containerd.sandbox.metadata"
_KEPT: Final = 1024


class _Metadata(Struct):
    name: str = ""
    uid: str = ""
    namespace: str = ""


class _Config(Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    labels: dict[str, str] = {}


class _Sandbox(Struct):
    config: _Config | None = msgspec.field(default=None, name="Config")


class _Versioned(Struct):
    metadata: _Sandbox | None = msgspec.field(default=None, name="Metadata")


class Pods:
    """The pods of one runtime's sandboxes."""

    def __init__(self, cri: Cri) -> None:
        self._cri = cri
        self._kept: OrderedDict[str, Pod] = OrderedDict()

    async def of_sandbox(self, sandbox_id: str) -> Pod | None:
        """Return the pod of a sandbox, None where the runtime does not know it (any more). Raises CallError."""
        if (kept := self._kept.get(sandbox_id)) is not None:
            self._kept.move_to_end(sandbox_id)
            return kept
        try:
            response = await self._cri.sandbox_status(sandbox_id)
        except CallError as error:
            if error.failure is Failure.NOT_FOUND:
                return None
            raise
        return self.of_status(response.status)

    def of_status(self, status: cri_pb2.PodSandboxStatus) -> Pod:
        """Read and keep the pod of a sandbox's status."""
        metadata = status.metadata
        pod = _pod(utf8(metadata.name), utf8(metadata.namespace), utf8(metadata.uid), labels_of(status.labels))
        return self._keep(status.id, pod)

    def of_record(self, record: containerd_pb2.ContainerRecord) -> Pod | None:
        """Read and keep the pod of a sandbox from containerd's record of it, which is there before CRI shows it.

        Returns None where the record does not have it, in a form that is known.
        """
        try:
            versioned = msgspec.json.decode(record.extensions[_EXTENSION].value, type=_Versioned)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        if versioned.metadata is None or versioned.metadata.config is None:
            return None
        config = versioned.metadata.config
        pod = _pod(config.metadata.name, config.metadata.namespace, config.metadata.uid, config.labels)
        return self._keep(record.id, pod) if pod.uid or pod.name else None

    def _keep(self, sandbox_id: str, pod: Pod) -> Pod:
        self._kept[sandbox_id] = pod
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return pod


def labels_of(labels: Iterable[cri_pb2.Label | containerd_pb2.Label]) -> dict[str, str]:
    """Decode labels from the wire."""
    return {utf8(label.key): utf8(label.value) for label in labels}


def claimed_pod(labels: Mapping[str, str]) -> Pod | None:
    """Return the pod that a container's labels claim (the kubelet sets them; whoever has the socket may too)."""
    name, uid = labels.get("io.kubernetes.pod.name"), labels.get("io.kubernetes.pod.uid")
    if not name and not uid:
        return None
    return Pod(name=name or None, namespace=labels.get("io.kubernetes.pod.namespace") or None, uid=uid or None)


def same_uid(one: str, other: str) -> bool:
    """Compare pod UIDs as paths and runtimes write them: with dashes or, a static pod's, without."""
    return one.replace("-", "").lower() == other.replace("-", "").lower()


def _pod(name: str, namespace: str, uid: str, labels: Mapping[str, str]) -> Pod:
    bounded, truncated = bounded_labels(labels)
    return Pod(
        name=name or None, namespace=namespace or None, uid=uid or None, labels=bounded, labels_truncated=truncated
    )
