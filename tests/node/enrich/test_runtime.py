"""The enrichment against a real containerd: pods, `ctr`, what is seen at mkdir, restarts, a hung runtime, listings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from lab.cri import Pod
from lab.ctr import Ctr
from lab.node_lab import NodeLab
from rollcall.record import Limit, Resolution
from rollcall_agent.collect.hierarchy import followed_here
from rollcall_agent.derive.candidate import ContainerCandidate
from rollcall_agent.enrich import channel
from rollcall_agent.enrich.enricher import Enricher
from rollcall_agent.enrich.facts import Facts, Listing, Question, State

HEX_ID = 64


class Desk:
    """An enricher of the laboratory's containerd, and what it said."""

    def __init__(self, node: NodeLab) -> None:
        self.answers: dict[str, Facts] = {}
        self.listings: list[Listing] = []
        self.backs: list[str] = []
        self._ids: list[str] = []
        self.enricher = Enricher(
            [node.containerd.endpoint],
            on_answer=self._answered,
            on_listing=lambda _, listing: self.listings.append(listing),
            on_back=self.backs.append,
            usual=(),
        )

    def _answered(self, key: int, facts: Facts) -> None:
        self.answers[self._ids[key]] = facts

    def ask(self, container_id: str, namespace: str | None = None, **candidate: str | None) -> None:
        self._ids.append(container_id)
        proposed = ContainerCandidate(
            container_id=container_id, runtime="containerd", namespace=namespace, pod_uid=candidate.get("uid")
        )
        self.enricher.ask(
            Question(key=len(self._ids) - 1, candidate=proposed, cgroup_id=1, noticed_ns=time.monotonic_ns())
        )

    async def answer(self, container_id: str) -> Facts:
        await until(lambda: container_id in self.answers)
        return self.answers[container_id]

    async def listing(self) -> Listing:
        await self.enricher.list_all()
        return self.listings[-1]


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - conditions of any kind, no event tells of them
            await asyncio.sleep(0.002)


@pytest_asyncio.fixture
async def desk(node: NodeLab) -> AsyncIterator[Desk]:
    made = Desk(node)
    running = asyncio.ensure_future(made.enricher.run())
    await until(lambda: made.backs)
    yield made
    running.cancel()
    await made.enricher.close()


@pytest.fixture
def pod(node: NodeLab) -> Iterator[Pod]:
    made = node.cri.run_pod("runtime", labels={"app": "shop"})
    yield made
    node.cri.remove_pod(made)


@contextmanager
def run_by_ctr(node: NodeLab, container_id: str, ctr: Ctr | None = None) -> Iterator[str]:
    client = ctr or node.ctr
    client.run(node.reference, container_id)
    yield container_id
    client.end(container_id)
    client.remove(container_id)


async def test_a_container_of_a_pod(node: NodeLab, desk: Desk, pod: Pod) -> None:
    container_id = node.cri.create_container(
        pod, "web", node.reference, attempt=3, memory_limit=64 << 20, cpu_quota=50_000
    )
    desk.ask(container_id, uid=pod.uid)
    created = await desk.answer(container_id)
    assert created.resolution is Resolution.RESOLVED
    assert (created.state, created.started_ns) == (State.CREATED, None)
    assert (created.runtime.name, bool(created.runtime.version)) == ("containerd", True)
    assert (created.container.name, created.container.attempt) == ("web", 3)
    assert (created.pod.name, created.pod.namespace, created.pod.uid) == ("runtime", "default", pod.uid)
    assert (created.pod.sandbox, created.pod.sandbox_id, created.pod.labels["app"]) == (False, pod.sandbox_id, "shop")
    assert (created.resources.memory, created.resources.cpu) == (Limit(limit=64 << 20), Limit(limit=500))
    assert created.created_ns is not None


async def test_a_pod_that_the_path_denies(node: NodeLab, desk: Desk, pod: Pod) -> None:
    container_id = node.cri.run_container(pod, "web", node.reference)
    desk.ask(container_id, uid="11111111-2222-4333-8444-555555555555")
    facts = await desk.answer(container_id)
    assert (facts.resolution, facts.reason) == (Resolution.PARTIAL, "PodUIDMismatch")


async def test_a_sandbox_is_known_at_its_mkdir(node: NodeLab, desk: Desk) -> None:
    uid = "7d1b6d4e-0000-4000-8000-000000000007"
    place = followed_here().mount / node.scratch.cgroup_root.lstrip("/") / "kubepods/besteffort" / f"pod{uid}"
    making = asyncio.ensure_future(asyncio.to_thread(node.cri.run_pod, "early", uid=uid, labels={"app": "early"}))
    await until(lambda: any(len(path.name) == HEX_ID for path in directories(place)))
    sandbox_id = next(path.name for path in directories(place) if len(path.name) == HEX_ID)
    desk.ask(sandbox_id, uid=uid)
    facts = await desk.answer(sandbox_id)
    made = await making
    node.cri.remove_pod(made)
    assert sandbox_id == made.sandbox_id
    assert facts.resolution is Resolution.RESOLVED
    assert (facts.pod.sandbox, facts.pod.name, facts.pod.labels["app"]) == (True, "early", "early")


