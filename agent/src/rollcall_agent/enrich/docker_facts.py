"""Makes facts out of what Docker's Engine API says of a container and of its image. Pure: answers in, facts out.

Labels are no word of Docker's: whoever wrote the image chose some of them. So a pod is believed only where the cgroup
lies in that pod, for a cgroup's parent is chosen by whoever started the container.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from rollcall.record import Container, DigestKind, Image, Pod, Resolution, Resources, Runtime
from rollcall.references import image_id, is_digest
from rollcall.text import bounded_labels
from rollcall.times import moment
from rollcall_agent.derive import ContainerCandidate, derive
from rollcall_agent.enrich.compose import checked, partly
from rollcall_agent.enrich.content import Chain
from rollcall_agent.enrich.docker_api import ContainerAnswer, HostConfig, ImageAnswer, ListEntry
from rollcall_agent.enrich.facts import Facts, Listed, State
from rollcall_agent.enrich.image import Known, reference_of, resolve
from rollcall_agent.enrich.limits import limits
from rollcall_agent.enrich.pods import claimed_pod

_STATES: Final = {
    "created": State.CREATED,
    "running": State.RUNNING,
    "paused": State.RUNNING,
    "restarting": State.EXITED,  # between two of its runs
    "removing": State.EXITED,
    "exited": State.EXITED,
    "dead": State.EXITED,
}

_INDEXES: Final = frozenset({
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
})  # fmt: skip
_MANIFESTS: Final = frozenset({
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
})  # fmt: skip

_PERIOD_US: Final = 100_000
_NANO_CPUS_PER_QUOTA_US: Final = 10_000
"""Docker turns billionths of a core into a quota of this period (daemon/daemon_unix.go, getCPUResources)."""

# Labels that the kubelet's dockershim set, and cri-dockerd, which it became, sets (core/docker_service.go).
_KIND: Final = "io.kubernetes.docker.type"
_SANDBOX_ID: Final = "io.kubernetes.sandbox.id"
_CONTAINER_NAME: Final = "io.kubernetes.container.name"
_NOT_THE_PODS: Final = ("io.kubernetes.", "annotation.")


def container_facts(
    candidate: ContainerCandidate,
    runtime: Runtime,
    answer: ContainerAnswer,
    image: Image,
    sandbox: ContainerAnswer | None,
) -> Facts:
    """Give the facts of a container; `sandbox` is its pod's, where `sandbox_id` named one and Docker knows it."""
    labels = labels_of(answer)
    bounded, truncated = bounded_labels(labels)
    place = replace(candidate, pod_uid=pod_uid(candidate, answer))
    pod = _pod(place, labels)
    is_sandbox = pod is not None and labels.get(_KIND) == "podsandbox"
    name = answer.name.removeprefix("/") or None
    if pod is not None:
        name = None if is_sandbox else labels.get(_CONTAINER_NAME) or name
        pod = _with_labels(pod, labels if is_sandbox else labels_of(sandbox) if sandbox is not None else {})
        pod = replace(pod, sandbox_id=answer.id if is_sandbox else labels.get(_SANDBOX_ID))
    state, started_ns, finished_ns = times(answer)
    facts = Facts(
        resolution=Resolution.RESOLVED,
        runtime=runtime,
        image=image,
        container=Container() if is_sandbox else Container(name=name, labels=bounded, labels_truncated=truncated),
        pod=replace(pod or Pod(), sandbox=is_sandbox),
        resources=_resources(answer.host_config),
        state=state,
        created_ns=nanoseconds(answer.created),
        started_ns=started_ns,
        finished_ns=finished_ns,
    )
    if pod is not None and not is_sandbox and sandbox is None:
        facts = partly(facts, "SandboxUnknown", "Docker does not know the container's sandbox, nor the pod's labels")
        contradicted = checked(replace(facts, resolution=Resolution.RESOLVED), place)
        return contradicted if contradicted.reason == "PodUIDMismatch" else facts
    return checked(facts, place)


def sandbox_id(candidate: ContainerCandidate, answer: ContainerAnswer) -> str | None:
    """Return the id of the sandbox whose pod a container belongs to; None for all that is in no pod, and for one."""
    labels = labels_of(answer)
    if pod_uid(candidate, answer) is None or claimed_pod(labels) is None or labels.get(_KIND) == "podsandbox":
        return None
    return labels.get(_SANDBOX_ID)


def pod_uid(candidate: ContainerCandidate, answer: ContainerAnswer) -> str | None:
    """Return the UID of the pod that the cgroup lies in: by its path, else by the parent that Docker was told."""
    if candidate.pod_uid is not None or not answer.host_config.cgroup_parent:
        return candidate.pod_uid
    leaf = f"docker-{answer.id}.scope".encode()
    parent = answer.host_config.cgroup_parent.encode("utf-8", "replace")
    found = derive(b"/" + parent.lstrip(b"/") + b"/" + leaf, leaf, path_cut=False)
    return found.pod_uid if isinstance(found, ContainerCandidate) else None


