"""Every shape of a container's root, and what must not be taken for one."""

from __future__ import annotations

import pytest

from rollcall_agent.derive import ContainerCandidate, NotARoot, Rejection, below, derive, unknown_namespace

H = "0123456789abcdef" * 4
A = "a" * 64
B = "b" * 64
UID = "0c1d2e3f-4a5b-6c7d-8e9f-0a1b2c3d4e5f"
UID_ = UID.replace("-", "_")
STATIC = "0123456789abcdef0123456789abcdef"
P = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID_}.slice"
GUARANTEED = f"/kubepods.slice/kubepods-pod{UID_}.slice"
Q = f"/kubepods/burstable/pod{UID}"
USER = "/user.slice/user-1000.slice/user@1000.service"
BUILD = "p0h8ouqxejbxnf2j8rs8yqvnl"
GARDEN = "1234abcd-12ab-34cd-56ef-7890"
FARGATE = f"{STATIC}-2531612879"


def root(path: str | bytes, *, namespaces: frozenset[str] = frozenset()) -> ContainerCandidate | NotARoot:
    raw = path.encode() if isinstance(path, str) else path
    return derive(raw, raw.rpartition(b"/")[2], path_cut=False, namespaces=namespaces)


def candidate(container_id: str, runtime: str = "", **more: str | bool) -> ContainerCandidate:
    return ContainerCandidate(container_id=container_id, runtime=runtime, **more)  # type: ignore[arg-type]