def directories(place: Path) -> list[Path]:
    try:
        return [path for path in place.iterdir() if path.is_dir()]
    except FileNotFoundError:
        return []


async def test_a_burst_of_ctr_is_answered_by_lists(node: NodeLab, desk: Desk) -> None:
    ids = [f"burst-{number}" for number in range(30)]
    for one in ids:
        node.ctr("containers", "create", "--snapshotter", node.containerd.snapshotter, node.reference, one)
    for one in ids:
        desk.ask(one, node.ctr.namespace)
    await until(lambda: len(desk.answers) == len(ids))
    for one in ids:
        node.ctr.remove(one)
    assert {facts.container.name for facts in desk.answers.values()} == set(ids)
    assert {facts.resolution for facts in desk.answers.values()} == {Resolution.RESOLVED}
    assert desk.enricher.counters.lists >= 1


async def test_a_namespace_that_the_path_does_not_show_is_found(node: NodeLab, desk: Desk) -> None:
    with run_by_ctr(node, "anywhere"):
        await desk.enricher.refresh_namespaces()
        assert node.ctr.namespace in desk.enricher.namespaces()
        desk.ask("anywhere")
        assert (await desk.answer("anywhere")).container.name == "anywhere"


async def test_dockers_namespace_needs_dockers_api(node: NodeLab, desk: Desk) -> None:
    docker, container_id = Ctr(node.containerd, "moby"), "d" * HEX_ID
    docker.pull(node.reference)
    docker("containers", "create", "--snapshotter", node.containerd.snapshotter, node.reference, container_id)
    await desk.enricher.refresh_namespaces()
    desk.ask(container_id)
    facts = await desk.answer(container_id)
    docker.remove(container_id)
    assert (facts.resolution, facts.reason) == (Resolution.UNRESOLVED, "DockerUnavailable")


async def test_a_restart_loses_no_answer(node: NodeLab, desk: Desk, pod: Pod) -> None:
    ids = [node.cri.run_container(pod, f"c{number}", node.reference) for number in range(5)]
    node.containerd.kill()
    for one in ids:
        desk.ask(one, uid=pod.uid)
    await asyncio.to_thread(node.containerd.start)
    await until(lambda: len(desk.answers) == len(ids))
    assert {facts.resolution for facts in desk.answers.values()} == {Resolution.RESOLVED}
    await until(lambda: len(desk.backs) == 2)


async def test_a_frozen_runtime_answers_once_it_goes_on(
    node: NodeLab, desk: Desk, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "CALL_SECONDS", 0.3)
    monkeypatch.setattr(channel, "LIST_SECONDS", 0.3)
    container_id = node.cri.run_container(pod, "web", node.reference)
    node.containerd.freeze()
    try:
        desk.ask(container_id, uid=pod.uid)
        await until(lambda: desk.enricher.counters.retries)
        assert (await desk.listing()).error is not None
    finally:
        node.containerd.thaw()
    assert (await desk.answer(container_id)).resolution is Resolution.RESOLVED
    assert desk.enricher.counters.errors[str(node.containerd.socket)]["RuntimeHung"] > 0


async def test_a_listing_has_everything_that_runs(node: NodeLab, desk: Desk, pod: Pod) -> None:
    made = node.cri.create_container(pod, "made", node.reference)
    runs = node.cri.run_container(pod, "runs", node.reference)
    ended = node.cri.run_container(pod, "ended", node.reference)
    node.cri.stop_container(ended)
    with run_by_ctr(node, "listed"):
        listing = await desk.listing()
    assert listing.error is None
    items = {each.container_id: each for each in listing.items}
    states = {made: State.CREATED, runs: State.RUNNING, ended: State.EXITED, pod.sandbox_id: State.RUNNING}
    assert {one: items[one].state for one in states} == states
    assert {one: items[one].sandbox for one in states} == {one: one == pod.sandbox_id for one in states}
    assert items["listed"].state is State.RUNNING
    assert (items["listed"].namespace, items["listed"].cgroups_path) == (
        node.ctr.namespace,
        node.ctr.cgroup("listed"),
    )
    assert all(items[one].pid for one in (runs, pod.sandbox_id, "listed"))
    assert items[ended].pid is None
    assert all(items[one].created_ns for one in (*states, "listed"))