def image_of(answer: ContainerAnswer, image: ImageAnswer | None, *, image_store: bool) -> Image:
    """Conclude which image a container was made from; `image` is None where Docker has it no more.

    Where Docker keeps images itself, an image's id is the digest of its config. In containerd's image store it is that
    of its index or manifest; there Docker makes up a repository digest for every name an image has, and tells from 1.53
    on where it was pulled from.
    """
    known = Known(
        requested=answer.config.image or None,
        requested_source="docker.container",
        by_id=_asked_by_id(answer, image),
        identity=answer.image or None,
        identity_source="docker.container",
        repo_digests=tuple(image.repo_digests or ()) if image is not None else (),
        digests_source="docker.image",
        chains_source="docker.container",
        named_source="docker.image",
    )
    digest = image_id(answer.image)
    if not _in_store(answer, image, image_store=image_store) or digest is None:
        return resolve(known)
    chain = _chain(digest, answer, image)
    found = resolve(
        replace(
            known,
            identity=None,
            repo_digests=_pulled(known.repo_digests, image),
            chains={digest: chain},
            named=digest,
        )
    )
    return replace(found, id=answer.image)


def listed(runtime: Runtime, entry: ListEntry, answer: ContainerAnswer | None) -> Listed:
    """Give what a listing says of one container; `answer` is None where Docker could not be asked for its times."""
    state = _STATES.get(entry.state, State.UNKNOWN)
    created_ns = entry.created * 1_000_000_000 or None
    if answer is None:
        # Without its times an exited one can't be told from a later run of the same id.
        state = State.UNKNOWN if state is State.EXITED else state
        return Listed(container_id=entry.id, runtime=runtime, state=state, created_ns=created_ns)
    state, started_ns, finished_ns = times(answer)
    return Listed(
        container_id=entry.id,
        runtime=runtime,
        state=state,
        created_ns=nanoseconds(answer.created) or created_ns,
        started_ns=started_ns,
        finished_ns=finished_ns,
        pid=answer.state.pid or None,
    )


def times(answer: ContainerAnswer) -> tuple[State, int | None, int | None]:
    """Return the state of a container, when its last run began, and when that ended."""
    state = _STATES.get(answer.state.status, State.UNKNOWN)
    started_ns = nanoseconds(answer.state.started_at)
    if state is State.EXITED and started_ns is None:
        state = State.CREATED  # its start failed
    # A container that runs again still shows when it ended before.
    return state, started_ns, nanoseconds(answer.state.finished_at) if state is State.EXITED else None


def nanoseconds(text: str) -> int | None:
    """Read a time; None for Go's zero time, in the year 1, and for what is none."""
    with suppress(ValueError, OverflowError):
        return max(moment(text), 0) or None
    return None


def labels_of(answer: ContainerAnswer) -> Mapping[str, str]:
    """Return a container's labels, its image's among them."""
    return answer.config.labels or {}


def _pod(place: ContainerCandidate, labels: Mapping[str, str]) -> Pod | None:
    return claimed_pod(labels) if place.pod_uid is not None else None


def _with_labels(pod: Pod, labels: Mapping[str, str]) -> Pod:
    own = {key: value for key, value in labels.items() if not key.startswith(_NOT_THE_PODS)}
    bounded, truncated = bounded_labels(own)
    return replace(pod, labels=bounded, labels_truncated=truncated)


def _resources(host: HostConfig) -> Resources:
    quota_us, period_us = host.cpu_quota, host.cpu_period
    if host.nano_cpus > 0:
        quota_us, period_us = max(host.nano_cpus // _NANO_CPUS_PER_QUOTA_US, 1), _PERIOD_US
    return limits(host.memory, quota_us, period_us, {}, "docker.hostConfig")


def _asked_by_id(answer: ContainerAnswer, image: ImageAnswer | None) -> bool:
    """Say whether the image was asked for by the beginning of its id, which reads like a name on Docker Hub.

    Docker looks for a name first (daemon/images/image.go, GetImage): what is one of the image's own is its name.
    """
    asked, digest = answer.config.image, image_id(answer.image)
    if not asked or digest is None or not digest.partition(":")[2].startswith(asked.removeprefix("sha256:")):
        return False
    reference = reference_of(asked)
    tags = image.repo_tags or () if image is not None else ()
    return reference is None or reference not in [reference_of(tag) for tag in tags]


def _in_store(answer: ContainerAnswer, image: ImageAnswer | None, *, image_store: bool) -> bool:
    described = image is not None and image.descriptor is not None
    return image_store or described or answer.image_manifest_descriptor is not None


def _chain(digest: str, answer: ContainerAnswer, image: ImageAnswer | None) -> Chain:
    """Say what an id of the image store is the digest of, and which platform's manifest the container was made from."""
    media_type = image.descriptor.media_type if image is not None and image.descriptor is not None else ""
    told = answer.image_manifest_descriptor
    manifest = told.digest if told is not None and is_digest(told.digest) else None
    if media_type in _MANIFESTS or (not media_type and manifest == digest):
        return Chain(kind=DigestKind.MANIFEST, manifest=digest)
    if media_type in _INDEXES or (not media_type and manifest is not None):
        return Chain(kind=DigestKind.INDEX, manifest=manifest)
    return Chain(kind=DigestKind.REPOSITORY)


def _pulled(repo_digests: tuple[str, ...], image: ImageAnswer | None) -> tuple[str, ...]:
    """Keep the digests of repositories that the image was pulled from, where Docker says which these are."""
    if image is None or image.identity is None:
        return repo_digests
    pulls = [reference_of(pull.repository) for pull in image.identity.pull or ()]
    names = {pull.name for pull in pulls if pull is not None}
    references = {text: reference_of(text) for text in repo_digests}
    return tuple(text for text, found in references.items() if found is not None and found.name in names)