ROOTS = {
    # containerd by CRI
    f"{P}/cri-containerd-{H}.scope": candidate(H, "containerd", pod_uid=UID),
    f"{GUARANTEED}/cri-containerd-{H}.scope": candidate(H, "containerd", pod_uid=UID),
    f"/kubepods.slice/kubepods-pod{STATIC}.slice/cri-containerd-{H}.scope": candidate(H, "containerd", pod_uid=STATIC),
    f"/node.slice/node-kubepods.slice/node-kubepods-besteffort.slice/node-kubepods-besteffort-pod{UID_}.slice"
    f"/cri-containerd-{H}.scope": candidate(H, "containerd", pod_uid=UID),
    f"{Q}/{H}": candidate(H, "containerd", pod_uid=UID),
    f"/kubepods/pod{STATIC}/{H}": candidate(H, "containerd", pod_uid=STATIC),
    f"/kubepods/besteffort/pod123/{H}": candidate(H, "containerd"),
    f"/kubepods/besteffort/pod123/cri-containerd-{H}.scope": candidate(H, "containerd"),
    f"/kubepods/besteffort/pod123/some:cri-containerd:{H}": candidate(H, "containerd"),
    f"/kubepods/burstable/kubepods-burstable-pod{UID_}.slice:cri-containerd:{H}": candidate(
        H, "containerd", pod_uid=UID
    ),
    f"/system.slice/containerd.service/kubepods-pod{UID_}.slice:cri-containerd:{H}": candidate(
        H, "containerd", pod_uid=UID
    ),
    # CRI-O
    f"{P}/crio-{H}.scope": candidate(H, "crio", pod_uid=UID),
    f"{Q}/crio-{H}": candidate(H, "crio", pod_uid=UID),
    f"{Q}/crio-{H}.scope": candidate(H, "crio", pod_uid=UID),
    f"/crio/crio-{H}": candidate(H, "crio"),
    f"/kubepods/besteffort/pod123/crio-{H}.scope": candidate(H, "crio"),
    f"{P}/crio-{H}": candidate(H, "crio", pod_uid=UID, sandbox=True),
    # Docker
    f"/docker/{H}": candidate(H, "docker"),
    f"/system.slice/docker-{H}.scope": candidate(H, "docker"),
    f"/custom.slice/docker-{H}.scope": candidate(H, "docker"),
    f"/custom/{H}": candidate(H),
    f"{P}/docker-{H}.scope": candidate(H, "docker", pod_uid=UID),
    f"/kubepods/besteffort/pod123/docker-{H}.scope": candidate(H, "docker"),
    f"{USER}/user.slice/docker-{H}.scope": candidate(H, "docker"),
    f"/actions_job/{H}": candidate(H, "docker"),
    f"/ecs/{STATIC}/{H}": candidate(H, "docker"),
    f"/ecs/{UID}/{H}": candidate(H, "docker"),
    # Podman
    f"/machine.slice/libpod-{H}.scope": candidate(H, "podman"),
    f"{USER}/user.slice/libpod-{H}.scope": candidate(H, "podman"),
    f"/machine.slice/machine-libpod_pod_{A}.slice/libpod-{H}.scope": candidate(H, "podman"),
    f"/libpod_parent/libpod-{H}": candidate(H, "podman"),
    f"/libpod_parent/{A}/libpod-{H}": candidate(H, "podman"),
    f"/u.service/libpod-payload-{H}": candidate(H, "podman"),
    # nerdctl, and containerd without a namespace that it has listed
    f"/system.slice/nerdctl-{H}.scope": candidate(H, "containerd"),
    f"/default/{H}": candidate(H),
    # gVisor makes one at the CRI path for each container of the sandbox; Kata one for the whole sandbox
    f"{Q}/kata_{H}": candidate(H, pod_uid=UID, sandbox=True),
    f"{Q}/kata_crio-{H}": candidate(H, pod_uid=UID, sandbox=True),
    f"{P}/kata_kubepods-burstable-pod{UID_}.slice:cri-containerd:{H}": candidate(H, pod_uid=UID, sandbox=True),
    # Makers without an API here
    "/lxc/web1": candidate("web1", "lxc", maker_has_api=False),
    "/lxc.payload/web1": candidate("web1", "lxc", maker_has_api=False),
    "/lxc.payload.web1": candidate("web1", "lxc", maker_has_api=False),
    f"{USER}/lxc.payload.web1": candidate("web1", "lxc", maker_has_api=False),
    "/machine.slice/machine-web1.scope": candidate("web1", "nspawn", maker_has_api=False),
    r"/machine.slice/machine-my\x2dweb.scope": candidate("my-web", "nspawn", maker_has_api=False),
    "/machine.slice/systemd-nspawn@web1.service": candidate("web1", "nspawn", maker_has_api=False),
    r"/system.slice/systemd-nspawn@my\x2dweb.service": candidate("my-web", "nspawn", maker_has_api=False),
    f"/garden/{GARDEN}": candidate(GARDEN, "garden", maker_has_api=False),
    f"/ecs/{STATIC}/{FARGATE}": candidate(FARGATE, "fargate", maker_has_api=False),
    f"/docker/buildkit/{BUILD}": candidate(BUILD, "buildkit", maker_has_api=False),
    f"/docker/{A}/buildkit/{BUILD}": candidate(BUILD, "buildkit", maker_has_api=False, nested_below=A),
    # Nested: kind with both drivers, k3d, Docker-in-Docker, in a systemd scope, in LXC
    f"/docker/{A}/kubelet.slice/kubelet-kubepods.slice/x.slice/cri-containerd-{B}.scope": candidate(
        B, "containerd", nested_below=A
    ),
    f"/docker/{A}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice"
    f"/kubelet-kubepods-besteffort-pod{UID_}.slice/cri-containerd-{B}.scope": candidate(
        B, "containerd", nested_below=A, pod_uid=UID
    ),
    f"/docker/{A}/kubelet/kubepods/besteffort/podX/{B}": candidate(B, "containerd", nested_below=A),
    f"/docker/{A}/kubepods/besteffort/pod{UID}/{B}": candidate(B, "containerd", nested_below=A, pod_uid=UID),
    f"/system.slice/docker-{A}.scope/kubelet/kubepods/pod{UID}/{B}": candidate(
        B, "containerd", nested_below=A, pod_uid=UID
    ),
    f"/docker/{A}/docker/{B}": candidate(B, "docker", nested_below=A),
    f"/docker/{H}/docker/{A}/docker/{B}": candidate(B, "docker", nested_below=A),
    f"/lxc.payload.web1/system.slice/docker-{B}.scope": candidate(B, "docker", nested_below="web1"),
}

