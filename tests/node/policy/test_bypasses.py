"""Ways in which other tools were bypassed, on real containers: what the runtime says of them, observed and judged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from lab.cri import Pod
from lab.images import Image, make_image, make_index, write_archive
from lab.node_lab import NodeLab
from lab.policies import NOW, allow, deny, policy
from lab.waiting import wait_until
from rollcall.judge import Cause, PolicySet, Result, Trust, Verdict, judge
from rollcall.ledger import Ledger, TagHistory, record, tag_of
from rollcall.observation import Observation, observe
from rollcall_agent.collect.hierarchy import followed_here
from rollcall_agent.roll.node import this_node
from rollcall_agent.roll.present import call_the_roll

ALLOWED, UNMATCHED, VIOLATION = Result.ALLOWED, Result.UNMATCHED, Result.VIOLATION


class Place:
    """A pod to run containers in, and what is observed of them."""

    def __init__(self, node: NodeLab, pod: Pod) -> None:
        self.node = node
        self.hub = node.registry.address
        self._pod = pod
        self._names = iter(f"c{number}" for number in range(100))

    def push(self, image: Image, repository: str) -> str:
        """Push under the tag 1; return the reference by tag."""
        self.node.registry.push(image, repository, "1")
        return f"{self.hub}/{repository}:1"

    def called(self, host: str) -> None:
        """Let containerd find another registry's images in the laboratory's."""
        hosts = self.node.scratch.folder / "certs.d" / host / "hosts.toml"
        hosts.parent.mkdir(parents=True, exist_ok=True)
        hosts.write_text(f'[host."http://{self.hub}"]\ncapabilities = {json.dumps(["pull", "resolve"])}\n')

    def start(self, reference: str, *, pull: bool = True) -> Observation:
        """Pull, run, and return what is observed."""
        if pull:
            self.node.cri.pull(reference)
        return self.observe(self.run(reference))

    def run(self, reference: str) -> str:
        return self.node.cri.run_container(self._pod, next(self._names), reference)

    def observe(self, container_id: str) -> Observation:
        hierarchy = followed_here()
        found = asyncio.run(call_the_roll(this_node(hierarchy, None), hierarchy, [str(self.node.containerd.socket)]))
        (mine,) = (each for each in found.records if each.container_id == container_id)
        return observe(mine)


@pytest.fixture
def place(node: NodeLab) -> Iterator[Place]:
    pod = node.cri.run_pod("judged", namespace="shop")
    yield Place(node, pod)
    node.cri.remove_pod(pod)


def verdict(observation: Observation, *rules: dict[str, Any], history: Ledger | None = None, **spec: Any) -> Verdict:
    return judge(observation, PolicySet([policy(*rules, **spec)]), history, NOW)


def test_a_repository_that_looks_alike_is_another_one(place: Place) -> None:
    approved = allow(images=[f"{place.hub}/acme/**"])
    for repository, result in (
        ("acme/app", ALLOWED),
        ("acme-evil/app", VIOLATION),
        ("acmeevil/app", VIOLATION),
        ("evil/acme/app", VIOLATION),
    ):
        observation = place.start(place.push(make_image("alike"), repository))
        assert verdict(observation, approved).result is result, repository


def test_another_pull_that_gives_the_image_an_approved_name_approves_nothing(place: Place) -> None:
    image = make_image("aliased")
    evil, good = place.push(image, "alias-evil/app"), place.push(image, "alias-good/app")
    container = place.start(evil).container_id
    place.node.cri.pull(good)
    observation = place.observe(container)
    assert {each.repository for each in observation.digests} >= {evil[:-2], good[:-2]}
    by_name = allow(images=[good[:-2]])
    assert verdict(observation, by_name).result is VIOLATION
    assert verdict(observation, by_name | {"digests": [image.root.digest]}).result is VIOLATION


def test_another_pull_that_gives_the_image_a_refused_name_refuses_nothing_and_is_noted(place: Place) -> None:
    image = make_image("tainted")
    good, evil = place.push(image, "taint-good/app"), place.push(image, "taint-evil/app")
    container = place.start(good).container_id
    place.node.cri.pull(evil)
    found = verdict(place.observe(container), allow(images=["*/**"]), deny(images=[evil[:-2]]))
    assert (found.result, [notice.rule for notice in found.notices]) == (ALLOWED, ["refused"])


def test_a_tag_given_here_does_not_pass_for_the_approved_image(place: Place) -> None:
    released, other = make_image("released"), make_image("impostor")
    name = "trusted.example/bypass:1"
    place.node.cri.pull(impostor := place.push(other, "local/impostor"))
    place.node.ctr("--namespace", "k8s.io", "images", "tag", impostor, name)
    observation = place.observe(run_when_shown(place, name))
    assert observation.requested == name
    by_name = allow(images=["trusted.example/**"])
    assert verdict(observation, by_name).trust is Trust.NAME
    found = verdict(observation, by_name | {"digests": [released.root.digest]})
    assert (found.result, found.failing[0].cause) == (VIOLATION, Cause.DIGEST_MISMATCH)


def test_an_import_has_no_digest_of_a_repository(place: Place, tmp_path: Path) -> None:
    image, name = make_image("imported"), "docker.io/library/imported:3"
    write_archive(image, tmp_path / "image.tar", name)
    how = ("--namespace", "k8s.io", "images", "import", "--snapshotter", place.node.containerd.snapshotter)
    place.node.ctr(*how, str(tmp_path / "image.tar"))
    observation = place.observe(run_when_shown(place, name))
    assert (observation.image_reason, observation.repository_digest) == ("NoRepositoryDigest", None)
    released = make_image("not this one").root.digest
    assert verdict(observation, allow(images=["imported"], digests=[released])).result is VIOLATION
    assert verdict(observation, allow(images=["imported"], digests=[image.config_digest])).trust is Trust.DIGEST
    assert verdict(observation, allow(images=["imported"])).trust is Trust.NAME


def test_an_index_whose_platforms_manifest_is_approved_and_the_other_way_round(place: Place) -> None:
    mine = make_image("platform")
    index = make_index([make_image("platform", architecture="s390x"), mine])
    reference = place.push(index, "multi/app")
    observation = place.start(reference)
    for digest in (index.root.digest, mine.root.digest, mine.config_digest):
        assert verdict(observation, allow(digests=[digest])).result is ALLOWED, digest
    foreign = index.parts[0]
    for digest in (foreign.root.digest, foreign.config_digest):
        assert verdict(observation, allow(digests=[digest])).result is VIOLATION, digest
    by_manifest = place.start(f"{reference[:-2]}@{mine.root.digest}")
    assert verdict(by_manifest, allow(digests=[mine.root.digest])).result is ALLOWED
    assert verdict(by_manifest, allow(digests=[index.root.digest])).result is ALLOWED


def test_a_manifest_pulled_alone_is_not_known_to_be_of_an_index(place: Place) -> None:
    """Nobody on this machine has seen the index: what can't be known does not approve."""
    mine = make_image("alone")
    index = make_index([make_image("alone", architecture="s390x"), mine])
    reference = place.push(index, "multi/alone")
    observation = place.start(f"{reference[:-2]}@{mine.root.digest}")
    assert verdict(observation, allow(digests=[mine.root.digest])).result is ALLOWED
    found = verdict(observation, allow(images=[reference[:-2]], digests=[index.root.digest]))
    assert (found.result, found.failing[0].cause) == (VIOLATION, Cause.DIGEST_MISMATCH)


