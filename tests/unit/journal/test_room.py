"""A full disk, a full journal, and what is forgotten."""

from __future__ import annotations

import os
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from rollcall.record import ContainerCreate, TimeSource
from rollcall_agent.journal import Journal, JournalError, NotCommittedError, Start

Starts = Callable[..., Start]
Records = Callable[..., ContainerCreate]


@contextmanager
def no_more_pages(journal: Journal) -> Iterator[None]:
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    yield
    journal._connection.execute("PRAGMA max_page_count = 1000000")


@contextmanager
def no_longer_files(size: int) -> Iterator[None]:
    """Let no write reach beyond `size` bytes of any file of this process, as a quota would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def add(journal: Journal, *starts: Start) -> list[int | None]:
    with journal.transaction():
        journal.count("read", len(starts), attach=1)
        return [journal.add(start) for start in starts]


def finish(journal: Journal, row: int | None, record: ContainerCreate, *, ended: int | None = 5) -> int:
    assert row is not None
    with journal.transaction():
        journal.resolve(row, record)
        journal.settle([start.row for start in journal.next_ready()])
        if ended is not None:
            journal.end_row(row, ended, TimeSource.KERNEL)
    return row


def test_a_full_disk_fails_the_whole_transaction_and_a_later_try_succeeds(journal: Journal, make_start: Starts) -> None:
    add(journal, make_start(0))
    before = journal.books()
    starts = [make_start(number) for number in range(1, 200)]
    with (
        no_more_pages(journal),
        pytest.raises(NotCommittedError, match=r"journal.db: can't be written: .*; free some space") as failure,
    ):
        add(journal, *starts)
    assert failure.value.reason == "disk_full"
    assert journal.books() == before
    assert None not in add(journal, *starts)
    agent = journal.books().agent
    assert (agent.read, agent.pending, agent.dropped, agent.difference) == (200, 200, {}, 0)


def test_starts_given_up_for_a_full_disk_are_counted_once_there_is_space(journal: Journal, make_start: Starts) -> None:
    add(journal, make_start(0))
    before = journal.books()

    def apply() -> None:
        journal.count("read", 301, attach=1)
        journal.count("end_read", attach=1)
        journal.count("foreign", 100)
        journal.end(1000, 0, 1, TimeSource.KERNEL)
        for number in range(201):
            journal.add(make_start(number))

    for _ in range(3):
        with no_more_pages(journal), pytest.raises(NotCommittedError) as failure, journal.transaction():
            apply()
        with journal.forfeit(failure.value.reason):
            apply()
        assert journal.books() == before
    add(journal, make_start(500))
    books = journal.books()
    assert (books.agent.read, books.agent.foreign, books.agent.pending) == (905, 300, 2)
    assert (books.agent.dropped, books.agent.duplicate) == ({"disk_full": 600}, 3)
    assert (books.agent.end_read, books.agent.end_unmatched) == (3, 3)
    assert books.closed
    add(journal, make_start(501))
    assert journal.books().agent.dropped == {"disk_full": 600}


def test_what_can_be_made_later_is_not_forfeited(journal: Journal, make_start: Starts, make_record: Records) -> None:
    row = add(journal, make_start(0))[0]
    assert row is not None
    with journal.forfeit("disk_full"), pytest.raises(RuntimeError):
        journal.resolve(row, make_record(0))


def test_a_failing_write_is_told_and_survived(journal: Journal, make_start: Starts) -> None:
    add(journal, make_start(0))
    log = journal.path.with_name("journal.db-wal").stat().st_size
    with no_longer_files(log), pytest.raises(NotCommittedError) as failure:
        add(journal, *(make_start(number) for number in range(1, 200)))
    assert failure.value.reason == "disk_error"
    add(journal, make_start(1))
    assert journal.books().agent.pending == 2
    assert journal.books().closed


def test_a_program_that_keeps_the_file_locked_is_survived(journal: Journal, make_start: Starts) -> None:
    journal._connection.execute("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotCommittedError, match="end the program that keeps it locked") as failure:
            add(journal, make_start(0))
    assert failure.value.reason == "locked"
    add(journal, make_start(0))
    assert journal.books().agent.pending == 1


def test_a_move_that_was_not_committed_can_be_made_again(
    journal: Journal, make_start: Starts, make_record: Records
) -> None:
    row = add(journal, make_start(0))[0]
    assert row is not None
    large = make_record(0, message=os.urandom(50_000).hex())
    with no_more_pages(journal), pytest.raises(NotCommittedError), journal.transaction():
        journal.resolve(row, large)
    assert [start.row for start in journal.pending()] == [row]
    with journal.transaction():
        journal.resolve(row, large)
    assert journal.ready()[0].record == large


def test_a_journal_that_cant_be_made_says_why(open_it: Callable[..., Journal]) -> None:
    with no_longer_files(8192), pytest.raises(JournalError, match=r"journal.db: can't be opened: .*; is its disk full"):
        open_it()


def test_what_does_not_fit_is_counted_and_the_size_is_kept(
    open_it: Callable[..., Journal], make_start: Starts, make_record: Records
) -> None:
    size = 1 << 20
    journal = open_it(max_bytes=size)
    with journal.transaction():
        journal.open_attach("core", 1, 0, 1)
    rows = [row for number in range(2000) for row in add(journal, make_start(number)) if row is not None]
    assert 0 < len(rows) < 2000
    for number, row in enumerate(rows):
        with journal.transaction():
            journal.resolve(row, make_record(number, message=os.urandom(700).hex()))
    assert journal.size_bytes <= size
    agent = journal.books().agent
    assert agent.dropped == {"overflow": 2000 - len(rows)}
    assert agent.ready == len(rows)
    assert agent.difference == 0
    assert add(journal, make_start(0), make_start(5000)) == [None, None]
    agent = journal.books().agent
    assert (agent.duplicate, agent.dropped) == (1, {"overflow": 2001 - len(rows)})


def test_what_is_settled_and_ended_makes_room_oldest_first(
    open_it: Callable[..., Journal], make_start: Starts, make_record: Records
) -> None:
    size = 1 << 20
    journal = open_it(max_bytes=size)
    with journal.transaction():
        journal.open_attach("core", 1, 0, 1)
    for number in range(1500):
        finish(journal, add(journal, make_start(number))[0], make_record(number, message=os.urandom(700).hex()))
    assert journal.size_bytes <= size
    agent = journal.books().agent
    assert (agent.read, agent.written, agent.dropped, agent.difference) == (1500, 1500, {}, 0)
    left = [start.cgroup_id - 1000 for start in journal.events()]
    assert left == list(range(1500 - len(left), 1500))
    assert len(left) > 200
    assert journal.complete_since_ns() == make_start(left[0]).read_ns


def test_what_lives_is_never_retired(open_it: Callable[..., Journal], make_start: Starts, make_record: Records) -> None:
    journal = open_it(max_bytes=1 << 20)
    with journal.transaction():
        journal.open_attach("core", 1, 0, 1)
    kept: list[int] = []
    for number in range(5000):
        (row,) = add(journal, make_start(number))
        if row is None:
            break
        kept.append(finish(journal, row, make_record(number), ended=None))
    assert 200 < len(kept) < 5000
    assert [start.row for start in journal.events()] == kept
    with journal.transaction():
        for row in kept[:40]:
            journal.end_row(row, 5, TimeSource.KERNEL)
        journal.count("listed")
        added = journal.add(make_start(5001))
    assert added is not None
    assert [start.row for start in journal.events()] == [*kept[40:], added]


def test_forgotten_is_what_ended_long_ago_and_no_runtime_knows(
    journal: Journal, make_start: Starts, make_record: Records
) -> None:
    known = finish(journal, add(journal, make_start(1))[0], make_record(1), ended=5)
    recent = finish(journal, add(journal, make_start(2))[0], make_record(2), ended=10)
    live = finish(journal, add(journal, make_start(3))[0], make_record(3), ended=None)
    finish(journal, add(journal, make_start(4))[0], make_record(4), ended=9)
    waiting = add(journal, make_start(5))[0]
    dropped = add(journal, make_start(6))[0]
    assert waiting is not None
    assert dropped is not None
    with journal.transaction():
        journal.drop(dropped, "gone")
        for row in (waiting, dropped):
            journal.end_row(row, 5, TimeSource.KERNEL)
    before = journal.books()
    with journal.transaction():
        assert journal.forget_unknown([f"{1:064x}"], older_than_ns=10) == 2
    assert [start.row for start in journal.events()] == [known, recent, live, waiting]
    assert journal.books().agent == before.agent
    with journal.transaction():
        assert journal.forget_unknown([], older_than_ns=10) == 1
    assert journal.books().agent == before.agent


def test_a_start_of_an_earlier_boot_is_forgotten_without_an_end(
    journal: Journal, make_start: Starts, make_record: Records
) -> None:
    finish(journal, add(journal, make_start(1, boot_id="another"))[0], make_record(1), ended=None)
    with journal.transaction():
        assert journal.forget_unknown([], older_than_ns=make_start(1).read_ns) == 0
        assert journal.forget_unknown([], older_than_ns=make_start(2).read_ns) == 1
