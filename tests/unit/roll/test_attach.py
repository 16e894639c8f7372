"""The kernel's counters in the journal: never half an event, and older attaches are closed once they are drained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from rollcall_agent.collect.event import KernelLedger, WaysOut
from rollcall_agent.collect.hierarchy import Hierarchy
from rollcall_agent.journal import open_journal
from rollcall_agent.roll.attach import Attach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollcall_agent.journal import Journal

HIERARCHY = Hierarchy(id=0, version=2, mount=Path("/"))


class Scripted:
    """A collector whose readings are given; the last one stays."""

    name = "core"
    attach_number = 2
    pinned = True
    leftovers: ClassVar[list[str]] = []

    def __init__(self, *, adopted: bool = False, older: list[int] | None = None) -> None:
        self.adopted = adopted
        self.older_attaches = older or []
        self.readings = [of(0, 0)]
        self.finished: list[KernelLedger] = []

    def ledger(self) -> KernelLedger:
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    def drained(self) -> list[KernelLedger]:
        finished, self.finished = self.finished, []
        return finished


def of(seen: int, submitted: int, attach: int = 2) -> KernelLedger:
    return KernelLedger(attach=attach, mkdirs=WaysOut(seen=seen, submitted=submitted))


@pytest.fixture
def journals(tmp_path: Path) -> Iterator[Callable[[], Journal]]:
    opened: list[Journal] = []

    def again() -> Journal:
        opened.append(open_journal(tmp_path / "journal.db", boot_id="b"))
        return opened[-1]

    yield again
    for journal in opened:
        journal.close()


def stored(journal: Journal) -> dict[int, tuple[int, int]]:
    return {each.number: (each.ledger.mkdirs.seen, each.ledger.mkdirs.submitted) for each in journal.books().kernel}


def opened(collector: Any, journal: Journal) -> Attach:  # no more of a collector than is asked
    attach = Attach(collector, journal, HIERARCHY)
    attach.open()
    return attach


def test_half_an_event_is_read_again(journals: Callable[[], Journal]) -> None:
    collector, journal = Scripted(), journals()
    attach = opened(collector, journal)
    collector.readings = [of(6, 5), of(6, 5), of(6, 6)]
    attach.store()
    assert stored(journal) == {2: (6, 6)}


def test_counters_that_do_not_settle_are_not_stored(journals: Callable[[], Journal]) -> None:
    collector, journal = Scripted(), journals()
    attach = opened(collector, journal)
    collector.readings = [of(6, 5)]
    assert not attach.store()
    attach.close()
    assert stored(journal) == {2: (0, 0)}
    collector.readings = [of(7, 7)]
    attach.store()
    assert stored(journal) == {2: (7, 7)}


def test_an_older_attach_that_was_drained_is_closed_and_no_gap(journals: Callable[[], Journal]) -> None:
    old = journals()
    with old.transaction():
        old.open_attach("core", 1, 0, 1)
    old.close()
    collector, journal = Scripted(older=[1]), journals()
    attach = opened(collector, journal)
    collector.finished = [of(3, 3, attach=1)]
    attach.store()
    assert stored(journal) == {1: (3, 3), 2: (0, 0)}
    assert [row.closed_ns is None for row in journal.books().kernel] == [False, True]
    journal.close()
    again = journals()
    opened(Scripted(adopted=True), again)
    assert again.books().gaps == ()


def test_a_journal_begun_anew_knows_of_no_older_attach(journals: Callable[[], Journal]) -> None:
    collector, journal = Scripted(), journals()
    collector.finished = [of(3, 3, attach=1)]
    assert not opened(collector, journal).store()
    assert stored(journal) == {2: (0, 0)}