NO_ROOTS = {
    "": NotARoot(reason=Rejection.NOT_A_SHAPE),
    "/": NotARoot(reason=Rejection.NOT_A_SHAPE),
    "/user.slice/user-1000.slice": NotARoot(reason=Rejection.NOT_A_SHAPE),
    "/system.slice/docker-cleanup-dangling-images.service": NotARoot(reason=Rejection.NOT_A_SHAPE),
    "/system.slice/docker.service": NotARoot(reason=Rejection.NOT_A_SHAPE),
    P: NotARoot(reason=Rejection.NOT_A_SHAPE),
    Q: NotARoot(reason=Rejection.NOT_A_SHAPE),
    "/docker": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/docker/{H[:-1]}": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/docker/{H}0": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/docker/{H.upper()}": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/docker/{H}\n": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/docker/{H}.slice": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/system.slice/docker-{H}.service": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/system.slice/docker-{H[:12]}.scope": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/system.slice/xdocker-{H}.scope": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/x/some:other:{H}": NotARoot(reason=Rejection.NOT_A_SHAPE),
    # Supervisors
    f"{P}/crio-conmon-{H}.scope": NotARoot(reason=Rejection.CONMON),
    "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podb13213a6_1.slice"
    f"/crio-conmon-{H}.scope": NotARoot(reason=Rejection.CONMON),
    f"{Q}/crio-conmon-{H}": NotARoot(reason=Rejection.CONMON),
    f"/machine.slice/libpod-conmon-{H}.scope": NotARoot(reason=Rejection.CONMON),
    "/libpod_parent/conmon": NotARoot(reason=Rejection.CONMON),
    f"/libpod_parent/{A}/conmon": NotARoot(reason=Rejection.CONMON),
    f"/u.service/{'supervisor'}": NotARoot(reason=Rejection.NOT_A_SHAPE),
    "/lxc.monitor.web1": NotARoot(reason=Rejection.NOT_A_SHAPE),
    "/lxc.monitor/web1": NotARoot(reason=Rejection.NOT_A_SHAPE),
    # A pod of Podman's, the host side of Kata, a virtual machine, an ECS task
    f"/libpod_parent/{A}": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/kata_overhead/{H}": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/kata_overhead/kubepods/besteffort/pod{UID}/{H}": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/kata_overhead/kubepods-pod{UID_}.slice:cri-containerd:{H}": NotARoot(reason=Rejection.NOT_A_SHAPE),
    r"/machine.slice/machine-qemu\x2d1\x2dvm.scope": NotARoot(reason=Rejection.NOT_A_SHAPE),
    "/system.slice/machine-web1.scope": NotARoot(reason=Rejection.NOT_A_SHAPE),
    r"/machine.slice/machine-\x1b\x5b31m.scope": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/ecs/{STATIC}": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/build/{BUILD}": NotARoot(reason=Rejection.NOT_A_SHAPE),
    f"/garden/{UID}": NotARoot(reason=Rejection.NOT_A_SHAPE),
    # Inside a container
    f"/kubepods/besteffort/pod123/docker-{H}.scope/system.slice": NotARoot(reason=Rejection.BELOW_A_ROOT, inside=H),
    f"/docker/{A}/init": NotARoot(reason=Rejection.BELOW_A_ROOT, inside=A),
    f"/docker/{A}/init.scope": NotARoot(reason=Rejection.BELOW_A_ROOT, inside=A),
    f"/docker/{A}/system.slice/ssh.service": NotARoot(reason=Rejection.BELOW_A_ROOT, inside=A),
    f"/docker/{A}/docker/{B}/init": NotARoot(reason=Rejection.BELOW_A_ROOT, inside=B),
    f"/docker/{A}/lxc/web1": NotARoot(reason=Rejection.BELOW_A_ROOT, inside=A),
    f"/machine.slice/libpod-{A}.scope/container": NotARoot(reason=Rejection.BELOW_A_ROOT, inside=A),
    f"{P}/crio-{A}.scope/container": NotARoot(reason=Rejection.BELOW_A_ROOT, inside=A),
    f"{P}/crio-{A}.scope/exec": NotARoot(reason=Rejection.BELOW_A_ROOT, inside=A),
    f"{P}/crio-{A}.scope/container/exec": NotARoot(reason=Rejection.BELOW_A_ROOT, inside=A),
    "/machine.slice/machine-web1.scope/payload": NotARoot(reason=Rejection.BELOW_A_ROOT, inside="web1"),
    "/machine.slice/systemd-nspawn@web1.service/supervisor": NotARoot(reason=Rejection.BELOW_A_ROOT, inside="web1"),
    "/lxc/web1/init": NotARoot(reason=Rejection.BELOW_A_ROOT, inside="web1"),
}


@pytest.mark.parametrize(("path", "expected"), ROOTS.items())
def test_a_root_is_recognised(path: str, expected: ContainerCandidate) -> None:
    assert root(path) == expected


@pytest.mark.parametrize(("path", "expected"), NO_ROOTS.items())
def test_what_is_no_root_is_refused(path: str, expected: NotARoot) -> None:
    assert root(path) == expected


@pytest.mark.parametrize("name", ["web", "x.slice", "a_b-c.d", "docker", GARDEN, "lxc.payload.web1"])
def test_any_id_is_a_root_in_a_namespace_that_containerd_listed(name: str) -> None:
    found = root(f"/default/{name}", namespaces=frozenset({"default"}))
    assert found == candidate(name, "containerd", namespace="default")


