"""What is concluded from Docker's answers: recorded ones of API 1.41, and the shapes of the containerd image store."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rollcall.record import DigestKind, Limit, Resolution, Runtime
from rollcall_agent.derive.candidate import ContainerCandidate
from rollcall_agent.enrich.docker_api import ContainerAnswer, ImageAnswer, ListEntry
from rollcall_agent.enrich.docker_facts import container_facts, image_of, listed, nanoseconds, pod_uid, sandbox_id
from rollcall_agent.enrich.facts import Facts, State

ID, SANDBOX = "8fe13b5e3c04ee5dc55ddc9956ff0c5424eb630226e965d3f23c326ffb19f3e9", "5" * 64
CONFIG, INDEX, MANIFEST, OTHER = ("sha256:" + digit * 64 for digit in "c1f2")
UID = "8c0a7b8e-0000-4000-8000-000000000001"
RUNTIME = Runtime(name="docker", version="20.10.24+dfsg1")
OCI_INDEX, OCI_MANIFEST = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
SHOP = "registry.example/shop"


def answer(**changes: Any) -> ContainerAnswer:
    """A container as API 1.41 shows it while it runs; the fields that are not read are left out but for a few."""
    told: dict[str, Any] = {
        "Id": ID,
        "Created": "2026-11-24T12:08:36.765300852Z",
        "Path": "/bin/sleep",
        "State": {
            "Status": "running",
            "Running": True,
            "Pid": 8685,
            "StartedAt": "2026-11-24T12:08:37.410695666Z",
            "FinishedAt": "0001-01-01T00:00:00Z",
        },
        "Image": CONFIG,
        "Name": "/web",
        "RestartCount": 0,
        "HostConfig": {"Memory": 0, "NanoCpus": 0, "CpuQuota": 0, "CpuPeriod": 0, "CgroupParent": "", "Binds": None},
        "Config": {"Image": f"{SHOP}:1", "Labels": None, "Env": ["PATH=/bin"]},
    }
    for key, value in changes.items():
        told[key] = told[key] | value if isinstance(told.get(key), dict) else value
    return msgspec.convert(told, ContainerAnswer)


def image(**told: Any) -> ImageAnswer:
    return msgspec.convert({"Id": CONFIG, "RepoTags": [], "RepoDigests": None, **told}, ImageAnswer)


def facts(told: ContainerAnswer, path_uid: str | None = None, sandbox: ContainerAnswer | None = None) -> Facts:
    candidate = ContainerCandidate(container_id=ID, runtime="docker", pod_uid=path_uid)
    known = image_of(told, image(RepoDigests=[f"{SHOP}@{INDEX}"]), image_store=False)
    return container_facts(candidate, RUNTIME, told, known, sandbox)


def pod_labels(uid: str = UID, kind: str = "container") -> dict[str, str]:
    return {
        "annotation.io.kubernetes.container.hash": "1",
        "io.kubernetes.container.name": "POD" if kind == "podsandbox" else "front",
        "io.kubernetes.docker.type": kind,
        "io.kubernetes.pod.name": "web",
        "io.kubernetes.pod.namespace": "shop",
        "io.kubernetes.pod.uid": uid,
        "io.kubernetes.sandbox.id": SANDBOX,
    }


def of_a_pod(parent: str = f"/kubepods/besteffort/pod{UID}", **labels: str) -> ContainerAnswer:
    return answer(HostConfig={"CgroupParent": parent}, Config={"Labels": pod_labels(**labels)})


# -- images ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repo_digests", "digest", "reason"),
    [
        ([f"{SHOP}@{INDEX}"], INDEX, None),
        ([f"{SHOP}@{INDEX}", f"evil.example/shop@{OTHER}"], INDEX, None),
        ([f"{SHOP}@{INDEX}", f"{SHOP}@{MANIFEST}"], CONFIG, "AmbiguousDigest"),
        ([f"evil.example/shop@{OTHER}"], CONFIG, "NoRepositoryDigest"),
        ([f"{SHOP}-evil@{OTHER}"], CONFIG, "NoRepositoryDigest"),
        ([], CONFIG, "NoRepositoryDigest"),
        (None, CONFIG, "NoRepositoryDigest"),
    ],
)
def test_where_docker_keeps_images_itself(repo_digests: list[str] | None, digest: str, reason: str | None) -> None:
    found = image_of(answer(), image(RepoDigests=repo_digests), image_store=False)
    assert (found.digest, found.reason, found.id) == (digest, reason, CONFIG)
    assert [each.kind for each in found.digests if each.digest == CONFIG] == [DigestKind.CONFIG]
    assert {each.kind for each in found.digests if each.digest != CONFIG} <= {DigestKind.REPOSITORY}


def test_an_image_that_was_removed() -> None:
    found = image_of(answer(), None, image_store=False)
    assert (found.digest, found.reason) == (CONFIG, "NoRepositoryDigest")


@pytest.mark.parametrize(
    ("asked", "tags", "name"),
    [
        ("c" * 12, [], None),
        ("c" * 12, ["cccccccccccc:latest"], "docker.io/library/cccccccccccc"),
        ("c" * 12, ["cccccccccccc:2"], None),
        ("sha256:cccc", [], None),
        ("c" * 64, [], None),
        (CONFIG, [], None),
        ("cafe", [], "docker.io/library/cafe"),
    ],
)
def test_the_beginning_of_an_id_is_no_name(asked: str, tags: list[str], name: str | None) -> None:
    found = image_of(answer(Config={"Image": asked}), image(RepoTags=tags), image_store=False)
    assert found.requested == asked
    assert (found.reference and found.reference.name) == name
    assert found.digest == CONFIG


def stored(identity: str, media_type: str | None, repo_digests: list[str], **more: Any) -> ImageAnswer:
    descriptor = {"mediaType": media_type, "digest": identity, "size": 2290} if media_type else None
    return image(Id=identity, RepoDigests=repo_digests, Descriptor=descriptor, **more)


def test_the_image_store_names_index_and_manifest() -> None:
    told = answer(Image=INDEX, ImageManifestDescriptor={"mediaType": OCI_MANIFEST, "digest": MANIFEST, "size": 9})
    found = image_of(told, stored(INDEX, OCI_INDEX, [f"{SHOP}@{INDEX}"]), image_store=True)
    assert (found.digest, found.reason, found.id) == (INDEX, None, INDEX)
    assert [(each.digest, each.kind, each.repository, each.source) for each in found.digests] == [
        (INDEX, DigestKind.INDEX, SHOP, "docker.image"),
        (MANIFEST, DigestKind.MANIFEST, SHOP, "docker.container"),
    ]


def test_the_image_store_asked_for_by_its_platforms_manifest() -> None:
    told = answer(
        Image=INDEX,
        Config={"Image": f"{SHOP}@{MANIFEST}"},
        ImageManifestDescriptor={"mediaType": OCI_MANIFEST, "digest": MANIFEST},
    )
    assert image_of(told, stored(INDEX, OCI_INDEX, [f"{SHOP}@{INDEX}"]), image_store=True).digest == INDEX
    told.config.image = f"{SHOP}@{OTHER}"
    found = image_of(told, stored(INDEX, OCI_INDEX, [f"{SHOP}@{INDEX}"]), image_store=True)
    assert (found.digest, found.reason) == (None, "RequestedDigestNotFound")


@pytest.mark.parametrize(
    ("media_type", "manifest", "kind"),
    [
        (OCI_MANIFEST, None, DigestKind.MANIFEST),
        ("application/vnd.docker.distribution.manifest.v2+json", None, DigestKind.MANIFEST),
        ("application/vnd.docker.distribution.manifest.list.v2+json", None, DigestKind.INDEX),
        (None, INDEX, DigestKind.MANIFEST),
        (None, MANIFEST, DigestKind.INDEX),
        (None, "sha256:short", DigestKind.REPOSITORY),
        (None, None, DigestKind.REPOSITORY),
        ("text/html", MANIFEST, DigestKind.REPOSITORY),
    ],
)
def test_an_id_of_the_image_store_is_never_a_configs(
    media_type: str | None, manifest: str | None, kind: DigestKind
) -> None:
    told = answer(Image=INDEX, ImageManifestDescriptor={"digest": manifest} if manifest else None)
    found = image_of(told, stored(INDEX, media_type, []), image_store=True)
    assert {each.digest: each.kind for each in found.digests}[INDEX] is kind
    assert DigestKind.CONFIG not in {each.kind for each in found.digests}
    assert (found.digest, found.reason) == (None, "NoRepositoryDigest")


@pytest.mark.parametrize(
    ("identity", "digest"),
    [
        (None, INDEX),
        ({"Pull": [{"Repository": SHOP}]}, INDEX),
        ({"Pull": [{"Repository": "evil.example/shop"}]}, None),
        ({"Pull": None, "Build": [{"Ref": "x"}]}, None),
    ],
)
def test_what_was_built_here_was_not_pulled(identity: dict[str, Any] | None, digest: str | None) -> None:
    told = stored(INDEX, OCI_INDEX, [f"{SHOP}@{INDEX}"], Identity=identity)
    assert image_of(answer(Image=INDEX), told, image_store=True).digest == digest


# -- containers ------------------------------------------------------------------------------------------------------


def test_a_container_of_no_pod() -> None:
    found = facts(answer(Config={"Labels": {"com.docker.compose.service": "web"}}))
    assert (found.resolution, found.runtime, found.container.name) == (Resolution.RESOLVED, RUNTIME, "web")
    assert found.container.labels == {"com.docker.compose.service": "web"}
    assert (found.pod.sandbox, found.pod.name, found.pod.uid) == (False, None, None)
    assert (found.state, found.finished_ns) == (State.RUNNING, None)
    assert (found.created_ns, found.started_ns) == (1_795_522_116_765_300_000, 1_795_522_117_410_695_000)


@pytest.mark.parametrize(
    ("host", "memory", "cpu"),
    [
        ({}, Limit(unlimited=True), Limit(unlimited=True)),
        ({"Memory": 67_108_864}, Limit(limit=67_108_864), Limit(unlimited=True)),
        ({"NanoCpus": 1_500_000_000}, Limit(unlimited=True), Limit(limit=1500)),
        ({"NanoCpus": 1}, Limit(unlimited=True), Limit(limit=1)),
        ({"CpuQuota": 25_000}, Limit(unlimited=True), Limit(limit=250)),
        ({"CpuQuota": 25_000, "CpuPeriod": 50_000}, Limit(unlimited=True), Limit(limit=500)),
        ({"CpuQuota": -1, "Memory": -1}, Limit(unlimited=True), Limit(unlimited=True)),
    ],
)
def test_limits(host: dict[str, int], memory: Limit, cpu: Limit) -> None:
    found = facts(answer(HostConfig=host)).resources
    assert (found.memory, found.cpu, found.source) == (memory, cpu, "docker.hostConfig")


@pytest.mark.parametrize("parent", ["", "/docker", "x.slice", "/pod"])
def test_labels_alone_make_no_pod(parent: str) -> None:
    for kind in ("container", "podsandbox"):
        told = of_a_pod(parent, kind=kind)
        found = facts(told)
        assert (found.pod.name, found.pod.uid, found.pod.sandbox, found.container.name) == (None, None, False, "web")
        assert sandbox_id(ContainerCandidate(container_id=ID, runtime="docker"), told) is None


@pytest.mark.parametrize(
    "parent",
    [f"/kubepods/besteffort/pod{UID}", f"kubepods-besteffort-pod{UID.replace('-', '_')}.slice"],
)
def test_a_pod_is_believed_where_its_cgroup_lies(parent: str) -> None:
    told = of_a_pod(parent)
    assert pod_uid(ContainerCandidate(container_id=ID, runtime=""), told) == UID
    assert sandbox_id(ContainerCandidate(container_id=ID, runtime=""), told) == SANDBOX
    sandbox = answer(Id=SANDBOX, Config={"Labels": pod_labels(kind="podsandbox") | {"app": "shop"}})
    found = facts(told, sandbox=sandbox)
    assert found.resolution is Resolution.RESOLVED
    assert (found.pod.name, found.pod.namespace, found.pod.uid) == ("web", "shop", UID)
    assert (found.pod.labels, found.pod.sandbox, found.pod.sandbox_id) == ({"app": "shop"}, False, SANDBOX)
    assert found.container.name == "front"


def test_a_pods_sandbox() -> None:
    told = answer(
        HostConfig={"CgroupParent": f"/kubepods/pod{UID}"},
        Config={"Labels": pod_labels(kind="podsandbox") | {"app": "shop"}},
    )
    found = facts(told, UID)
    assert (found.pod.sandbox, found.pod.sandbox_id, found.pod.labels) == (True, ID, {"app": "shop"})
    assert (found.container.name, found.container.labels) == (None, {})


def test_a_pod_that_the_path_denies() -> None:
    found = facts(of_a_pod(uid="11111111-2222-4333-8444-555555555555"), UID)
    assert (found.resolution, found.reason) == (Resolution.PARTIAL, "PodUIDMismatch")


def test_a_pod_without_its_sandbox_has_no_labels_to_go_by() -> None:
    found = facts(of_a_pod(), UID)
    assert (found.resolution, found.reason, found.pod.uid) == (Resolution.PARTIAL, "SandboxUnknown", UID)


def test_a_path_in_a_pod_that_docker_knows_nothing_of() -> None:
    found = facts(answer(), UID)
    assert (found.resolution, found.reason, found.pod.uid) == (Resolution.PARTIAL, "PodUnknown", UID)


# -- listings --------------------------------------------------------------------------------------------------------

STARTED, FINISHED, ZERO = "2026-11-24T12:00:01Z", "2026-11-24T12:00:02Z", "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("status", "started", "finished", "state", "ended"),
    [
        ("created", ZERO, ZERO, State.CREATED, None),
        ("running", STARTED, ZERO, State.RUNNING, None),
        ("running", FINISHED, STARTED, State.RUNNING, None),
        ("paused", STARTED, ZERO, State.RUNNING, None),
        ("restarting", STARTED, FINISHED, State.EXITED, FINISHED),
        ("exited", STARTED, FINISHED, State.EXITED, FINISHED),
        ("dead", STARTED, FINISHED, State.EXITED, FINISHED),
        ("exited", ZERO, ZERO, State.CREATED, None),
        ("quantum", STARTED, FINISHED, State.UNKNOWN, None),
    ],
)
def test_states_and_times(status: str, started: str, finished: str, state: State, ended: str | None) -> None:
    told = answer(State={"Status": status, "StartedAt": started, "FinishedAt": finished})
    found = listed(RUNTIME, ListEntry(id=ID, state=status, created=1), told)
    assert (found.state, found.finished_ns) == (state, ended and nanoseconds(ended))
    assert found.started_ns == nanoseconds(started)


@pytest.mark.parametrize(("status", "state"), [("running", State.RUNNING), ("exited", State.UNKNOWN)])
def test_an_exited_one_without_times_proves_nothing(status: str, state: State) -> None:
    found = listed(RUNTIME, ListEntry(id=ID, state=status, created=5), None)
    assert (found.state, found.created_ns, found.started_ns) == (state, 5_000_000_000, None)


@pytest.mark.parametrize("text", [ZERO, "", "yesterday", "2026-11-24", "1969-12-31T23:59:59Z", "99999-01-01T00:00:00Z"])
def test_what_is_no_time(text: str) -> None:
    assert nanoseconds(text) is None
