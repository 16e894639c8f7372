"""The race, on a clock that tests wind: who is asked when, and what ends a question."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from itertools import count

import pytest

from rollcall.record import Resolution, Runtime
from rollcall_agent.derive.candidate import ContainerCandidate
from rollcall_agent.enrich.counters import Counters
from rollcall_agent.enrich.facts import Answer, Facts, Miss, Question
from rollcall_agent.enrich.race import BY_ID, Race
from rollcall_agent.enrich.schedule import GIVE_UP_NS, MILLISECOND, SECOND

MISS = Miss(reason="NotFound", message="not here")


class Alarm:
    def __init__(self, when: int, callback: Callable[[], object]) -> None:
        self.when, self.callback, self.off = when, callback, False

    def cancel(self) -> None:
        self.off = True


class HandClock:
    """Time that stands still until a test winds it on."""

    def __init__(self) -> None:
        self.ns = 1_000 * SECOND
        self._alarms: list[tuple[int, int, Alarm]] = []
        self._order = count()

    def now(self) -> int:
        return self.ns

    def call_at(self, when_ns: int, callback: Callable[[], object]) -> Alarm:
        alarm = Alarm(when_ns, callback)
        heapq.heappush(self._alarms, (when_ns, next(self._order), alarm))
        return alarm

    async def wind(self, ns: int) -> None:
        end = self.ns + ns
        await settle()
        while self._alarms and self._alarms[0][0] <= end:
            when, _, alarm = heapq.heappop(self._alarms)
            self.ns = max(self.ns, when)
            if not alarm.off:
                alarm.callback()
                await settle()
        self.ns = end
        await settle()


async def settle() -> None:
    """Let every task go on as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


class Scripted:
    """A runtime that answers as `answer` says, at once unless `gate` is closed."""

    def __init__(self, name: str, clock: HandClock) -> None:
        self.name = name
        self.by_id: list[tuple[int, int]] = []
        self.lists: list[tuple[int, list[int]]] = []
        self.answer: Callable[[Question], Answer] = lambda _: MISS
        self.gate = asyncio.Event()
        self.gate.set()
        self._clock = clock

    def matches(self, hint: str) -> bool:
        return hint == self.name

    async def ask(self, question: Question) -> Answer:
        self.by_id.append((self._clock.now(), question.key))
        await self.gate.wait()
        return self.answer(question)

    async def ask_many(self, questions: Sequence[Question]) -> dict[int, asyncio.Future[Answer]]:
        self.lists.append((self._clock.now(), [question.key for question in questions]))
        await self.gate.wait()
        answers: dict[int, asyncio.Future[Answer]] = {}
        for question in questions:
            answers[question.key] = asyncio.get_running_loop().create_future()
            answers[question.key].set_result(self.answer(question))
        return answers


