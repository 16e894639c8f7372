"""Runtimes that fail in every way, scripted: each start still ends with an answer, and nobody else's waits for it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lab.scripted_cri import Scripted, ScriptedCri, verbose
from rollcall.record import Resolution
from rollcall_agent.derive.candidate import ContainerCandidate
from rollcall_agent.enrich import channel
from rollcall_agent.enrich.enricher import Enricher
from rollcall_agent.enrich.facts import Facts, Listing, Question
from rollcall_agent.enrich.proto import cri_pb2 as pb

A, B, C, SANDBOX = "a" * 64, "b" * 64, "c" * 64, "5" * 64
CONFIG, INDEX = "sha256:" + "1" * 64, "sha256:" + "2" * 64
UID = "8c0a7b8e-0000-4000-8000-000000000001"
SECOND = 1_000_000_000


class Desk:
    """An enricher and what it said."""

    def __init__(self, *paths: Path) -> None:
        self.answers: dict[int, Facts] = {}
        self.listings: dict[str, Listing] = {}
        self.backs: list[str] = []
        self.enricher = Enricher(
            [str(path) for path in paths],
            on_answer=self._answered,
            on_listing=self.listings.__setitem__,
            on_back=self.backs.append,
            usual=(),
        )

    def _answered(self, key: int, facts: Facts) -> None:
        assert key not in self.answers, "a question is answered once"
        self.answers[key] = facts

    def ask(self, key: int, container_id: str, *, age: int = 0, runtime: str = "", nested: str | None = None) -> None:
        candidate = ContainerCandidate(container_id=container_id, runtime=runtime, pod_uid=UID, nested_below=nested)
        noticed = time.monotonic_ns() - age * SECOND
        self.enricher.ask(Question(key=key, candidate=candidate, cgroup_id=1, noticed_ns=noticed))

    async def answer(self, key: int) -> Facts:
        await until(lambda: key in self.answers)
        return self.answers[key]


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - conditions of any kind, no event tells of them
            await asyncio.sleep(0.005)


@asynccontextmanager
async def desk(*paths: Path, answering: int | None = None) -> AsyncIterator[Desk]:
    """Run an enricher, from when so many of its runtimes have answered."""
    made = Desk(*paths)
    running = asyncio.ensure_future(made.enricher.run())
    try:
        await until(lambda: len(made.backs) >= (len(paths) if answering is None else answering))
        yield made
    finally:
        running.cancel()
        await made.enricher.close()


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "CALL_SECONDS", 0.5)
    monkeypatch.setattr(channel, "LIST_SECONDS", 0.5)


def image(*repo_digests: str) -> pb.Image:
    return pb.Image(id=CONFIG, repo_digests=repo_digests)


def shop(runtime: ScriptedCri, container_id: str = A, **changes: object) -> Scripted:
    """A pod with a container, whole and true."""
    runtime.images["shop"] = image(f"registry.example/shop@{INDEX}")
    info = verbose(
        sandboxID=SANDBOX, config={"image": {"image": CONFIG, "user_specified_image": "registry.example/shop:1"}}
    )
    runtime.add(Scripted(SANDBOX, sandbox=True, uid=UID, info=verbose(image="registry.example/shop:1")))
    container = Scripted(container_id, image_id=CONFIG, info=info)
    for name, value in changes.items():
        setattr(container, name, value)
    runtime.add(container)
    return container


async def test_a_runtime_without_containerds_services_answers_in_full(tmp_path: Path) -> None:
    async with ScriptedCri(tmp_path / "crio.sock") as crio, desk(crio.path) as asked:
        shop(crio)
        asked.ask(1, A, runtime="crio")
        facts = await asked.answer(1)
        assert facts.resolution is Resolution.RESOLVED
        assert facts.runtime.name == "cri-o"
        assert facts.image.digest == INDEX
        assert [digest.kind for digest in facts.image.digests] == ["repository", "config"]
        assert (facts.pod.name, facts.pod.uid, facts.pod.sandbox) == ("shop", UID, False)
        asked.ask(2, SANDBOX, runtime="crio")
        assert (await asked.answer(2)).pod.sandbox is True


async def test_a_hung_runtime_delays_nobody(tmp_path: Path) -> None:
    async with (
        ScriptedCri(tmp_path / "hung.sock") as hung,
        ScriptedCri(tmp_path / "well.sock") as well,
        desk(hung.path, well.path) as asked,
    ):
        hung.hung |= {"ContainerStatus", "ListContainers", "PodSandboxStatus", "ListPodSandbox"}
        shop(well)
        for key in range(40):
            asked.ask(key, A)
        await until(lambda: len(asked.answers) == 40, seconds=channel.CALL_SECONDS)
        await asked.enricher.list_all()
        assert asked.listings[str(well.path)].error is None
        assert asked.listings[str(hung.path)].error is not None


async def test_a_hung_runtime_is_named_in_the_end(tmp_path: Path) -> None:
    async with ScriptedCri(tmp_path / "hung.sock") as hung, desk(hung.path) as asked:
        hung.hung.add("ContainerStatus")
        asked.ask(1, A, age=58)
        facts = await asked.answer(1)
        assert (facts.resolution, facts.reason) == (Resolution.UNRESOLVED, "RuntimeHung")
        assert facts.pod.uid == UID
        assert asked.enricher.counters.errors[str(hung.path)]["RuntimeHung"] > 0


async def test_a_socket_where_nobody_answers_is_unavailable(tmp_path: Path) -> None:
    dead = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(dead))
    async with desk(tmp_path / "absent.sock", dead, answering=0) as asked:
        asked.ask(1, A, age=60)
        assert (await asked.answer(1)).reason == "RuntimeUnavailable"
        asked.ask(2, B, nested=A)
        facts = await asked.answer(2)
        assert facts.resolution is Resolution.NESTED


async def test_slower_than_the_deadline_is_hung(tmp_path: Path) -> None:
    async with ScriptedCri(tmp_path / "slow.sock") as slow, desk(slow.path) as asked:
        slow.seconds = 30.0
        asked.ask(1, A, age=58)
        assert (await asked.answer(1)).reason == "RuntimeHung"


async def test_what_is_shown_later_is_found_by_retries(tmp_path: Path) -> None:
    async with ScriptedCri(tmp_path / "crio.sock") as crio, desk(crio.path) as asked:
        asked.ask(1, A)
        await until(lambda: crio.calls["ContainerStatus"] > 2)
        shop(crio)
        assert (await asked.answer(1)).resolution is Resolution.RESOLVED
        assert asked.enricher.counters.retries.total() > 0


async def test_a_restart_in_a_burst_loses_no_answer(tmp_path: Path) -> None:
    async with ScriptedCri(tmp_path / "crio.sock") as crio, desk(crio.path) as asked:
        ids = [f"{number:064x}" for number in range(60)]
        for key, container_id in enumerate(ids):
            asked.ask(key, container_id)
        await until(lambda: crio.calls["ListContainers"] > 0)
        await crio.stop()
        await until(lambda: not asked.enricher.runtimes)
        for container_id in ids:
            shop(crio, container_id)
        await crio.start()
        await until(lambda: len(asked.answers) == 60)
        assert {facts.resolution for facts in asked.answers.values()} == {Resolution.RESOLVED}
        assert asked.backs == [str(crio.path)] * 2


async def test_many_are_asked_by_list(tmp_path: Path) -> None:
    async with ScriptedCri(tmp_path / "crio.sock") as crio, desk(crio.path) as asked:
        for number in range(200):
            asked.ask(number, f"{number:064x}")
        await until(lambda: asked.enricher.counters.retries.total() > 1000)
        assert crio.calls["ContainerStatus"] == 0
        shop(crio, f"{7:064x}")
        await asked.answer(7)
        assert crio.calls["ContainerStatus"] == 1


@pytest.mark.parametrize(
    ("method", "data", "reason"),
    [
        pytest.param("ContainerStatus", b"\xff\xff\xff\xff", "MalformedAnswer", id="malformed"),
        pytest.param("ContainerStatus", b"\x0a\x03\x0a\x01\xff", "MalformedAnswer", id="no UTF-8 in an id"),
        pytest.param("ContainerStatus", b"", "WrongID", id="empty"),
        pytest.param("ContainerStatus", b"\x12" + bytes(17 << 20), "OversizedAnswer", id="oversized"),
    ],
)
async def test_an_answer_that_is_none_ends_with_a_reason(tmp_path: Path, method: str, data: bytes, reason: str) -> None:
    async with ScriptedCri(tmp_path / "bad.sock") as bad, desk(bad.path) as asked:
        bad.raw[method] = data
        asked.ask(1, A, age=59)
        facts = await asked.answer(1)
        assert (facts.resolution, facts.reason) == (Resolution.UNRESOLVED, reason)


async def test_another_containers_answer_is_not_believed(tmp_path: Path) -> None:
    async with ScriptedCri(tmp_path / "liar.sock") as liar, desk(liar.path) as asked:
        shop(liar, answers_as=B)
        asked.ask(1, A, age=59)
        assert (await asked.answer(1)).reason == "WrongID"


async def test_a_prefix_is_no_answer_of_a_list(tmp_path: Path) -> None:
    async with ScriptedCri(tmp_path / "crio.sock") as crio, desk(crio.path) as asked:
        shop(crio, A + "a")
        asked.ask(1, A, age=59)
        assert (await asked.answer(1)).reason == "WrongID"


@pytest.mark.parametrize(
    "info", ["", "null", "{", "[]", '{"sandboxID": 7}', '{"runtimeSpec": {"annotations": []}}', "[" * 5000]
)
async def test_no_key_of_the_verbose_answer_is_needed(tmp_path: Path, info: str) -> None:
    async with ScriptedCri(tmp_path / "crio.sock") as crio, desk(crio.path) as asked:
        labels = {b"io.kubernetes.pod.uid": UID.encode(), b"io.kubernetes.pod.name": b"shop"}
        shop(crio, info=info, labels=labels)
        asked.ask(1, A)
        facts = await asked.answer(1)
        assert (facts.resolution, facts.reason) == (Resolution.PARTIAL, "SandboxUnknown")
        assert facts.pod.name == "shop"
        assert (facts.image.digest, facts.image.reason) == (CONFIG, "RequestUnknown")


async def test_another_pods_uid_is_said(tmp_path: Path) -> None:
    async with ScriptedCri(tmp_path / "crio.sock") as crio, desk(crio.path) as asked:
        shop(crio)
        crio.containers[SANDBOX].uid = "11111111-0000-4000-8000-000000000001"
        asked.ask(1, A)
        facts = await asked.answer(1)
        assert (facts.resolution, facts.reason) == (Resolution.PARTIAL, "PodUIDMismatch")


async def test_labels_that_are_no_utf8_cost_nothing_else(tmp_path: Path) -> None:
    async with ScriptedCri(tmp_path / "crio.sock") as crio, desk(crio.path) as asked:
        shop(crio, labels={b"\xff": b"\xfe", b"app": b"x" * 1_000_000})
        asked.ask(1, A)
        facts = await asked.answer(1)
        assert facts.resolution is Resolution.RESOLVED
        assert facts.container.labels["\\xff"] == "\\xfe"
        assert facts.container.labels_truncated


async def test_an_image_that_hangs_leaves_what_is_known_unsaid_only_as_long_as_it_must(tmp_path: Path) -> None:
    async with ScriptedCri(tmp_path / "crio.sock") as crio, desk(crio.path) as asked:
        shop(crio)
        crio.hung.add("ImageStatus")
        asked.ask(1, A, age=58)
        facts = await asked.answer(1)
        assert (facts.resolution, facts.reason) == (Resolution.PARTIAL, "RuntimeHung")
        assert facts.container.name == "web"
        assert facts.pod.name == "shop"


async def test_close_is_soon(tmp_path: Path) -> None:
    async with ScriptedCri(tmp_path / "hung.sock") as hung, desk(hung.path) as asked:
        hung.hung.add("ContainerStatus")
        for number in range(100):
            asked.ask(number, f"{number:064x}")
        await until(lambda: hung.calls)
        async with asyncio.timeout(5):
            await asked.enricher.close()
        assert not asked.answers
