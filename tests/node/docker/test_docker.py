"""`rollcall watch` and `rollcall ps` on a machine with Docker alone: each start one record, with its image."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import pytest

from lab.images import make_image, make_index
from lab.waiting import wait_until
from lab.watching import closed_books, losses, rollcall, rows_of
from rollcall.record import ContainerCreate, DigestKind, ImageDigest, Limit, Origin, Resolution
from rollcall_agent.collect.hierarchy import followed_here

if TYPE_CHECKING:
    from pathlib import Path

    from lab.images import Image
    from lab.watching import Watch
    from node.docker.conftest import Begin, DockerLab

AT_ONCE = 4


def digests(record: ContainerCreate) -> dict[str, tuple[DigestKind, str | None]]:
    return {each.digest: (each.kind, each.repository) for each in record.image.digests}


def seen(watch: Watch, container_id: str) -> ContainerCreate:
    return watch.printed([container_id])[container_id]


def ran(watch: Watch, lab: DockerLab, reference: str, **options: object) -> ContainerCreate:
    return seen(watch, lab.docker.run(reference, **options))


@pytest.fixture
def watch(begin: Begin, lab: DockerLab) -> Watch:
    return begin().answered_by(lab.docker.socket)


def push_index(lab: DockerLab, repository: str, mark: str) -> tuple[Image, Image]:
    image = make_image(mark)
    index = make_index([image, make_image(mark, architecture="mips64le")])
    lab.registry.push(index, repository, "1")
    return index, image


def test_a_container_is_known_in_full(watch: Watch, lab: DockerLab, journal: Path) -> None:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web", "x": "y" * 1000}
    container_id = lab.docker.run(
        lab.reference, name="shop-web-1", labels=labels, Memory=64 << 20, NanoCpus=1_500_000_000
    )
    record = seen(watch, container_id)
    assert (record.resolution, record.reason, record.origin) == (Resolution.RESOLVED, None, Origin.KERNEL)
    assert (record.runtime.name, (record.runtime.version or "")[0].isdigit()) == ("docker", True)
    assert (record.container.name, record.container.attempt) == ("shop-web-1", None)
    assert record.container.labels["com.docker.compose.service"] == "web"
    assert (len(record.container.labels["x"]), record.container.labels_truncated) == (256, True)
    assert (record.pod.name, record.pod.uid, record.pod.sandbox) == (None, None, False)
    assert (record.image.requested, record.image.reason) == (lab.reference, None)
    assert record.image.digest == lab.image.root.digest
    assert record.image.id == lab.image.config_digest
    assert digests(record) == {
        lab.image.root.digest: (DigestKind.REPOSITORY, lab.reference.removesuffix(":1")),
        lab.image.config_digest: (DigestKind.CONFIG, None),
    }
    assert record.resources.memory == Limit(limit=64 << 20)
    assert record.resources.cpu == Limit(limit=1500)
    assert record.resources.source == "docker.hostConfig"
    assert watch.stop() == 0
    assert [len(found) for found in rows_of(journal, [container_id]).values()] == [1]
    assert losses(closed_books(journal)) == 0


def test_no_limits_are_unlimited_and_a_quota_is_one(watch: Watch, lab: DockerLab) -> None:
    free = ran(watch, lab, lab.reference).resources
    assert (free.memory, free.cpu) == (Limit(unlimited=True), Limit(unlimited=True))
    quota = ran(watch, lab, lab.reference, CpuQuota=25_000, CpuPeriod=50_000).resources
    assert (quota.memory, quota.cpu) == (Limit(unlimited=True), Limit(limit=500))


def test_swarm_labels_are_kept(watch: Watch, lab: DockerLab) -> None:
    labels = {"com.docker.swarm.service.name": "shop_web", "com.docker.swarm.task.id": "x1"}
    assert ran(watch, lab, lab.reference, labels=labels).container.labels == labels


def test_labels_of_an_image_make_no_pod(watch: Watch, lab: DockerLab) -> None:
    forged = {
        "io.kubernetes.docker.type": "podsandbox",
        "io.kubernetes.pod.name": "web",
        "io.kubernetes.pod.namespace": "kube-system",
        "io.kubernetes.pod.uid": "8c0a7b8e-0000-4000-8000-000000000001",
    }
    lab.docker.load(make_image("forged", labels=forged), "forged:1")
    record = ran(watch, lab, "forged:1", name="forged")
    assert record.container.labels.items() >= forged.items()
    assert (record.pod.name, record.pod.uid, record.pod.sandbox) == (None, None, False)
    assert record.container.name == "forged"


def test_an_index_is_known_by_its_own_digest(watch: Watch, lab: DockerLab) -> None:
    index, image = push_index(lab, "lab/multi", "multi")
    reference = f"{lab.registry.address}/lab/multi:1"
    lab.docker.pull(reference)
    record = ran(watch, lab, reference)
    assert (record.image.digest, record.image.reason) == (index.root.digest, None)
    assert record.image.id == image.config_digest


def test_asked_for_by_digest(watch: Watch, lab: DockerLab) -> None:
    by_digest = f"{lab.registry.address}/lab/shop@{lab.image.root.digest}"
    record = ran(watch, lab, by_digest)
    assert (record.image.requested, record.image.digest) == (by_digest, lab.image.root.digest)
    assert record.image.reference is not None
    assert record.image.reference.digest == lab.image.root.digest


def test_a_name_that_was_never_pulled_has_no_repository_digest(watch: Watch, lab: DockerLab) -> None:
    lab.docker.tag(lab.reference, "evil.example/shop", "1")
    record = ran(watch, lab, "evil.example/shop:1")
    assert record.image.requested == "evil.example/shop:1"
    assert (record.image.digest, record.image.reason) == (lab.image.config_digest, "NoRepositoryDigest")
    assert digests(record)[lab.image.root.digest] == (DigestKind.REPOSITORY, f"{lab.registry.address}/lab/shop")


def test_a_tag_that_moves_leaves_the_old_container_its_image(watch: Watch, lab: DockerLab) -> None:
    reference = f"{lab.registry.address}/lab/moving:1"
    first, second = make_image("first"), make_image("second")
    found = []
    for image in (first, second):
        lab.registry.push(image, "lab/moving", "1")
        lab.docker.pull(reference)
        found.append(lab.docker.run(reference))
    printed = watch.printed(found)
    assert [printed[each].image.digest for each in found] == [first.root.digest, second.root.digest]
    assert {printed[each].image.requested for each in found} == {reference}
    lab.docker.restart(found[0])
    watch.until(lambda: sum(each.container_id == found[0] for each in watch.read()) == 2, "the restart is printed")
    assert watch.printed(found)[found[0]].image.digest == first.root.digest


def test_an_import_has_no_repository_digest(watch: Watch, lab: DockerLab) -> None:
    image = make_image("imported")
    lab.docker.load(image, "registry.example/imported:1")
    record = ran(watch, lab, "registry.example/imported:1")
    assert record.resolution is Resolution.RESOLVED
    assert (record.image.digest, record.image.reason) == (image.config_digest, "NoRepositoryDigest")
    assert record.image.digests == (
        ImageDigest(digest=image.config_digest, kind=DigestKind.CONFIG, source="docker.container"),
    )


@pytest.mark.parametrize("length", [71, 64, 12])
def test_asked_for_by_an_id_it_has_no_name(watch: Watch, lab: DockerLab, length: int) -> None:
    asked = lab.image.config_digest if length == 71 else lab.image.config_digest.removeprefix("sha256:")[:length]
    record = ran(watch, lab, asked)
    assert record.image.requested == asked
    assert record.image.reference is None
    assert (record.image.digest, record.image.reason) == (lab.image.config_digest, "NoRepositoryDigest")


def test_a_removed_image_is_known_by_its_id(watch: Watch, lab: DockerLab) -> None:
    image = make_image("removed")
    lab.docker.load(image, "removed:1")
    container_id = lab.docker.create("removed:1")
    lab.docker.remove_image("removed:1")
    lab.docker.start_container(container_id)
    record = seen(watch, container_id)
    assert (record.image.requested, record.image.digest) == ("removed:1", image.config_digest)


def test_each_restart_of_one_id_is_a_start(watch: Watch, lab: DockerLab, journal: Path) -> None:
    container_id = lab.docker.run(lab.reference)
    for times in (2, 3):
        lab.docker.restart(container_id)
        watch.until(
            lambda: sum(each.container_id == container_id for each in watch.read()) == times,  # noqa: B023
            f"{times} starts are printed",
        )
    printed = [each for each in watch.read() if each.container_id == container_id]
    assert len({each.identity for each in printed}) == 3
    assert {each.image.digest for each in printed} == {lab.image.root.digest}
    assert watch.stop() == 0
    assert [len(found) for found in rows_of(journal, [container_id]).values()] == [3]
    assert losses(closed_books(journal)) == 0


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.long)])
def test_containers_that_live_for_milliseconds_all_have_their_image(
    watch: Watch, lab: DockerLab, journal: Path, count: int
) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ids = list(pool.map(lambda _: lab.docker.run_short(lab.reference), range(count)))
    printed = watch.printed(ids, seconds=120)
    assert watch.stop() == 0
    assert Counter(each.container_id for each in watch.read() if each.container_id in printed) == Counter(ids)
    assert Counter(each.resolution for each in printed.values()) == {Resolution.RESOLVED: count}
    assert {each.image.digest for each in printed.values()} == {lab.image.root.digest}
    assert losses(closed_books(journal)) == 0


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_daemon_that_is_restarted_loses_nothing(watch: Watch, lab: DockerLab, journal: Path, how: str) -> None:
    before = lab.docker.run(lab.reference)
    watch.printed([before])
    if how == "kill":
        lab.docker.kill()
    else:
        lab.docker.terminate()
    lab.docker.start()
    during = [lab.docker.run(lab.reference) for _ in range(3)]
    printed = watch.printed([before, *during])
    assert watch.stop() == 0
    ids = [before, *during]
    assert Counter(each.container_id for each in watch.read() if each.container_id in ids) == Counter(ids)
    assert {each.image.digest for each in printed.values()} == {lab.image.root.digest}
    assert losses(closed_books(journal)) == 0


def test_a_start_under_way_while_the_daemon_hangs_is_answered_afterwards(
    watch: Watch, lab: DockerLab, journal: Path
) -> None:
    container_id = lab.docker.create(lab.reference)
    starting = threading.Thread(target=lab.docker.start_container, args=(container_id,))
    starting.start()
    wait_until(directory_of(lab, container_id).exists, "its cgroup is made")
    lab.docker.freeze()
    try:
        watch.until(lambda: rows_of(journal, [container_id])[container_id], "it is in the journal")
    finally:
        lab.docker.thaw()
    starting.join()
    assert seen(watch, container_id).image.digest == lab.image.root.digest


def test_what_ran_before_and_what_exited_while_nobody_watched(begin: Begin, lab: DockerLab, journal: Path) -> None:
    running = lab.docker.run(lab.reference, name="early")
    first = begin().answered_by(lab.docker.socket)
    found = seen(first, running)
    assert (found.origin, found.container.name) == (Origin.RECONCILED, "early")
    assert first.stop() == 0
    again, exited = lab.docker.run(lab.reference), lab.docker.run(lab.reference, "/bin/true")
    never = lab.docker.create(lab.reference)
    lab.docker.restart(again)
    wait_until(lambda: not lab.docker.inspect(exited)["State"]["Running"], "it has exited")
    second = begin().answered_by(lab.docker.socket)
    printed = second.printed([again, exited])
    assert {each.origin for each in printed.values()} == {Origin.RECONCILED}
    assert {each.image.digest for each in printed.values()} == {lab.image.root.digest}
    assert printed[exited].ended is not None
    assert second.stop() == 0
    rows = rows_of(journal, [running, again, exited, never])
    assert {key: len(found) for key, found in rows.items()} == {running: 1, again: 1, exited: 1, never: 0}


def test_docker_and_its_containerd_give_one_record(begin: Begin, lab: DockerLab, journal: Path) -> None:
    watch = begin("--runtime-endpoint", str(lab.docker.containerd_socket)).answered_by(lab.docker.socket)
    watch.answered_by(lab.docker.containerd_socket)
    ids = [lab.docker.run(lab.reference) for _ in range(3)]
    printed = watch.printed(ids)
    assert {each.image.digest for each in printed.values()} == {lab.image.root.digest}
    assert watch.stop() == 0
    assert Counter(each.container_id for each in watch.read() if each.container_id in ids) == Counter(ids)
    assert [len(found) for found in rows_of(journal, ids).values()] == [1] * 3
    shown = ps(lab, "--runtime-endpoint", str(lab.docker.containerd_socket))
    assert Counter(each.container_id for each in shown if each.container_id in ids) == Counter(ids)
    assert {each.image.digest for each in shown if each.container_id in ids} == {lab.image.root.digest}


def test_where_no_docker_answers_its_containers_say_so(begin: Begin, lab: DockerLab) -> None:
    watch = begin().attached()
    lab.docker.terminate()
    try:
        container_id = "d" * 64
        directory = directory_of(lab, container_id)
        directory.mkdir(parents=True)
        record = seen(watch, container_id)
        directory.rmdir()
    finally:
        lab.docker.start()
    assert (record.resolution, record.reason) == (Resolution.UNRESOLVED, "DockerUnavailable")


def test_ps_shows_what_runs(lab: DockerLab) -> None:
    running = lab.docker.run(lab.reference, name="shown", Memory=32 << 20)
    stopped = lab.docker.run(lab.reference)
    lab.docker.stop(stopped)
    created = lab.docker.create(lab.reference)
    shown = {record.container_id: record for record in ps(lab)}
    assert shown.keys() & {running, stopped, created} == {running}
    record = shown[running]
    assert (record.container.name, record.image.digest) == ("shown", lab.image.root.digest)
    assert record.resources.memory == Limit(limit=32 << 20)


def test_doctor_names_it(lab: DockerLab) -> None:
    done = rollcall("doctor", "--output", "json", "--runtime-endpoint", lab.docker.endpoint, status=None)
    answers = {each["endpoint"]: each for each in json.loads(done.stdout)["runtimes"]}
    assert answers[str(lab.docker.socket)]["name"] == "docker"


def directory_of(lab: DockerLab, container_id: str) -> Path:
    return followed_here().mount / lab.docker.cgroup_parent.lstrip("/") / container_id


def ps(lab: DockerLab, *options: str) -> list[ContainerCreate]:
    done = rollcall("ps", "--output", "json", "--runtime-endpoint", lab.docker.endpoint, *options, status=None)
    return [msgspec.json.decode(line, type=ContainerCreate) for line in done.stdout.splitlines()]
