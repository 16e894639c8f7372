"""Makes the facts of a container out of what its runtime said. Pure: what was asked comes in, facts go out."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rollcall.record import Container, Image, Pod, Resolution, Resources, Runtime
from rollcall.text import bounded_labels, utf8
from rollcall_agent.derive.candidate import ContainerCandidate
from rollcall_agent.enrich.facts import Facts, State
from rollcall_agent.enrich.image import reference_of
from rollcall_agent.enrich.limits import limits, limits_from_spec
from rollcall_agent.enrich.pods import claimed_pod, labels_of, same_uid
from rollcall_agent.enrich.proto import containerd_pb2, cri_pb2
from rollcall_agent.enrich.verbose import Verbose

STATES: Final = {
    cri_pb2.CONTAINER_CREATED: State.CREATED,
    cri_pb2.CONTAINER_RUNNING: State.RUNNING,
    cri_pb2.CONTAINER_EXITED: State.EXITED,
}


def container_facts(  # noqa: PLR0913 - each is another answer's part
    candidate: ContainerCandidate,
    runtime: Runtime,
    status: cri_pb2.ContainerStatus,
    *,
    verbose: Verbose,
    image: Image,
    pod: Pod | None,
) -> Facts:
    """Give the facts of a CRI container; `pod` is its sandbox's, None where the runtime does not know that one."""
    labels = labels_of(status.labels)
    bounded, truncated = bounded_labels(labels)
    named = pod or claimed_pod(labels) or Pod()
    facts = Facts(
        resolution=Resolution.RESOLVED,
        runtime=runtime,
        image=image,
        container=Container(
            name=utf8(status.metadata.name) or labels.get("io.kubernetes.container.name"),
            attempt=status.metadata.attempt,
            labels=bounded,
            labels_truncated=truncated,
        ),
        pod=replace(named, sandbox=False, sandbox_id=verbose.sandbox_id),
        resources=_resources(status, verbose),
        state=STATES.get(status.state, State.UNKNOWN),
        created_ns=status.created_at or None,
        started_ns=status.started_at or None,
        finished_ns=status.finished_at or None,
    )
    if pod is None:
        return partly(facts, "SandboxUnknown", "the runtime does not know the container's sandbox; its pod is a claim")
    return checked(facts, candidate)


def sandbox_facts(  # noqa: PLR0913 - each is another answer's part
    candidate: ContainerCandidate,
    runtime: Runtime,
    image: Image,
    pod: Pod,
    *,
    resources: Resources,
    state: State | None,
    created_ns: int | None,
) -> Facts:
    """Give the facts of a pod's sandbox, which has no container's name."""
    facts = Facts(
        resolution=Resolution.RESOLVED,
        runtime=runtime,
        image=image,
        pod=replace(pod, sandbox=True, sandbox_id=candidate.container_id),
        resources=resources,
        state=state,
        created_ns=created_ns,
    )
    return checked(facts, candidate)


def record_facts(
    candidate: ContainerCandidate, runtime: Runtime, record: containerd_pb2.ContainerRecord, image: Image
) -> Facts:
    """Give the facts of containerd's own container (`ctr`, nerdctl): its id is its name unless a label gives one."""
    labels = labels_of(record.labels)
    bounded, truncated = bounded_labels(labels)
    facts = Facts(
        resolution=Resolution.RESOLVED,
        runtime=runtime,
        image=image,
        container=Container(name=labels.get("nerdctl/name") or record.id, labels=bounded, labels_truncated=truncated),
        pod=Pod(sandbox=False),
        resources=record_resources(record),
        created_ns=record.created_at.ToNanoseconds() or None,
    )
    return checked(facts, candidate)


def unchecked_facts(runtime: Runtime, record: containerd_pb2.ContainerRecord, *, sandbox: bool) -> Facts:
    """Give what containerd's record alone says of a CRI container that CRI does not show."""
    labels = labels_of(record.labels)
    pod = claimed_pod(labels) or Pod()
    return Facts(
        resolution=Resolution.PARTIAL,
        reason="NotInCRI",
        message="containerd has a record of it, CRI does not show it",
        runtime=runtime,
        image=Image(requested=record.image or None, requested_source="containerd.container", reason="ImageUnknown"),
        container=Container(name=labels.get("io.kubernetes.container.name")),
        pod=replace(pod, sandbox=sandbox),
        resources=record_resources(record),
        created_ns=record.created_at.ToNanoseconds() or None,
    )


def partly(facts: Facts, reason: str, message: str) -> Facts:
    """Say that facts are not all there is, and why."""
    return replace(facts, resolution=Resolution.PARTIAL, reason=reason, message=message)


def unknown_image(verbose: Verbose) -> Image:
    """Give what is known of an image of which nobody could be asked."""
    return Image(
        requested=verbose.requested,
        requested_source=verbose.requested_source,
        reference=reference_of(verbose.requested),
        reason="ImageUnknown",
    )


class _Linux(Struct, rename="camel"):
    resources: object = None
    cgroups_path: object = None


class _Specification(Struct):
    linux: _Linux | None = None


def record_resources(record: containerd_pb2.ContainerRecord) -> Resources:
    """Give the limits in a record's OCI specification."""
    linux = _linux(record)
    return Resources() if linux is None else limits_from_spec(linux.resources, "containerd.spec")


def record_cgroups_path(record: containerd_pb2.ContainerRecord) -> str | None:
    """Give the `cgroupsPath` of a record's OCI specification."""
    linux = _linux(record)
    return linux.cgroups_path if linux is not None and isinstance(linux.cgroups_path, str) else None


def _linux(record: containerd_pb2.ContainerRecord) -> _Linux | None:
    """Read the OCI specification of a record: JSON in an Any, whatever its type says."""
    try:
        return msgspec.json.decode(record.spec.value, type=_Specification).linux
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _resources(status: cri_pb2.ContainerStatus, verbose: Verbose) -> Resources:
    """Take the limits of the status; runtimes from before CRI had them there have the OCI specification."""
    if status.resources.HasField("linux"):
        linux = status.resources.linux
        return limits(
            linux.memory_limit_in_bytes, linux.cpu_quota, linux.cpu_period, linux.unified, "cri.containerStatus"
        )
    return limits_from_spec(verbose.resources, "cri.info.runtimeSpec")


def checked(facts: Facts, candidate: ContainerCandidate) -> Facts:
    """Compare with what the kernel's path says, and say what is missing."""
    path_uid, uid = candidate.pod_uid, facts.pod.uid
    if path_uid is not None and uid is not None and not same_uid(path_uid, uid):
        return partly(facts, "PodUIDMismatch", f"the runtime says pod {uid[:64]}, the cgroup's path {path_uid}")
    if path_uid is not None and uid is None:
        message = f"the cgroup's path lies in pod {path_uid}, the runtime names none"
        return partly(replace(facts, pod=replace(facts.pod, uid=path_uid)), "PodUnknown", message)
    if facts.image.digest is None and not facts.image.digests:
        return partly(facts, "ImageUnknown", "no digest could be had of its image")
    return facts
