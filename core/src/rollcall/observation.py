"""What judging, counting and violations look at: one start, taken from its record, with what is unknown said to be so.

Labels of namespace and node are no part of a record: whoever has them passes them in, and None means that nobody has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from rollcall.record import ContainerCreate, DigestKind, Image, ImageDigest, Reference, Resolution, Resources
from rollcall.references import InvalidReferenceError, parse
from rollcall.workload import workload

_CLAIMED: Final = frozenset({"NotInCRI", "SandboxUnknown", "PodUnknown", "PodUIDMismatch"})
"""Reasons of records whose pod is nobody's word but that of the container's maker."""

_POD_IN_PATH: Final = re.compile(r"kubepods|(?:^|[/-])pod[0-9a-f]{8}[0-9a-f_-]")


class Observation(Struct, frozen=True, kw_only=True):
    """One start, as the judge sees it.

    `outside` is true for a container outside Kubernetes, None where that can't be told. `pod_confirmed` says whether a
    runtime stands for namespace, pod and labels; without it they are claims, good to be shown and for nothing else.
    `labels` of the pod, namespace and node are None where they are unknown, `pod_labels_truncated` where some are
    missing. `reference` is the requested one, normalised; None where no name was told or a bare image id was asked for.
    `digests` are what the runtime reports, never what was asked for; `repository_digest` is the one of them that the
    request resolved to, where that is certain, and `config` that of the image's config. `workload` is `kind/name`.
    """

    identity: str
    container_id: str
    outside: bool | None
    pod_confirmed: bool = True
    namespace: str | None = None
    namespace_labels: Mapping[str, str] | None = None
    pod_name: str | None = None
    pod_uid: str | None = None
    pod_labels: Mapping[str, str] | None = None
    pod_labels_truncated: bool = False
    node: str
    node_labels: Mapping[str, str] | None = None
    sandbox: bool | None = None
    container: str | None = None
    workload: str = ""
    requested: str | None = None
    reference: Reference | None = None
    digests: frozenset[ImageDigest] = frozenset()
    repository_digest: str | None = None
    config: str | None = None
    image_id: str | None = None
    image_reason: str | None = None
    resources: Resources = Resources()
    resolution: Resolution = Resolution.RESOLVED
    reason: str | None = None
    ctime: str | None = None
    supersedes: str | None = None


def observe(
    record: ContainerCreate,
    *,
    namespace_labels: Mapping[str, str] | None = None,
    node_labels: Mapping[str, str] | None = None,
) -> Observation:
    """Take from a record what is judged and counted."""
    pod, image = record.pod, record.image
    confirmed = _confirmed(record)
    outside = _outside(record)
    reference = _normal(image)
    digests = _sound(image, reference)
    return Observation(
        identity=record.identity,
        container_id=record.container_id,
        outside=outside,
        pod_confirmed=confirmed,
        namespace=pod.namespace,
        namespace_labels=namespace_labels,
        pod_name=pod.name,
        pod_uid=pod.uid,
        pod_labels=pod.labels if confirmed and not outside else None,
        pod_labels_truncated=pod.labels_truncated,
        node=record.node.name,
        node_labels=node_labels,
        sandbox=pod.sandbox,
        container=record.container.name,
        workload=str(workload(record)),
        requested=image.requested,
        reference=reference,
        digests=digests,
        repository_digest=image.digest if image.reason is None else None,
        config=next((each.digest for each in image.digests if each.kind is DigestKind.CONFIG), None),
        image_id=image.id,
        image_reason=image.reason,
        resources=record.resources,
        resolution=record.resolution,
        reason=record.reason,
        ctime=record.ctime,
        supersedes=record.supersedes,
    )


def _confirmed(record: ContainerCreate) -> bool:
    return record.resolution in {Resolution.RESOLVED, Resolution.PARTIAL} and record.reason not in _CLAIMED


def _outside(record: ContainerCreate) -> bool | None:
    """Say whether a container is outside Kubernetes: by its runtime's word, else by where the kubelet would put it."""
    pod = record.pod
    named = pod.name is not None or pod.namespace is not None
    if _confirmed(record):
        return not named and pod.uid is None
    path = record.cgroup.path
    by_path = path is not None and _POD_IN_PATH.search(path) is not None
    if record.resolution is not Resolution.PARTIAL:
        by_path = by_path or pod.uid is not None  # no runtime answered, so that the path alone can have named it
    if by_path:
        # A runtime that knows the container and names no pod contradicts the path, which anybody with root may choose.
        return None if record.reason == "PodUnknown" else False
    if named or path is None or record.cgroup.path_truncated:
        return None
    return True


def _normal(image: Image) -> Reference | None:
    """Normalise once more: a record may come from a file, and only one spelling is ever compared."""
    if image.reference is None:
        return None
    try:
        return parse(str(image.reference))
    except InvalidReferenceError:
        return None


def _sound(image: Image, reference: Reference | None) -> frozenset[ImageDigest]:
    """Leave out the digests of the requested repository where they lead to another image than the one that runs."""
    if image.reason != "ConfigMismatch" or reference is None:
        return frozenset(image.digests)
    return frozenset(each for each in image.digests if each.repository != reference.name)