def test_a_hex_id_in_a_listed_namespace_says_the_namespace() -> None:
    found = root(f"/k8s.io/{H}", namespaces=frozenset({"k8s.io"}))
    assert found == candidate(H, "containerd", namespace="k8s.io")


def test_dockers_own_directory_stays_dockers_when_a_namespace_has_its_name() -> None:
    namespaces = frozenset({"docker"})
    assert root(f"/docker/{H}", namespaces=namespaces) == candidate(H, "docker", namespace="docker")
    assert root("/docker/web", namespaces=namespaces) == candidate("web", "containerd", namespace="docker")


@pytest.mark.parametrize("name", ["x-conmon-y", "-x", "x y", "x\n", "é", "x" * 77, "a..b", ""])
def test_no_name_that_containerd_would_refuse_is_an_id(name: str) -> None:
    assert isinstance(root(f"/default/{name}", namespaces=frozenset({"default"})), NotARoot)


def test_a_name_is_an_id_directly_below_the_namespace_alone() -> None:
    namespaces = frozenset({"default"})
    assert root("/default", namespaces=namespaces) == NotARoot(reason=Rejection.NOT_A_SHAPE)
    assert root("/default/web/sub", namespaces=namespaces) == NotARoot(reason=Rejection.BELOW_A_ROOT, inside="web")
    assert root("/other/default/web", namespaces=namespaces) == NotARoot(reason=Rejection.NOT_A_SHAPE)
    assert root(f"/default/web/docker/{B}", namespaces=namespaces) == candidate(B, "docker", nested_below="web")


def test_without_a_listed_namespace_a_name_is_no_id() -> None:
    assert root("/default/web") == NotARoot(reason=Rejection.NOT_A_SHAPE)


@pytest.mark.parametrize(
    ("path", "namespace"),
    [
        ("/default/web", "default"),
        (f"/default/{H}", "default"),
        ("/k8s.io/x.slice", "k8s.io"),
        ("/default", None),
        ("/default/web/sub", None),
        ("default/web", None),
        ("/system.slice/ssh.service", None),
        (f"/docker/{H}", None),
        ("/lxc/web1", None),
        ("/-bad/web", None),
        ("/default/é", None),
        ("/default/", None),
        ("/", None),
        ("", None),
    ],
)
def test_an_unknown_first_component_is_worth_asking_about(path: str, namespace: str | None) -> None:
    assert unknown_namespace(path.encode()) == namespace


def test_a_cut_path_is_decided_by_the_whole_leaf() -> None:
    top = f"/docker/{A}"
    path = (top + "/x" * 600).encode()
    leaf = f"cri-containerd-{B}.scope".encode()
    assert derive(path[:1023], leaf, path_cut=True) == candidate(B, "containerd", nested_below=A)
    assert derive(path[:1023], b"x", path_cut=True) == NotARoot(reason=Rejection.BELOW_A_ROOT, inside=A)
    assert derive(path[:1023], f"crio-conmon-{B}.scope".encode(), path_cut=True) == NotARoot(reason=Rejection.CONMON)


def test_a_cut_path_without_a_leaf_says_so() -> None:
    path = f"/docker/{A}{'/x' * 600}".encode()[:1023]
    assert derive(path, b"", path_cut=True) == NotARoot(reason=Rejection.CUT, inside=A)
    assert derive(b"/x" * 511, b"", path_cut=True) == NotARoot(reason=Rejection.CUT)


def test_the_component_at_the_cut_is_trusted_for_nothing() -> None:
    """It may be the head of a longer name: `/docker/<64 hex>` of `/docker/<65 hex>/x`."""
    path = b"/x" * 479 + f"/{A}".encode()
    assert len(path) == 1023
    assert derive(path, b"init", path_cut=True) == NotARoot(reason=Rejection.NOT_A_SHAPE)


@pytest.mark.parametrize(
    ("path", "top", "expected"),
    [
        (b"/a/b", b"/a", True),
        (b"/a", b"/a", True),
        (b"/a/b", b"/a/", True),
        (b"/ab", b"/a", False),
        (b"/a", b"/a/b", False),
        (b"/a", b"/", True),
        (b"/a", b"", True),
        (b"/\xff/b", b"/\xff", True),
    ],
)
def test_below_is_by_whole_components(path: bytes, top: bytes, expected: bool) -> None:  # noqa: FBT001
    assert below(path, top) is expected
