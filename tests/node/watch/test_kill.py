"""`kill -9` of watch at random moments in a burst: what is alive or was read is recorded once, the rest is named."""

from __future__ import annotations

import random
import secrets
import threading
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import pytest

from lab.watching import Watch, closed_books, losses, rows, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from lab.node_lab import NodeLab
    from lab.starting import Starter
    from node.watch.conftest import Begin
    from rollcall.record import Spool

kills_of_a_run = pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.long)])


class Burst:
    """Starts containers in the background as long as the block lasts, and keeps their ids by what became of them.

    `gone` have ended and are forgotten, `kept` have ended and are known to the runtime, `running` run.
    """

    def __init__(self, start: Starter) -> None:
        self._start = start
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.gone: list[str] = []
        self.kept: list[str] = []
        self.running: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def made(self) -> int:
        return len(self.gone) + len(self.kept) + len(self.running)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.gone += self._start.short(1)
            self.kept += self._start.exited(1)
            self.running += self._start.long(1)


def kill_at_random(begin: Callable[[], Watch], burst: Burst, kills: int) -> list[Watch]:
    """Begin watches one after another, and kill each after a random part of the burst was made or read."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201  # for whoever has to repeat a failure
    moments = random.Random(seed)  # noqa: S311  # moments, no secrets
    watches = []
    for _ in range(kills):
        wanted = burst.made() + moments.randint(0, 4)
        watch = begin()
        least = len(rows(watch.journal)) + moments.randint(0, 3)
        watch.until(
            lambda: burst.made() >= wanted and len(rows(watch.journal)) >= least,  # noqa: B023  # called before the next
            "it is time to kill it",
            seconds=120,
        )
        watch.kill()
        watches.append(watch)
    return watches


def assert_once(journal: Path, watches: list[Watch], ids: Iterable[str]) -> None:
    """One row for each id, and printed under one place in the journal: again only by a process after the one killed."""
    wanted = set(ids)
    assert {each: len(found) for each, found in rows_of(journal, wanted).items() if len(found) != 1} == {}
    places: defaultdict[str, set[Spool | None]] = defaultdict(set)
    for watch in watches:
        printed = [record for record in watch.read() if record.container_id in wanted]
        assert len({record.identity for record in printed}) == len(printed), "one process printed a start twice"
        for record in printed:
            places[record.container_id].add(record.spool)
    assert places.keys() == wanted
    assert {each: found for each, found in places.items() if len(found) > 1} == {}


def all_answered(journal: Path, ids: Iterable[str]) -> bool:
    return all(found and found[0].record for found in rows_of(journal, ids).values())


@kills_of_a_run
def test_with_pinning_nothing_is_missed_at_all(
    begin: Begin, start: Starter, node: NodeLab, journal: Path, bpffs: Path, kills: int
) -> None:
    def pinned() -> Watch:
        return begin("--collector", "core", "--pin", str(bpffs / "rollcall")).attached()

    watches = [pinned().answered_by(node.containerd.socket)]
    watches[0].kill()
    with Burst(start) as burst:
        watches += kill_at_random(pinned, burst, kills)
    last = pinned()
    known = [*burst.kept, *burst.running, *start.exited(1)]
    last.until(lambda: all_answered(journal, known), "every start that the runtime knows is answered", seconds=120)
    assert last.stop() == 0
    assert_once(journal, [*watches, last], known)
    assert {each: len(found) for each, found in rows_of(journal, burst.gone).items() if len(found) != 1} == {}
    books = closed_books(journal)
    assert losses(books) == 0
    assert books["gaps"] == []
    assert len(books["kernel"]) == 1


@kills_of_a_run
def test_without_pinning_the_gaps_are_named(
    begin: Begin, start: Starter, node: NodeLab, journal: Path, collector: str, kills: int
) -> None:
    def unpinned() -> Watch:
        return begin("--collector", collector).attached()

    watches = [unpinned().answered_by(node.containerd.socket)]
    watches[0].kill()
    with Burst(start) as burst:
        watches += kill_at_random(unpinned, burst, kills)
    read = {each.container_id for each in rows(journal)}
    last = unpinned()
    known = [*burst.kept, *burst.running, *start.exited(1)]
    last.until(lambda: all_answered(journal, known), "every start that the runtime knows is answered", seconds=120)
    assert last.stop() == 0
    assert_once(journal, [*watches, last], known)
    found = rows_of(journal, burst.gone)
    assert {each: len(its) for each, its in found.items() if len(its) != (each in read)} == {}
    gaps = [gap for gap in closed_books(journal)["gaps"] if gap["reason"] == "attach_lost"]
    assert len(gaps) == kills + 1
    for gap, (killed, after) in zip(gaps, pairwise([*watches, last]), strict=True):
        assert killed.begun_ns < gap["from_ns"] < killed.killed_ns < after.begun_ns < gap["to_ns"]
