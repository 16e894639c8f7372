"""The workload of a start: by the labels and names that controllers really set, and for any others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.record import Cgroup, Container, ContainerCreate, Node, Pod, Resolution
from rollcall.workload import LONGEST, Workload, workload


def a_record(pod: Pod = Pod(), container: Container = Container()) -> ContainerCreate:  # noqa: B008  # immutable
    return ContainerCreate(
        identity="a" * 26,
        container_id="c" * 64,
        cgroup=Cgroup(id=1),
        node=Node(name="node-1", boot_id="b"),
        resolution=Resolution.RESOLVED,
        pod=pod,
        container=container,
    )


LONG = "payments-reconciliation-service-production-eu-central-primary"
"""61 characters: a Deployment may have a longer name than its pods can hold."""

PODS = {
    "Deployment": (
        "web-7d4b9c6f5d-x2x4k",
        {"app": "web", "pod-template-hash": "7d4b9c6f5d"},
        "Deployment/web",
    ),
    "Deployment, dashes and digits in its name": (
        "api-v2-6c9-5f6d8c7b9-bcdfg",
        {"app": "api", "pod-template-hash": "5f6d8c7b9"},
        "Deployment/api-v2-6c9",
    ),
    "Deployment, its hash cut": (
        f"{LONG[:51]}-7d4b9cx2x4k",
        {"pod-template-hash": "7d4b9c6f5d"},
        f"Deployment/{LONG[:51]}",
    ),
    "Deployment, its hash cut off at the dash": (
        f"{LONG[:57]}-x2x4k",
        {"pod-template-hash": "7d4b9c6f5d"},
        f"Deployment/{LONG[:57]}",
    ),
    "Deployment, its own name cut": (
        f"{LONG[:58]}x2x4k",
        {"pod-template-hash": "7d4b9c6f5d"},
        f"Deployment/{LONG[:58]}",
    ),
    "Argo Rollout": (
        "checkout-59d6c8d449-8rmk9",
        {"app": "checkout", "rollouts-pod-template-hash": "59d6c8d449"},
        "Rollout/checkout",
    ),
    "StatefulSet since 1.28": (
        "db-0",
        {
            "app": "db",
            "apps.kubernetes.io/pod-index": "0",
            "controller-revision-hash": "db-6596ffb49b",
            "statefulset.kubernetes.io/pod-name": "db-0",
        },
        "StatefulSet/db",
    ),
    "StatefulSet before 1.28": (
        "zk-cluster-12",
        {"controller-revision-hash": "zk-cluster-84d4b5f4c8", "statefulset.kubernetes.io/pod-name": "zk-cluster-12"},
        "StatefulSet/zk-cluster",
    ),
    "DaemonSet": (
        "kube-proxy-m2t7b",
        {"k8s-app": "kube-proxy", "controller-revision-hash": "7c7b8c4d5f", "pod-template-generation": "1"},
        "DaemonSet/kube-proxy",
    ),
    "Job": (
        "migrate-42-hb5tz",
        {
            "batch.kubernetes.io/controller-uid": "3f1a",
            "batch.kubernetes.io/job-name": "migrate-42",
            "controller-uid": "3f1a",
            "job-name": "migrate-42",
        },
        "Job/migrate-42",
    ),
    "Job before 1.27": ("pi-7xk2v", {"controller-uid": "3f1a", "job-name": "pi"}, "Job/pi"),
    "Job named after a day": (
        "import-20261124-hb5tz",
        {"batch.kubernetes.io/job-name": "import-20261124"},
        "Job/import-20261124",
    ),
    "indexed Job": (
        f"{LONG[:54]}-17-x2x4k",
        {"batch.kubernetes.io/job-completion-index": "17", "batch.kubernetes.io/job-name": LONG},
        f"Job/{LONG}",
    ),
    "CronJob": (
        "backup-29932800-kp2zj",
        {"batch.kubernetes.io/job-name": "backup-29932800", "job-name": "backup-29932800"},
        "CronJob/backup",
    ),
    "pod of its own": ("debug", {"run": "debug"}, "Pod/debug"),
    "ReplicaSet of its own": ("frontend-b2zdv", {"tier": "frontend"}, "Pod/frontend-b2zdv"),
    "static pod": ("etcd-control-plane", {"component": "etcd", "tier": "control-plane"}, "Pod/etcd-control-plane"),
    "a hash that the name has not": ("web", {"pod-template-hash": "7d4b9c6f5d"}, "Pod/web"),
    "a Job that is another's": ("web", {"job-name": "backup-29932800"}, "Pod/web"),
    "a set whose name is no set's": ("web", {"controller-revision-hash": "a"}, "Pod/web"),
    "compose labels in a pod": (
        "web",
        {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"},
        "Pod/web",
    ),
}

CONTAINERS = {
    "compose": (
        "shop-web-1",
        {
            "com.docker.compose.config-hash": "0f9a",
            "com.docker.compose.container-number": "1",
            "com.docker.compose.oneoff": "False",
            "com.docker.compose.project": "shop",
            "com.docker.compose.service": "web",
            "com.docker.compose.version": "2.24.5",
        },
        "ComposeService/shop/web",
    ),
    "swarm": (
        "shop_web.1.x1k2m3n4b5v6c7x8z9l0k1j2h",
        {
            "com.docker.stack.namespace": "shop",
            "com.docker.swarm.node.id": "n0d3",
            "com.docker.swarm.service.id": "s3rv1c3",
            "com.docker.swarm.service.name": "shop_web",
            "com.docker.swarm.task": "",
            "com.docker.swarm.task.id": "x1k2m3n4b5v6c7x8z9l0k1j2h",
            "com.docker.swarm.task.name": "shop_web.1.x1k2m3n4b5v6c7x8z9l0k1j2h",
        },
        "SwarmService/shop_web",
    ),
    "a project without a service": ("db", {"com.docker.compose.project": "shop"}, "Container/db"),
    "a container of its own": ("db", {}, "Container/db"),
    "pod labels outside a pod": ("web-7d4b9c6f5d-x2x4k", {"job-name": "web"}, "Container/web-7d4b9c6f5d-x2x4k"),
    "no name": (None, {}, f"Container/{'c' * 64}"),
}


@pytest.mark.parametrize("case", PODS)
def test_the_workload_of_a_pods_container_is_what_made_the_pod(case: str) -> None:
    name, labels, expected = PODS[case]
    assert str(workload(a_record(pod=Pod(name=name, labels=labels)))) == expected


@pytest.mark.parametrize("case", CONTAINERS)
def test_the_workload_outside_pods_is_the_service_or_the_container(case: str) -> None:
    name, labels, expected = CONTAINERS[case]
    assert str(workload(a_record(container=Container(name=name, labels=labels)))) == expected


keys = st.sampled_from(
    sorted({key for _, labels, _ in [*PODS.values(), *CONTAINERS.values()] for key in labels}),
)
values = st.one_of(
    st.sampled_from(sorted({value for _, labels, _ in PODS.values() for value in labels.values()})), st.text()
)
names = st.one_of(st.none(), st.sampled_from([name for name, _, _ in PODS.values()]), st.text(), st.text(min_size=300))


@given(names, names, st.dictionaries(keys, values))
def test_any_labels_and_names_have_a_workload_of_bounded_size(
    pod: str | None, container: str | None, labels: dict[str, str]
) -> None:
    found = workload(a_record(Pod(name=pod, labels=labels), Container(name=container, labels=labels)))
    assert found == Workload(found.kind, found.name)
    assert 0 < len(found.name) <= LONGEST
    assert "/" not in found.kind


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,70}[a-z0-9])?", fullmatch=True), st.integers(0), st.integers(0))
def test_all_pods_of_a_deployment_have_one_workload(name: str, first: int, second: int) -> None:
    """Made as the API server makes them: 58 characters at most of `<name>-<hash>-`, then 5 random ones."""
    digits = "bcdfghjklmnpqrstvwxz2456789"
    template = "7d4b9c6f5d"

    def made(number: int) -> Workload:
        random = "".join(digits[number // 27**place % 27] for place in range(5))
        pod = f"{name}-{template}-"[:58] + random
        return workload(a_record(Pod(name=pod, labels={"pod-template-hash": template})))

    assert made(first) == made(second)
    assert made(first).kind == "Deployment"
    assert name.startswith(made(first).name)