class Stand:
    """A race with its clock, its runtimes and its answers."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.answers: dict[int, tuple[int, Facts]] = {}
        self.counters = Counters()
        self.race = Race(self.clock, self._answered, self.counters)

    def _answered(self, key: int, facts: Facts) -> None:
        assert key not in self.answers
        self.answers[key] = (self.clock.now(), facts)

    def runtime(self, name: str) -> Scripted:
        made = Scripted(name, self.clock)
        self.race.add(name, made)
        return made

    def ask(self, key: int, runtime: str = "", **candidate: object) -> None:
        proposed = ContainerCandidate(container_id=f"{key:064x}", runtime=runtime, **candidate)  # type: ignore[arg-type]
        self.race.ask(Question(key=key, candidate=proposed, cgroup_id=1, noticed_ns=self.clock.now()))


@pytest.fixture
def stand() -> Stand:
    return Stand()


def resolved(name: str) -> Callable[[Question], Answer]:
    return lambda _: Facts(resolution=Resolution.RESOLVED, runtime=Runtime(name=name))


async def test_the_first_answer_wins_and_is_the_only_one(stand: Stand) -> None:
    slow, quick = stand.runtime("slow"), stand.runtime("quick")
    slow.gate.clear()
    slow.answer, quick.answer = resolved("slow"), resolved("quick")
    stand.ask(1)
    await stand.clock.wind(0)
    assert stand.answers[1][1].runtime.name == "quick"
    slow.gate.set()
    await stand.clock.wind(SECOND)
    assert stand.counters.late == 1
    assert stand.race.waiting == 0


async def test_the_hinted_runtime_is_asked_first(stand: Stand) -> None:
    crio, other = stand.runtime("crio"), stand.runtime("other")
    stand.ask(1, "crio")
    await stand.clock.wind(10 * MILLISECOND)
    assert (len(crio.by_id), len(other.by_id)) == (1, 0)
    await stand.clock.wind(20 * MILLISECOND)
    assert other.by_id


async def test_an_unknown_id_is_unresolved_after_a_minute(stand: Stand) -> None:
    runtime = stand.runtime("containerd")
    begun = stand.clock.now()
    stand.ask(1, "containerd", pod_uid="u")
    await stand.clock.wind(GIVE_UP_NS - 1)
    assert not stand.answers
    await stand.clock.wind(1)
    when, facts = stand.answers[1]
    assert when - begun == GIVE_UP_NS
    assert (facts.resolution, facts.reason, facts.pod.uid) == (Resolution.UNRESOLVED, "NotFound", "u")
    assert facts.runtime.name == "containerd"
    assert 30 < len(runtime.by_id) < 50
    assert stand.counters.retries.total() == len(runtime.by_id) - 1


async def test_more_than_a_few_share_one_list(stand: Stand) -> None:
    runtime = stand.runtime("containerd")
    for key in range(BY_ID):
        stand.ask(key)
    await stand.clock.wind(0)
    assert (len(runtime.by_id), len(runtime.lists)) == (BY_ID, 0)
    stand.ask(BY_ID)
    await stand.clock.wind(20 * MILLISECOND)
    assert [sorted(keys) for _, keys in runtime.lists] == [list(range(BY_ID + 1))]
    before = len(runtime.by_id)
    await stand.clock.wind(100 * MILLISECOND)
    assert len(runtime.by_id) == before
    assert all(len(keys) == BY_ID + 1 for _, keys in runtime.lists)


async def test_first_tries_stand_before_retries(stand: Stand) -> None:
    runtime = stand.runtime("containerd")
    for key in range(20):
        stand.ask(key)
    await stand.clock.wind(MILLISECOND)
    runtime.lists.clear()
    stand.clock.ns += 25 * MILLISECOND  # the loop was busy: retries have been due for a while
    stand.ask(99)
    await stand.clock.wind(0)
    asked = [key for _, key in runtime.by_id] + [key for _, keys in runtime.lists for key in keys]
    assert asked[0] == 99


async def test_a_list_under_way_holds_up_no_first_try(stand: Stand) -> None:
    runtime = stand.runtime("containerd")
    runtime.gate.clear()
    for key in range(50):
        stand.ask(key)
    await stand.clock.wind(0)
    assert len(runtime.lists) == 1
    stand.ask(99)
    await stand.clock.wind(0)
    assert [key for _, key in runtime.by_id] == [99]


async def test_a_flood_is_asked_about_in_parts(stand: Stand) -> None:
    runtime = stand.runtime("containerd")
    for key in range(2000):
        stand.ask(key)
    await stand.clock.wind(100 * MILLISECOND)
    assert max(len(keys) for _, keys in runtime.lists) <= 512
    assert {key for _, keys in runtime.lists for key in keys} == set(range(2000))


async def test_a_hung_runtime_delays_nobody_elses_answers(stand: Stand) -> None:
    hung, well = stand.runtime("hung"), stand.runtime("well")
    hung.gate.clear()
    seen = stand.clock.now() + 40 * MILLISECOND
    well.answer = lambda question: resolved("well")(question) if stand.clock.now() >= seen else MISS
    for key in range(100):
        stand.ask(key)
    await stand.clock.wind(45 * MILLISECOND)
    assert len(stand.answers) == 100
    assert len(hung.by_id) + len(hung.lists) <= BY_ID + 1


async def test_a_hung_runtime_is_the_reason_in_the_end(stand: Stand) -> None:
    hung, _ = stand.runtime("hung"), stand.runtime("well")
    hung.gate.clear()
    stand.ask(1)
    await stand.clock.wind(GIVE_UP_NS)
    assert stand.answers[1][1].reason == "RuntimeHung"


async def test_a_runtime_that_appears_is_asked_at_once(stand: Stand) -> None:
    stand.ask(1)
    await stand.clock.wind(7 * SECOND)
    late = stand.runtime("late")
    late.answer = resolved("late")
    await stand.clock.wind(0)
    assert stand.answers[1][1].runtime.name == "late"


async def test_a_runtime_that_comes_back_is_asked_again(stand: Stand) -> None:
    first = stand.runtime("containerd")
    stand.ask(1)
    await stand.clock.wind(SECOND)
    stand.race.remove("containerd")
    asked = len(first.by_id)
    await stand.clock.wind(3 * SECOND)
    assert len(first.by_id) == asked
    stand.runtime("containerd").answer = resolved("containerd")
    await stand.clock.wind(0)
    assert stand.answers[1][1].resolution is Resolution.RESOLVED


async def test_nobody_there_is_unavailable(stand: Stand) -> None:
    stand.ask(1)
    await stand.clock.wind(GIVE_UP_NS)
    assert stand.answers[1][1].reason == "RuntimeUnavailable"


async def test_what_is_nested_is_asked_once(stand: Stand) -> None:
    one, other = stand.runtime("one"), stand.runtime("other")
    stand.ask(1, nested_below="f" * 64)
    await stand.clock.wind(0)
    facts = stand.answers[1][1]
    assert facts.resolution is Resolution.NESTED
    assert "f" * 64 in (facts.message or "")
    assert (len(one.by_id), len(other.by_id)) == (1, 1)


async def test_what_is_nested_waits_for_a_runtime_that_is_being_found(stand: Stand) -> None:
    stand.race.expect("one")
    stand.ask(1, nested_below="f" * 64)
    await stand.clock.wind(0)
    assert not stand.answers
    stand.runtime("one").answer = resolved("one")
    await stand.clock.wind(0)
    assert stand.answers[1][1].resolution is Resolution.RESOLVED


@pytest.mark.parametrize(
    ("hint", "resolution", "reason"),
    [
        ("docker", Resolution.UNRESOLVED, "DockerUnavailable"),
        ("podman", Resolution.NO_RUNTIME_API, "PodmanAPINeeded"),
    ],
)
async def test_anothers_api_is_needed(stand: Stand, hint: str, resolution: Resolution, reason: str) -> None:
    runtime = stand.runtime("containerd")
    stand.ask(1, hint)
    await stand.clock.wind(3 * SECOND)
    facts = stand.answers[1][1]
    assert (facts.resolution, facts.reason) == (resolution, reason)
    assert len(runtime.by_id) == 1


async def test_docker_is_asked_again_and_others_once_about_what_is_dockers(stand: Stand) -> None:
    docker, other = stand.runtime("docker"), stand.runtime("containerd")
    stand.ask(1, "docker")
    await stand.clock.wind(SECOND)
    assert not stand.answers
    assert len(docker.by_id) > 1
    assert len(other.by_id) == 1
    docker.answer = resolved("docker")
    await stand.clock.wind(2 * SECOND)
    assert stand.answers[1][1].runtime.name == "docker"


async def test_what_docker_does_not_know_to_the_end_is_not_found(stand: Stand) -> None:
    stand.runtime("docker"), stand.runtime("containerd")
    stand.ask(1, "docker")
    await stand.clock.wind(GIVE_UP_NS)
    assert stand.answers[1][1].reason == "NotFound"


async def test_a_docker_that_goes_leaves_nobody_to_ask(stand: Stand) -> None:
    stand.runtime("docker"), stand.runtime("containerd")
    stand.ask(1, "docker")
    await stand.clock.wind(5 * SECOND)
    stand.race.remove("docker")
    assert stand.answers[1][1].reason == "DockerUnavailable"


async def test_a_docker_that_comes_back_soon_answers_first(stand: Stand) -> None:
    stand.runtime("docker"), stand.runtime("containerd")
    stand.race.remove("docker")
    stand.ask(1, "docker")
    await stand.clock.wind(2 * SECOND)
    assert not stand.answers
    stand.runtime("docker").answer = resolved("docker")
    await stand.clock.wind(0)
    assert stand.answers[1][1].resolution is Resolution.RESOLVED


async def test_makers_without_an_api_are_not_asked_about(stand: Stand) -> None:
    runtime = stand.runtime("containerd")
    stand.ask(1, "lxc", maker_has_api=False)
    assert stand.answers[1][1].resolution is Resolution.NO_RUNTIME_API
    await stand.clock.wind(SECOND)
    assert not runtime.by_id


async def test_a_partial_answer_is_kept_for_the_end(stand: Stand) -> None:
    runtime = stand.runtime("containerd")
    partial = Facts(resolution=Resolution.PARTIAL, reason="RuntimeHung")
    runtime.answer = lambda _: Miss(reason="RuntimeHung", message="", partial=partial)
    stand.ask(1)
    await stand.clock.wind(GIVE_UP_NS)
    assert stand.answers[1][1] is partial


async def test_what_is_not_worth_another_try_ends_at_once(stand: Stand) -> None:
    runtime = stand.runtime("containerd")
    runtime.answer = lambda _: Miss(reason="InvalidQuestion", message="", again=False)
    stand.ask(1)
    await stand.clock.wind(0)
    assert stand.answers[1][1].reason == "InvalidQuestion"


async def test_after_close_there_are_no_answers(stand: Stand) -> None:
    stand.runtime("containerd").gate.clear()
    stand.ask(1)
    await stand.clock.wind(0)
    stand.race.close()
    await stand.clock.wind(GIVE_UP_NS)
    assert not stand.answers
