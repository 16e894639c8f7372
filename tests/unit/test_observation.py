"""What an observation takes from a record: above all, what it takes for known."""

from __future__ import annotations

from typing import Any

import pytest

from rollcall.observation import Observation, observe
from rollcall.record import (
    Cgroup,
    Container,
    ContainerCreate,
    DigestKind,
    Image,
    ImageDigest,
    Limit,
    Node,
    Pod,
    Reference,
    Resolution,
    Resources,
)

A, B, CONFIG = ("sha256:" + digit * 64 for digit in "abf")
UID = "0c1d2e3f-4a5b-6c7d-8e9f-0a1b2c3d4e5f"
SYSTEMD = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice/cri-x.scope"
CGROUPFS = f"/kubepods/besteffort/pod{UID}/{'c' * 64}"
DOCKER = f"/system.slice/docker-{'c' * 64}.scope"
POD = Pod(name="cart-1", namespace="shop", uid=UID, labels={"app": "cart"}, sandbox=False)


def observed(**fields: Any) -> Observation:
    defaults: dict[str, Any] = {
        "identity": "i",
        "container_id": "c",
        "node": Node(name="n", boot_id="b"),
        "resolution": Resolution.RESOLVED,
    }
    return observe(ContainerCreate(**(defaults | fields)))


def unresolved(**fields: Any) -> Observation:
    return observed(resolution=Resolution.UNRESOLVED, reason="NotFound", **fields)


@pytest.mark.parametrize(
    ("pod", "path", "outside"),
    [
        (POD, CGROUPFS, False),
        (POD, DOCKER, False),  # a pod made by crictl, in a cgroup of its own
        (Pod(sandbox=False), DOCKER, True),
        (Pod(), DOCKER, True),
        (Pod(uid=UID), CGROUPFS, False),
    ],
)
def test_a_runtimes_word_decides_whether_it_is_outside_kubernetes(pod: Pod, path: str, *, outside: bool) -> None:
    found = observed(pod=pod, cgroup=Cgroup(path=path))
    assert found.outside is outside
    assert found.pod_confirmed


@pytest.mark.parametrize(
    ("pod", "cgroup", "outside"),
    [
        (Pod(), Cgroup(path=SYSTEMD), False),
        (Pod(), Cgroup(path=CGROUPFS), False),
        (Pod(), Cgroup(path=f"/node1{CGROUPFS}"), False),
        (Pod(uid=UID), Cgroup(), False),
        (Pod(), Cgroup(path=DOCKER), True),
        (Pod(), Cgroup(path="/podman/x"), True),
        (Pod(), Cgroup(path="/a", path_truncated=True), None),
        (Pod(), Cgroup(), None),
        (Pod(name="claimed"), Cgroup(path=DOCKER), None),
    ],
)
@pytest.mark.parametrize("resolution", [Resolution.UNRESOLVED, Resolution.NESTED, Resolution.NO_RUNTIME_API])
def test_where_no_runtime_tells_the_path_does(
    resolution: Resolution, pod: Pod, cgroup: Cgroup, *, outside: bool | None
) -> None:
    found = observed(pod=pod, cgroup=cgroup, resolution=resolution)
    assert found.outside is outside
    assert not found.pod_confirmed
    assert found.pod_labels is None


def test_a_runtime_that_names_no_pod_contradicts_a_path_that_does() -> None:
    """As with `docker run --cgroup-parent /kubepods/pod…`: neither inside nor outside goes without saying."""
    found = observed(
        pod=Pod(uid=UID, sandbox=False),
        cgroup=Cgroup(path=CGROUPFS),
        resolution=Resolution.PARTIAL,
        reason="PodUnknown",
    )
    assert found.outside is None
    assert not found.pod_confirmed