def test_every_container_of_a_pod_is_judged(place: Place) -> None:
    good, evil = place.push(make_image("one"), "pod-good/app"), place.push(make_image("two"), "pod-evil/app")
    approved = allow(images=[f"{place.hub}/pod-good/*"])
    results = [verdict(place.start(each), approved).result for each in (good, evil, good)]
    assert results == [ALLOWED, VIOLATION, ALLOWED]


def test_a_bare_id_is_no_repository_called_sha256(place: Place) -> None:
    """CRI tells the first name that the image has here, which is no answer to what was asked for: approve digests."""
    image = make_image("by id")
    reference = place.push(image, "bare/app")
    place.node.cri.pull(reference)
    observation = place.start(image.config_digest, pull=False)
    assert observation.requested in {reference, None}
    assert verdict(observation, allow(images=["sha256", "docker.io/**"])).result is VIOLATION
    assert verdict(observation, allow(digests=[image.config_digest])).trust is Trust.DIGEST


def test_an_upper_case_host_is_the_same_host(place: Place) -> None:
    image = make_image("upper")
    place.push(image, "upper/app")
    place.called("Trusted.Example")
    observation = place.start("Trusted.Example/upper/app:1")
    assert str(observation.reference) == "trusted.example/upper/app:1"
    assert verdict(observation, allow(images=["trusted.example/upper/*"])).result is ALLOWED
    assert verdict(observation, deny(images=["TRUSTED.example/upper/*"])).result is VIOLATION


@pytest.mark.parametrize("written", ["nginx:1", "docker.io/nginx:1", "docker.io/library/nginx:1"])
def test_docker_hubs_nginx_is_one_image_however_it_is_written(place: Place, written: str) -> None:
    image = make_image("nginx")
    place.push(image, "library/nginx")
    place.called("docker.io")
    observation = place.start(written)
    assert str(observation.reference) == "docker.io/library/nginx:1"
    for pattern in ("nginx", "docker.io/nginx", "docker.io/library/nginx", "docker.io/library/*"):
        assert verdict(observation, allow(images=[pattern], digests=[image.root.digest])).trust is Trust.DIGEST
        assert verdict(observation, deny(images=[pattern])).result is VIOLATION


def test_a_tag_that_is_moved_between_two_starts(place: Place) -> None:
    history: TagHistory | None = None
    found = []
    for mark in ("before", "before", "after"):
        observation = place.start(place.push(make_image(mark), "moving/app"))
        history = record(history, observation)
        tag = tag_of(observation)
        assert tag is not None
        assert history is not None
        ledger = Ledger(start=observation.identity, histories={tag: history})
        found.append(verdict(observation, history=ledger, tags={"tagMoved": "Violation"}))
    assert [each.result for each in found] == [UNMATCHED, UNMATCHED, VIOLATION]
    assert found[-1].moved == (make_image("before").root.digest,)


def run_when_shown(place: Place, reference: str) -> str:
    """Run an image that CRI did not pull itself, once it has heard of it."""

    def started() -> str | None:
        try:
            return place.run(reference)
        except grpc.RpcError:
            return None

    return wait_until(started, f"CRI shows {reference}")
