"""The digest table, on a real registry and containerd: what was asked for, what runs, and what can't be known."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from lab.cri import Pod
from lab.images import Image, make_image, make_index, write_archive
from lab.node_lab import NodeLab
from lab.waiting import wait_until
from rollcall.record import DigestKind, Resolution
from rollcall_agent.derive.candidate import ContainerCandidate
from rollcall_agent.enrich.facts import Facts, Question
from rollcall_agent.enrich.runtime import RuntimeClient

CONFIG, INDEX, MANIFEST = DigestKind.CONFIG, DigestKind.INDEX, DigestKind.MANIFEST


@pytest_asyncio.fixture
async def runtime(node: NodeLab) -> AsyncIterator[RuntimeClient]:
    client = await RuntimeClient.connect(str(node.containerd.socket), Counter())
    yield client
    await client.close()


@pytest.fixture
def pod(node: NodeLab) -> Iterator[Pod]:
    made = node.cri.run_pod("digests")
    yield made
    node.cri.remove_pod(made)


async def ask(
    runtime: RuntimeClient, container_id: str, *, namespace: str | None = None, uid: str | None = None
) -> Facts:
    candidate = ContainerCandidate(container_id=container_id, runtime="containerd", namespace=namespace, pod_uid=uid)
    answer = await runtime.ask(Question(key=1, candidate=candidate, cgroup_id=1, noticed_ns=time.monotonic_ns()))
    assert isinstance(answer, Facts), answer
    return answer


async def start(node: NodeLab, runtime: RuntimeClient, pod: Pod, name: str, reference: str) -> Facts:
    """Run a container of an image in the pod, and ask about it."""
    return await ask(runtime, node.cri.run_container(pod, name, reference), uid=pod.uid)


def shown(facts: Facts) -> list[tuple[str, DigestKind, str | None]]:
    return [(each.digest, each.kind, each.repository) for each in facts.image.digests]


def multi(mark: str) -> tuple[Image, Image]:
    """Make an index of this machine's image and a foreign one; return it and this machine's."""
    mine = make_image(mark)
    return make_index([make_image(mark, architecture="s390x"), mine]), mine


@pytest.mark.parametrize("form", ["tag", "digest", "both"])
async def test_a_multi_arch_index(node: NodeLab, runtime: RuntimeClient, pod: Pod, form: str) -> None:
    index, mine = multi(f"multi-{form}")
    where = f"{node.registry.address}/digests/{form}"
    by_digest = node.registry.push(index, f"digests/{form}", "1")
    requested = {"tag": f"{where}:1", "digest": by_digest, "both": f"{where}:1@{index.root.digest}"}[form]
    node.cri.pull(requested)
    facts = await start(node, runtime, pod, form, requested)
    assert facts.resolution is Resolution.RESOLVED
    assert facts.image.requested == requested
    assert facts.image.reference is not None
    assert (facts.image.reference.tag is None, facts.image.reference.digest is None) == (
        form == "digest",
        form == "tag",
    )
    assert (facts.image.digest, facts.image.reason) == (index.root.digest, None)
    assert facts.image.id == mine.config_digest
    assert shown(facts) == [
        (index.root.digest, INDEX, where),
        (mine.root.digest, MANIFEST, where),
        (mine.config_digest, CONFIG, None),
    ]


async def test_a_plain_manifest_of_dockers_media_types(node: NodeLab, runtime: RuntimeClient, pod: Pod) -> None:
    image = make_image("docker-types", media_types="docker")
    where = f"{node.registry.address}/digests/docker"
    node.registry.push(image, "digests/docker", "1")
    node.cri.pull(f"{where}:1")
    facts = await start(node, runtime, pod, "docker", f"{where}:1")
    assert facts.image.digest == image.root.digest
    assert shown(facts) == [(image.root.digest, MANIFEST, where), (image.config_digest, CONFIG, None)]


async def test_a_tag_that_moves(node: NodeLab, runtime: RuntimeClient, pod: Pod) -> None:
    reference = f"{node.registry.address}/digests/moved:1"
    before, after = make_image("before"), make_image("after")
    answers = []
    for image in (before, after):
        node.registry.push(image, "digests/moved", "1")
        node.cri.pull(reference)
        container_id = node.cri.run_container(pod, image.root.digest[7:19], reference)
        answers.append((container_id, await ask(runtime, container_id)))
    assert [facts.image.digest for _, facts in answers] == [before.root.digest, after.root.digest]
    again = await ask(runtime, answers[0][0])
    assert (again.image.id, again.image.digest) == (before.config_digest, before.root.digest)


async def test_one_digest_under_two_repositories(node: NodeLab, runtime: RuntimeClient, pod: Pod) -> None:
    image = make_image("twice")
    places = [f"{node.registry.address}/digests/{name}" for name in ("aaa", "zzz")]
    for place in places:
        node.registry.push(image, place.partition("/")[2], "1")
        node.cri.pull(f"{place}:1")
    for place, other in (places, reversed(places)):
        facts = await start(node, runtime, pod, place[-3:], f"{place}:1")
        assert facts.image.requested == f"{place}:1"
        assert facts.image.digest == image.root.digest
        assert shown(facts) == [
            (image.root.digest, MANIFEST, place),
            (image.root.digest, MANIFEST, other),
            (image.config_digest, CONFIG, None),
        ]


async def test_a_name_given_here_is_no_repository(node: NodeLab, runtime: RuntimeClient, pod: Pod) -> None:
    image = make_image("renamed")
    pulled, given = f"{node.registry.address}/digests/pulled", "trusted.example/shop:1"
    node.registry.push(image, "digests/pulled", "1")
    node.cri.pull(f"{pulled}:1")
    node.ctr("--namespace", "k8s.io", "images", "tag", f"{pulled}:1", given)
    facts = await start_when_shown(node, runtime, pod, "renamed", given)
    assert (facts.image.requested, facts.image.digest) == (given, image.config_digest)
    assert facts.image.reason == "NoRepositoryDigest"
    assert "trusted.example/shop" not in {where for _, _, where in shown(facts)}


async def test_two_digests_of_one_repository(node: NodeLab, runtime: RuntimeClient, pod: Pod) -> None:
    index, mine = multi("ambiguous")
    where = f"{node.registry.address}/digests/ambiguous"
    node.registry.push(index, "digests/ambiguous", "1")
    by_manifest = f"{where}@{mine.root.digest}"
    node.cri.pull(f"{where}:1")
    node.cri.pull(by_manifest)
    by_tag = await start(node, runtime, pod, "by-tag", f"{where}:1")
    assert (by_tag.image.digest, by_tag.image.reason) == (mine.config_digest, "AmbiguousDigest")
    assert {(index.root.digest, INDEX, where), (mine.root.digest, MANIFEST, where)} < set(shown(by_tag))
    exact = await start(node, runtime, pod, "exact", by_manifest)
    assert (exact.image.digest, exact.image.reason) == (mine.root.digest, None)


async def test_imported_from_an_archive(node: NodeLab, runtime: RuntimeClient, pod: Pod, tmp_path: Path) -> None:
    image, name = make_image("archive"), "docker.io/library/archive:3"
    write_archive(image, tmp_path / "image.tar", name)
    node.ctr(
        "--namespace",
        "k8s.io",
        "images",
        "import",
        "--snapshotter",
        node.containerd.snapshotter,
        str(tmp_path / "image.tar"),
    )
    facts = await start_when_shown(node, runtime, pod, "archive", name)
    assert facts.resolution is Resolution.RESOLVED
    assert (facts.image.digest, facts.image.reason) == (image.config_digest, "NoRepositoryDigest")
    assert shown(facts) == [(image.root.digest, MANIFEST, None), (image.config_digest, CONFIG, None)]


async def test_the_pause_image_of_a_sandbox(node: NodeLab, runtime: RuntimeClient, pod: Pod) -> None:
    pause = make_image("pause")
    facts = await ask(runtime, pod.sandbox_id, uid=pod.uid)
    assert facts.resolution is Resolution.RESOLVED
    assert facts.image.requested == node.containerd.pause
    assert (facts.image.digest, facts.image.id) == (pause.root.digest, pause.config_digest)
    assert (facts.pod.sandbox, facts.pod.name, facts.pod.uid) == (True, "digests", pod.uid)
    assert facts.container.name is None


async def test_a_container_of_ctr(node: NodeLab, runtime: RuntimeClient) -> None:
    index, mine = multi("of-ctr")
    where = f"{node.registry.address}/digests/ctr"
    node.registry.push(index, "digests/ctr", "1")
    node.ctr.pull(f"{where}:1")
    node.ctr.run(f"{where}:1", "of-ctr", options=["--label", "team=shop", "--memory-limit", str(64 << 20)])
    facts = await ask(runtime, "of-ctr", namespace=node.ctr.namespace)
    node.ctr.end("of-ctr")
    node.ctr.remove("of-ctr")
    assert facts.resolution is Resolution.RESOLVED
    assert facts.runtime.name == "containerd"
    assert (facts.container.name, facts.container.labels["team"]) == ("of-ctr", "shop")
    assert (facts.pod.name, facts.pod.sandbox) == (None, False)
    assert facts.resources.memory.limit == 64 << 20
    assert facts.resources.cpu.unlimited
    assert facts.image.digest == index.root.digest
    assert shown(facts) == [
        (index.root.digest, INDEX, where),
        (mine.root.digest, MANIFEST, where),
        (mine.config_digest, CONFIG, None),
    ]


async def test_what_ctr_imported_has_no_repository(node: NodeLab, runtime: RuntimeClient, tmp_path: Path) -> None:
    image, name = make_image("ctr-archive"), "trusted.example/archive:3"
    write_archive(image, tmp_path / "image.tar", name)
    node.ctr.import_archive(tmp_path / "image.tar")
    node.ctr.run(name, "of-archive")
    facts = await ask(runtime, "of-archive", namespace=node.ctr.namespace)
    node.ctr.end("of-archive")
    node.ctr.remove("of-archive")
    assert (facts.image.requested, facts.image.digest) == (name, image.config_digest)
    assert facts.image.reason == "NoRepositoryDigest"
    assert shown(facts) == [(image.root.digest, MANIFEST, None), (image.config_digest, CONFIG, None)]


async def start_when_shown(node: NodeLab, runtime: RuntimeClient, pod: Pod, name: str, reference: str) -> Facts:
    """As `start`, once CRI has heard of an image that it did not pull itself."""

    def started() -> str | None:
        try:
            return node.cri.run_container(pod, name, reference)
        except grpc.RpcError:
            return None

    return await ask(runtime, wait_until(started, f"CRI shows {reference}"), uid=pod.uid)