@pytest.mark.parametrize("reason", ["NotInCRI", "SandboxUnknown", "PodUIDMismatch"])
def test_a_claimed_pod_is_shown_and_not_believed(reason: str) -> None:
    found = observed(pod=POD, cgroup=Cgroup(path=CGROUPFS), resolution=Resolution.PARTIAL, reason=reason)
    assert (found.outside, found.pod_confirmed, found.namespace, found.pod_labels) == (False, False, "shop", None)
    assert observed(pod=POD, cgroup=Cgroup(path=DOCKER), resolution=Resolution.PARTIAL, reason=reason).outside is None


def test_what_is_partly_known_for_another_reason_is_believed() -> None:
    found = observed(pod=POD, resolution=Resolution.PARTIAL, reason="ImageUnknown")
    assert (found.outside, found.pod_confirmed, found.pod_labels) == (False, True, {"app": "cart"})


def test_labels_are_unknown_unless_somebody_gives_them() -> None:
    found = observed(pod=POD)
    assert (found.namespace_labels, found.node_labels) == (None, None)
    assert observed(pod=Pod(namespace="shop")).pod_labels == {}
    assert observed(pod=Pod(sandbox=False)).pod_labels is None
    record = ContainerCreate(
        identity="i", container_id="c", node=Node(name="n", boot_id="b"), resolution=Resolution.RESOLVED
    )
    given = observe(record, namespace_labels={"a": "b"}, node_labels={})
    assert (given.namespace_labels, given.node_labels) == ({"a": "b"}, {})


def test_the_reference_is_normal_whoever_wrote_the_record() -> None:
    def reference(**fields: Any) -> Reference | None:
        return observed(image=Image(requested="x", reference=Reference(**fields))).reference

    assert str(reference(registry="Docker.io", repository="nginx")) == "docker.io/library/nginx:latest"
    assert str(reference(registry="ghcr.io:443", repository="a", tag="1")) == "ghcr.io/a:1"
    assert reference(registry="ghcr.io", repository="A") is None
    assert reference(registry="ghcr.io", repository="a", tag="1\n") is None
    assert observed(image=Image(requested=CONFIG)).reference is None


def test_digests_are_what_is_reported() -> None:
    digests = (
        ImageDigest(digest=A, kind=DigestKind.INDEX, source="s", repository="ghcr.io/a"),
        ImageDigest(digest=B, kind=DigestKind.MANIFEST, source="s", repository="ghcr.io/b"),
        ImageDigest(digest=CONFIG, kind=DigestKind.CONFIG, source="s"),
    )
    image = Image(
        requested="ghcr.io/a",
        reference=Reference(registry="ghcr.io", repository="a", tag="latest", digest="sha256:" + "0" * 64),
        digests=digests,
        id=CONFIG,
        digest=A,
    )
    found = observed(image=image)
    assert found.digests == frozenset(digests)
    assert (found.repository_digest, found.config, found.image_id) == (A, CONFIG, CONFIG)


def test_what_leads_to_another_config_is_no_digest_of_this_image() -> None:
    digests = (
        ImageDigest(digest=A, kind=DigestKind.MANIFEST, source="s", repository="ghcr.io/a"),
        ImageDigest(digest=CONFIG, kind=DigestKind.CONFIG, source="s"),
    )
    image = Image(
        requested="ghcr.io/a",
        reference=Reference(registry="ghcr.io", repository="a", tag="latest"),
        digests=digests,
        digest=CONFIG,
        reason="ConfigMismatch",
    )
    found = observed(image=image)
    assert {each.digest for each in found.digests} == {CONFIG}
    assert (found.repository_digest, found.image_reason) == (None, "ConfigMismatch")


def test_the_rest_is_handed_on() -> None:
    resources = Resources(memory=Limit(limit=1), source="cri")
    found = observed(
        pod=POD,
        container=Container(name="app"),
        resources=resources,
        ctime="2026-11-24T00:00:00.000000Z",
        supersedes="j",
    )
    assert (found.container, found.resources, found.ctime, found.supersedes) == (
        "app",
        resources,
        "2026-11-24T00:00:00.000000Z",
        "j",
    )
    assert (found.node, found.sandbox, found.pod_name, found.pod_uid, found.workload) == (
        "n",
        False,
        "cart-1",
        UID,
        "Pod/cart-1",
    )
